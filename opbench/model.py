"""What a model is: given fields on a grid in, asked fields on that grid out."""

import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from opbench.errors import ModelError, OpbenchError, out_of_memory
from opbench.grid import Grid


@dataclass(frozen=True)
class Channel:
    """One channel of a model's input or output: a field, at a time where it has one."""

    field: str
    time: float | None = None


@dataclass(frozen=True)
class Spec:
    """What a task gives a model and asks of it: named channels, and the grid of the training data.

    auxiliary: output channels that a loss asks for beside those, behind them; no score sees them.
    """

    inputs: tuple[Channel, ...]
    outputs: tuple[Channel, ...]
    grid: Grid
    auxiliary: tuple[Channel, ...] = ()

    @property
    def in_channels(self) -> int:
        return len(self.inputs)

    @property
    def out_channels(self) -> int:
        return len(self.outputs) + len(self.auxiliary)

    @property
    def dims(self) -> int:
        return self.grid.dims


@dataclass(frozen=True)
class Samples:
    """A batch or a whole split: given (n, c_in, *s), reference (n, c_out, *s), coords (*s, d), all in physical units.

    finer: the same inputs on a finer grid (n, c_in, *t), where a loss wants them.
    """

    given: Tensor
    reference: Tensor
    coords: Tensor
    finer: Tensor | None = None

    def __len__(self) -> int:
        return len(self.given)

    def __getitem__(self, index) -> "Samples":
        finer = None if self.finer is None else self.finer[index]
        return Samples(self.given[index], self.reference[index], self.coords, finer)

    def to(self, device: torch.device | str) -> "Samples":
        finer = None if self.finer is None else self.finer.to(device)
        return Samples(self.given.to(device), self.reference.to(device), self.coords.to(device), finer)


def coordinates(grid: Grid, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu") -> Tensor:
    """Positions of all points, (*s, d)."""
    return torch.as_tensor(np.stack(grid.mesh(), axis=-1), dtype=dtype, device=device)


class OperatorModel(nn.Module, ABC):
    """A map from given to asked fields, (b, c_in, *s) and coordinates (*s, d) -> (b, c_out, *s).

    A model that takes one point at a time answers at coordinates of any other points (*points, d) too, (b, c_out, *points), which losses
    that choose their own ask for.
    Config: a frozen dataclass in the model's file whose defaults are what opbench runs.
    one_resolution: empty, or the reason why the model runs on the training grid only.
    learning_rate: the peak that opbench trains it with, unless told otherwise.
    physical: the model wants physical units in and out; `Normalized` then leaves the channels as they are.
    """

    Config: ClassVar[type]
    one_resolution: str = ""
    learning_rate: float = 1e-3
    physical: ClassVar[bool] = False

    def __init__(self, spec: Spec, config):
        super().__init__()
        self.spec = spec
        self.config = config

    def prepare(self, given: Tensor, reference: Tensor, coords: Tensor) -> None:
        """See the training split once, before training: closed-form models are fitted here. Sets buffers only."""

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        """Called before each epoch, counted from 0; what it does must follow from its arguments and the weights alone."""

    @property
    def fitted(self) -> bool:
        """Whether `prepare` reads the references, so that there is no model without them."""
        return type(self).prepare is not OperatorModel.prepare

    @property
    def final(self) -> bool:
        """Whether the model has its final form; the weights of an earlier form are never kept as the best."""
        return True

    @property
    def written(self) -> type:
        """The class that its author wrote."""
        return type(self)

    @abstractmethod
    def forward(self, given: Tensor, coords: Tensor) -> Tensor: ...

    @property
    def layout(self) -> dict[str, str]:
        """What decides this model's speed beside its function, for its record: order of memory, form of a transform, what is shared."""
        return {}

    def provenance(self) -> dict[str, str]:
        """What a record must name, beside opbench and torch, to identify the code of this model: versions and sha256 sums."""
        return {}


@contextmanager
def told(label: str, cls: type) -> Iterator[None]:
    """Errors inside a model's code as a ModelError of one line that says which, and where in the file of `cls`."""
    try:
        yield
    except (Exception, SystemExit) as error:
        if isinstance(error, OpbenchError) or out_of_memory(error):
            raise
        frames = traceback.extract_tb(error.__traceback__)
        file = getattr(sys.modules.get(cls.__module__), "__file__", None)
        place = ([frame for frame in frames if frame.filename == file] or frames)[-1]
        text = " ".join(str(error).split())
        raise ModelError(f"{label}: {type(error).__name__}: {text} ({place.filename}:{place.lineno})") from error


class Normalized(nn.Module):
    """A model that sees zero-mean, unit-variance channels; to the outside everything is in physical units.

    The statistics come from `prepare`, so from the training split only. A channel that never varies keeps its scale.
    mollifier: positions (*s, d) -> (c_out, *s), what the output is multiplied by in the end: where it is zero, so is the prediction.
    """

    given_mean: Tensor
    given_std: Tensor
    reference_mean: Tensor
    reference_std: Tensor

    def __init__(self, model: OperatorModel, mollifier: Callable[[Tensor], Tensor] | None = None):
        super().__init__()
        self.model = model
        self.mollifier = mollifier
        self.asked = len(model.spec.outputs)
        ones = [1] * model.spec.dims
        for name, channels in (("given", model.spec.in_channels), ("reference", model.spec.out_channels)):
            self.register_buffer(f"{name}_mean", torch.zeros(channels, *ones))
            self.register_buffer(f"{name}_std", torch.ones(channels, *ones))

    def prepare(self, given: Tensor, reference: Tensor, coords: Tensor) -> None:
        if self.model.physical:
            self.model.prepare(given, reference, coords)
            return
        for name, values in (("given", given), ("reference", reference)):
            axes = [0, *range(2, values.ndim)]
            std, mean = torch.std_mean(values.double(), dim=axes, correction=0, keepdim=True)
            if name == "reference" and self.mollifier is not None:
                bump, asked = self.mollifier(coords).double(), values[:, : self.asked].double()
                std[:, : self.asked], mean[:, : self.asked] = _std_mean_beside(asked, bump)
            getattr(self, f"{name}_mean").copy_(mean[0])
            getattr(self, f"{name}_std").copy_(torch.where(std > 0, std, 1.0)[0])
        given = (given - self.given_mean) / self.given_std
        self.model.prepare(given, (reference - self.reference_mean) / self.reference_std, coords)

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        self.model.begin_epoch(epoch, epochs)

    @property
    def final(self) -> bool:
        return self.model.final

    def forward(self, given: Tensor, coords: Tensor) -> Tensor:
        """(b, c_in, *s), (*s, d) -> (b, c_out, *s), physical units in and out."""
        return self.whole(given, coords)[:, : self.asked]

    def whole(self, given: Tensor, coords: Tensor) -> Tensor:
        """The same with the auxiliary channels behind, which no mollifier touches."""
        prediction = self.model((given - self.given_mean) / self.given_std, coords)
        prediction = prediction * self.reference_std + self.reference_mean
        if self.mollifier is None:
            return prediction
        asked, auxiliary = prediction.tensor_split([self.asked], 1)
        return torch.cat((self.mollifier(coords) * asked, auxiliary), 1)

    def told(self) -> AbstractContextManager[None]:
        """Names what the model's own code raises; not part of `forward`, which is timed and compiled."""
        return told(self.model.written.__name__, self.model.written)

    def provenance(self) -> dict[str, str]:
        return self.model.provenance()


def _std_mean_beside(values: Tensor, mollifier: Tensor) -> tuple[Tensor, Tensor]:
    """Per channel, the mean c and deviation of values / mollifier, points weighed by mollifier^2: the c m(x) nearest to the values."""
    axes, whole = [0, *range(2, values.ndim)], len(values) * mollifier.square().flatten(1).sum(1)
    whole = whole.reshape(1, -1, *[1] * (values.ndim - 2))
    mean = (values * mollifier).sum(axes, keepdim=True) / whole
    return ((values - mean * mollifier).square().sum(axes, keepdim=True) / whole).sqrt(), mean
