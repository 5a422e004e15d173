"""A model by name, or a class of the user's own, made ready for a task."""

import copy
import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from opbench.config import build
from opbench.errors import ModelError
from opbench.find import find, known
from opbench.model import OperatorModel, Spec, coordinates, told

FILLED: Mapping[str, Callable[[Spec], Any]] = {  # parameters of a plain module's constructor, by name
    "spec": lambda spec: spec,
    "grid_shape": lambda spec: spec.grid.shape,
    **dict.fromkeys(("in_channels", "c_in"), lambda spec: spec.in_channels),
    **dict.fromkeys(("out_channels", "c_out"), lambda spec: spec.out_channels),
    **dict.fromkeys(("dims", "ndim"), lambda spec: spec.dims),
}
SAMPLES = 2  # of the trial run: enough to see that the batch axis is kept


def build_model(model: str | type, spec: Spec, settings: Mapping[str, Any]) -> OperatorModel:
    """The model for a task, tried once on random samples; `settings` override its defaults.

    model: a name in opbench/models, `module:Class`, `path/to/file.py:Class`, or the class: an OperatorModel, or any torch.nn.Module
    that maps (b, c_in, *s) to (b, c_out, *s), see `Plain`.
    Raises UnknownName for an unknown name or setting, ConfigError for a setting of a wrong type, ModelError for a model that cannot
    be built, fails, or answers in a wrong shape.
    """
    cls = find("models", model, OperatorModel) if isinstance(model, str) else model
    if not isinstance(cls, type):
        raise ModelError(
            f"model: expected a class derived from torch.nn.Module, got an instance of {type(cls).__name__}; give the class itself"
        )
    label = model if isinstance(model, str) and ":" not in model else cls.__name__
    if not issubclass(cls, nn.Module):
        raise ModelError(f"{label}: expected a torch.nn.Module class, got one that is none; derive it from torch.nn.Module")
    if issubclass(cls, OperatorModel):
        if not dataclasses.is_dataclass(getattr(cls, "Config", None)):
            raise ModelError(f"{label}: expected a frozen dataclass named Config in the class, found none; write one, it may be empty")
        config = build(cls.Config, settings, label)
        with told(label, cls):
            built = cls(spec, config)
    else:
        built = Plain(spec, cls, settings)
    _try(built, spec, label)
    return built


class Plain(OperatorModel):
    """Any torch.nn.Module of the user's own as a model.

    Its constructor is given, by parameter name: in_channels or c_in, out_channels or c_out, dims or ndim, grid_shape, spec; and where
    they have no default dim, shape, resolution (with one, they may well mean something else); and the settings. It is called as
    net(given), or net(given, coords) where its forward has a second parameter named coords or without a default.
    Class attributes `one_resolution` and `learning_rate` mean what they do in OperatorModel.
    Raises UnknownName for a setting that is no parameter, ModelError for a required parameter that nothing fills.
    """

    Config: ClassVar[type] = dict

    def __init__(self, spec: Spec, cls: type[nn.Module], settings: Mapping[str, Any]):
        super().__init__(spec, dict(settings))
        self.one_resolution = getattr(cls, "one_resolution", OperatorModel.one_resolution)
        self.learning_rate = getattr(cls, "learning_rate", OperatorModel.learning_rate)
        arguments = _arguments(cls, spec, settings)
        with told(cls.__name__, cls):
            self.net = cls(**arguments)
        self.wants_coords = _wants_coords(self.net)

    def forward(self, given: Tensor, coords: Tensor) -> Tensor:
        return self.net(given, coords) if self.wants_coords else self.net(given)

    @property
    def written(self) -> type:
        return type(self.net)


def _arguments(cls: type[nn.Module], spec: Spec, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a plain module's constructor is called with."""
    sure = {name: fill(spec) for name, fill in FILLED.items()}
    offered = sure | {"dim": spec.dims, "shape": spec.grid.shape, "resolution": spec.grid.shape}
    every = inspect.signature(cls).parameters.values()
    parameters = {p.name: p for p in every if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    if not any(p.kind is p.VAR_KEYWORD for p in every):
        for name in settings:
            known(f"setting of {cls.__name__}", name, parameters)
    arguments = {name: offered[name] for name, p in parameters.items() if name in sure or (name in offered and p.default is p.empty)}
    arguments |= settings
    if missing := [name for name, p in parameters.items() if p.default is p.empty and name not in arguments]:
        raise ModelError(
            f"{cls.__name__}: nothing fills the constructor's {', '.join(missing)}; "
            f"opbench offers {', '.join(offered)}: use these names, give a default, or pass it as a setting"
        )
    return arguments


def defaults(cls: type[nn.Module]) -> dict[str, Any]:
    """What a plain module's constructor takes by default, without what opbench fills."""
    parameters = inspect.signature(cls).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty and p.name not in FILLED}


def _wants_coords(net: nn.Module) -> bool:
    parameters = [p for p in inspect.signature(net.forward).parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(parameters) > 1 and (parameters[1].name == "coords" or parameters[1].default is inspect.Parameter.empty)


def _try(model: OperatorModel, spec: Spec, label: str) -> None:
    """Run `model` on random samples, as in evaluation and as in training; leaves random numbers and running statistics as they were."""
    coords = coordinates(spec.grid, torch.get_default_dtype())
    expected, kept = (SAMPLES, spec.out_channels, *spec.grid.shape), copy.deepcopy(dict(model.named_buffers()))
    with torch.random.fork_rng(devices=[]), torch.enable_grad(), told(label, model.written):
        for training in (False, True):
            answer = model.train(training)(torch.randn(SAMPLES, spec.in_channels, *spec.grid.shape), coords)
            got = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
            if got != expected:
                raise ModelError(
                    f"{label}: expected output {_shown(expected)}, got {_shown(got)}; return one tensor (b, out_channels, *grid)"
                )
            if not answer.is_floating_point():
                raise ModelError(f"{label}: expected real numbers, got {answer.dtype}; return the dtype of the input")
            if any(p.requires_grad for p in model.parameters()) and not answer.requires_grad:
                raise ModelError(f"{label}: its output does not depend on its parameters in a way that can be trained; do not detach it")
            if answer.requires_grad:
                answer.square().mean().backward()
    model.zero_grad()
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            if name in kept and buffer.shape == kept[name].shape:
                buffer.copy_(kept[name])


def _shown(shape: tuple[int, ...] | str) -> str:
    """(2, 1, 64) as "(b, 1, 64)": the batch axis by name where it is there."""
    if isinstance(shape, str):
        return shape
    return f"({', '.join(['b' if i == 0 and n == SAMPLES else str(n) for i, n in enumerate(shape)])})"
