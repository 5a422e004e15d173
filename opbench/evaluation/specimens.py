"""What a run's predictions look like: a few test samples, and curves over all of them, in a small file beside the run's record.

Every evaluation writes one, records/<dataset>/<the record's name>.safetensors, and nothing needs it: a record is complete without.
"""

import glob
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from opbench import checkpoint
from opbench.config import Frozen, validate
from opbench.errors import ConfigError, DataError, OpbenchError
from opbench.grid import Grid
from opbench.metrics import relative_l2, shells
from opbench.model import Samples, Spec
from opbench.records.record import Count, Label, Number, Record, Sha256

SUFFIX = ".safetensors"
KINDS = ("best", "median", "worst")  # of the test samples, of a step task the steps, by relative L2
SPECTRA = ("prediction", "reference", "error")
FRAMES = 4  # times of a trajectory that are kept
VALUES = 3 << 14  # of all fields: 192 KiB
WAVES = 1 << 10  # shells of a spectrum
BATCH = 16  # samples whose errors and spectra are taken at once
LARGEST = 1 << 20  # bytes of a file that is read; four times what one has


class About(Frozen):
    """run, date: the record's fingerprint and the date of its training. indices: of the samples, in the order of KINDS.

    axes, lower, upper, periodic: of the kept points, every `stride`-th of the grid, at `plane` of a third axis if there is one.
    given, fields: names of what is given and asked. times: of the kept frames, none where a task asks for no time. stored: all times.
    """

    run: Sha256
    date: str
    indices: tuple[Count, Count, Count]
    axes: tuple[Label, ...]
    lower: tuple[Number, ...]
    upper: tuple[Number, ...]
    periodic: tuple[bool, ...]
    stride: Count
    plane: Number | None
    given: tuple[Label, ...]
    fields: tuple[Label, ...]
    times: tuple[Number, ...]
    stored: tuple[Number, ...]


@dataclass(frozen=True)
class Specimens:
    """All arrays are float32; sample is best, median and worst.

    given: (sample, given, *space); prediction, reference: (sample, field, frame, *space). errors: relative L2, (sample,).
    growth: mean relative L2 at each stored time, (time,), empty but for trajectories. spectra: the energy of waves with
    k <= |wave vector| < k + 1, means over samples and times, (SPECTRA, field, k).
    """

    about: About
    given: np.ndarray
    prediction: np.ndarray
    reference: np.ndarray
    errors: np.ndarray
    growth: np.ndarray
    spectra: np.ndarray

    @property
    def grid(self) -> Grid:
        """Of the kept points."""
        about = self.about
        return Grid(about.axes, self.given.shape[2:], about.lower, about.upper, about.periodic)


ARRAYS = ("given", "prediction", "reference", "errors", "growth", "spectra")


def make(record: Record, spec: Spec, samples: Samples, prediction: Tensor) -> Specimens:
    """Of a run's test split and its prediction (n, c_out, *s)."""
    fields = tuple(dict.fromkeys(channel.field for channel in spec.outputs))
    every = tuple(channel.time for channel in spec.outputs[: len(spec.outputs) // len(fields)])
    stored = tuple(time for time in every if time is not None)
    frames = sorted({round(part * (len(every) - 1)) for part in np.linspace(1 / FRAMES, 1, FRAMES)})
    errors = _errors(prediction, samples.reference)
    order = sorted(range(len(errors)), key=lambda i: errors[i])
    indices = (order[0], order[(len(order) - 1) // 2], order[-1])
    flat, where = _flat(spec.grid)
    stride = _stride(len(indices) * (len(spec.inputs) + 2 * len(fields) * len(frames)), flat.shape)
    kept = _thinned(flat, stride)

    def thin(values: Tensor) -> np.ndarray:
        chosen = values[list(indices)] if where is None else values[list(indices)][..., where]
        return chosen[(..., *[slice(None, None, stride)] * flat.dims)].float().cpu().numpy()

    def unfolded(values: Tensor) -> Tensor:
        return values.unflatten(1, (len(fields), -1))

    asked, told = unfolded(samples.reference), unfolded(prediction)
    about = About(
        run=record.fingerprint,
        date=record.trained_at,
        indices=indices,
        axes=kept.axes,
        lower=kept.lower,
        upper=kept.upper,
        periodic=kept.periodic,
        stride=stride,
        plane=None if where is None else float(spec.grid.coordinates()[2][where]),
        given=tuple(channel.field for channel in spec.inputs),
        fields=fields,
        times=tuple(stored[k] for k in frames) if stored else (),
        stored=stored,
    )
    return Specimens(
        about,
        given=thin(samples.given),
        prediction=thin(told[:, :, frames]),
        reference=thin(asked[:, :, frames]),
        errors=_floats([errors[i] for i in indices]),
        growth=_growth(told, asked) if len(stored) > 1 else _floats([]),
        spectra=_spectra(prediction, samples.reference, spec.grid, len(fields)),
    )


def _flat(grid: Grid) -> tuple[Grid, int | None]:
    """The plane of a third axis that is kept, and its place there."""
    if grid.dims < 3:
        return grid, None
    return grid.plane, grid.shape[2] // 2


def _stride(values: int, shape: Sequence[int]) -> int:
    """The least one that leaves at most VALUES of so many values a point, with two points an axis at least."""
    strides = range(1, min(shape))
    return next((s for s in strides if values * math.prod(-(-n // s) for n in shape) <= VALUES), strides[-1])


def _thinned(grid: Grid, stride: int) -> Grid:
    shape = tuple(-(-n // stride) for n in grid.shape)
    cells = (n if wraps else n - 1 for n, wraps in zip(shape, grid.periodic, strict=True))
    upper = tuple(low + h * stride * m for low, h, m in zip(grid.lower, grid.spacing, cells, strict=True))
    return Grid(grid.axes, shape, grid.lower, upper, grid.periodic)


def _errors(prediction: Tensor, reference: Tensor) -> list[float]:
    """Relative L2 of every sample; infinite where it is not finite."""
    batches = zip(prediction.split(BATCH), reference.split(BATCH), strict=True)
    values = torch.cat([relative_l2(*batch) for batch in batches]).tolist()
    return [value if math.isfinite(value) else math.inf for value in values]


def _growth(prediction: Tensor, reference: Tensor) -> np.ndarray:
    """(n, field, time, *s), twice -> (time,): the mean over samples of relative L2, all fields of a time together."""
    pairs = zip(prediction.unbind(2), reference.unbind(2), strict=True)
    return _floats([float(relative_l2(*pair).mean()) for pair in pairs])


def _floats(values: Sequence[float]) -> np.ndarray:
    """As float32, infinite beyond it."""
    return torch.tensor(values, dtype=torch.float64).float().numpy()


def _spectra(prediction: Tensor, reference: Tensor, grid: Grid, fields: int) -> np.ndarray:
    """(n, c, *s), twice -> (SPECTRA, field, k)."""
    total: Tensor | float = 0.0
    for told, asked in zip(prediction.split(BATCH), reference.split(BATCH), strict=True):
        told, asked = told.double(), asked.double()
        energies = [shells(values, grid)[..., :WAVES].unflatten(1, (fields, -1)) for values in (told, asked, told - asked)]
        total = total + torch.stack(energies).mean(3).sum(1)
    return (total / len(reference)).float().cpu().numpy()  # pyright: ignore[reportAttributeAccessIssue]


def write(path: Path, specimens: Specimens) -> None:
    """Replace the file at `path` in one step; raises DataError."""
    tensors = {name: torch.from_numpy(getattr(specimens, name)).contiguous() for name in ARRAYS}
    checkpoint.write(path, tensors, specimens.about.model_dump(mode="json"))


def read(path: Path) -> Specimens:
    """Raises DataError for a file that is damaged, foreign, or not of one piece."""
    try:
        if (size := path.stat().st_size) > LARGEST:
            raise DataError(f"{path}: expected predictions of a few samples, of at most {LARGEST >> 10} KiB, got {size >> 10}; remove it")
        tensors, content = checkpoint.read(path)
        about = validate(About, content, str(path))
    except (OSError, ConfigError, RecursionError) as error:
        raise DataError(f"{path}: is no file of predictions ({error}); remove it") from error
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items() if tensor.dtype == torch.float32}
    space, waves = found.get("given", ())[2:], found.get("spectra", ())[2:]
    if len(found) < len(tensors) or found != _shapes(about, space, waves) or len(space) not in (1, 2) or len(waves) != 1:
        raise DataError(f"{path}: its arrays are not those that it says it holds; remove it")
    specimens = Specimens(about, **{name: tensor.numpy() for name, tensor in tensors.items()})
    try:
        _ = specimens.grid
    except OpbenchError as error:
        raise DataError(f"{path}: {error}; remove it") from error
    return specimens


def _shapes(about: About, space: tuple[int, ...], waves: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Those that the arrays have, on so many points and with so many waves."""
    pictured = (len(KINDS), len(about.fields), len(about.times) or 1, *space)
    return {
        "given": (len(KINDS), len(about.given), *space),
        "prediction": pictured,
        "reference": pictured,
        "errors": (len(KINDS),),
        "growth": (len(about.stored) if len(about.stored) > 1 else 0,),
        "spectra": (len(SPECTRA), len(about.fields), *waves),
    }


def beside(record: Record, *folders: Path) -> Specimens | None:
    """What lies beside a run's record, or beside one that it was scored anew from, below one of the folders. Raises DataError."""
    for folder in folders:
        for path in sorted((folder / record.dataset).glob(f"{glob.escape(record.stem)}*{SUFFIX}")):
            found = read(path)
            if (found.about.run, found.about.date) == (record.fingerprint, record.trained_at):
                return found
    return None
