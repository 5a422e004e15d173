"""Named tensors and JSON in one safetensors file: whole or not there at all, and never unpickled."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from opbench.atomic import write_bytes
from opbench.errors import DataError

Tensors = dict[str, Tensor]


def tensors_of(module: nn.Module) -> Tensors:
    """Copies of a module's parameters and persistent buffers, on the CPU."""
    return {name: copy_of(value) for name, value in _own(module).items()}


def copy_of(value: Tensor) -> Tensor:
    """A contiguous copy on the CPU that shares no memory with `value`."""
    return value.detach().to("cpu", copy=True).contiguous()


@torch.no_grad()
def put_back(module: nn.Module, tensors: Tensors, source: str) -> None:
    """Copy `tensors` into the module's own, in place; raises DataError where names, shapes or types differ."""
    own = _own(module)
    unfit = sorted(name for name in own.keys() | tensors.keys() if _kind(own.get(name)) != _kind(tensors.get(name)))
    if unfit:
        raise DataError(
            f"{source}: expected the model's own tensors, got others ({', '.join(unfit[:3])}); build the model it was saved from"
        )
    for name, value in own.items():
        value.copy_(tensors[name])


def write(path: Path, tensors: Tensors, description: Any) -> None:
    """Replace the file at `path` in one step; raises DataError."""
    write_bytes(path, save(tensors, {"opbench": json.dumps(description, sort_keys=True)}))


def read(path: Path) -> tuple[Tensors, Any]:
    """The tensors and the description that `write` was given; raises DataError for a file that is damaged or foreign."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads(metadata["opbench"])  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: cannot be read ({error}); delete it to start anew") from error
    except (KeyError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: expected a file written by opbench, got a foreign one; move it elsewhere") from error


def _kind(tensor: Tensor | None) -> Any:
    return tensor if tensor is None else (tensor.shape, tensor.dtype)


def _own(module: nn.Module) -> Tensors:
    state = module.state_dict()  # neuraloperator puts its constructor's arguments among the tensors
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}
