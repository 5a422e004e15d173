"""A dataset's files as a task: what a model is given and what is asked of it, channel by channel."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from opbench.data.dataset import SCALES, SPLITS, Kind, Task
from opbench.data.foreign import Foreign, Part
from opbench.data.generation import Report, file, make
from opbench.data.recipe import Plan, Recipe, datasets, load_recipe, plan
from opbench.data.samples import laws
from opbench.data.store import Stored, to_xarray
from opbench.errors import ConfigError, DataError, UnknownName
from opbench.find import known
from opbench.grid import Grid
from opbench.model import Channel, Samples, Spec, coordinates
from opbench.provenance import sha256, total_memory
from opbench.readers import Selection, reader_of

if TYPE_CHECKING:
    import xarray

COPIES = 3  # of a split of others' arrays at the least: as read, and its samples, given and asked


class Split(Dataset, ABC):
    """One split of a task as a torch dataset of (given (c_in, *s), reference (c_out, *s)), float32, physical units.

    times: of a step task, the stored times after the start; a trajectory gives a sample for each of them, one after another. Else none.
    """

    spec: Spec
    times: tuple[float, ...] = ()

    @property
    def pairs(self) -> int:
        """Samples that one stored trajectory gives."""
        return len(self.times) or 1

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitems__(self, indices: list[int]) -> list[tuple[Tensor, Tensor]]:
        """Several samples by one sorted read; what torch's DataLoader calls."""

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        return self.__getitems__([index % len(self)])[0]

    @abstractmethod
    def to_xarray(self) -> "xarray.Dataset":
        """All that is stored of this split, fields by name with dims (sample, time, *axes) and coordinates."""

    def samples(self) -> Samples:
        """The whole split in memory."""
        given, reference = zip(*self.__getitems__(list(range(len(self)))), strict=True)
        return Samples(torch.stack(given), torch.stack(reference), coordinates(self.spec.grid))


class StoredSplit(Split):
    """A split that lies in an HDF5 file of opbench's own."""

    def __init__(self, path: Path, kind: str, spec: Spec):
        """spec: of the task on the training grid; this split's own differs from it in the grid only."""
        self.path = path
        self.stored = Stored(path)
        self.kind = kind
        self.spec = replace(spec, grid=self.stored.header.grid)
        self.given_names = [channel.field for channel in spec.inputs]
        self.states = [field.name for field in self.stored.header.evolving]
        self.times = (self.stored.header.times or ())[1:] if kind == "step" else ()

    def __len__(self) -> int:
        return len(self.stored) * self.pairs

    def __getitems__(self, indices: list[int]) -> list[tuple[Tensor, Tensor]]:
        trajectories = sorted({index // self.pairs for index in indices})
        values = {name: self.stored.read(name, trajectories) for name in dict.fromkeys((*self.given_names, *self.states))}
        row = {trajectory: i for i, trajectory in enumerate(trajectories)}
        return [
            _pair(self.spec, self.kind, self.states, {k: v[row[i // self.pairs]] for k, v in values.items()}, i % self.pairs)
            for i in indices
        ]

    def to_xarray(self) -> "xarray.Dataset":
        return to_xarray(self.path)


class ForeignSplit(Split):
    """A split that lies in files of somebody else's; it is held in memory.

    fields: (sample, [time,] *s), or (sample,) for a number.
    """

    def __init__(self, recipe: Foreign, split: str, kind: str):
        self.kind = kind
        self.spec = replace(_spec_of_foreign(recipe, kind), grid=recipe.grid(split))
        self.states = list(recipe.asked)
        self.stored_times = recipe.times.stored if recipe.times else None
        self.times = self.stored_times[1:] if self.stored_times and kind == "step" else ()
        _require_memory(recipe, split)
        for part in recipe.parts(split):
            _require_unchanged(recipe, part)
        parts = [_read_part(recipe, part) for part in recipe.parts(split)]
        self.fields = {name: torch.from_numpy(np.concatenate([part[name] for part in parts])) for name in parts[0]}

    def __len__(self) -> int:
        return len(self.fields[self.states[0]]) * self.pairs

    def __getitems__(self, indices: list[int]) -> list[tuple[Tensor, Tensor]]:
        found = []
        for index in indices:
            sample, frame = divmod(index, self.pairs)
            values = {name: field[sample].numpy() for name, field in self.fields.items()}
            found.append(_pair(self.spec, self.kind, self.states, values, frame))
        return found

    def to_xarray(self) -> "xarray.Dataset":
        import xarray

        grid, times = self.spec.grid, self.stored_times
        coords = dict(zip(grid.axes, grid.coordinates(), strict=True)) | ({} if not times else {"time": list(times)})
        dims = {name: ("sample", *(("time",) if times and name in self.states else ()), *grid.axes) for name in self.fields}
        return xarray.Dataset({name: (dims[name][: v.ndim], v.numpy()) for name, v in self.fields.items()}, coords=coords)


def first_samples(recipe: Foreign) -> None:
    """Read one sample of every file, as a dataset would; raises DataError where it could not."""
    for split in recipe.splits:
        for part in recipe.parts(split):
            _read_part(recipe, part.model_copy(update={"last": part.first + 1}))


def _read_part(recipe: Foreign, part: Part) -> dict[str, np.ndarray]:
    """The fields of a part's samples; raises DataError where its file has other arrays than the recipe says."""
    path, reader = recipe.path(part), reader_of(recipe.reader)
    rows, steady = slice(part.first, part.last), (part.samples, *part.points)
    frames, moving = None, steady
    if recipe.times is not None:
        frames = slice(None, recipe.times.every * recipe.times.frames, recipe.times.every)
        moving = (part.samples, recipe.times.frames, *part.points)
    fields: dict[str, np.ndarray] = {}
    for wanted, times, shapes in ((recipe.given, None, (steady, (part.samples,))), (recipe.asked, frames, (moving,))):
        arrays = reader.read(path, list(wanted.values()), Selection(rows, times, recipe.every))
        for name, key in wanted.items():
            if arrays[key].shape not in shapes:
                got = f"'{key}' is {arrays[key].shape}; {recipe.name} expects {shapes[0]}"
                raise DataError(f"{path}: {got}: mend samples, points or frames of the recipe")
            fields[name] = arrays[key]
    return fields


def _require_memory(recipe: Foreign, split: str) -> None:
    """Refuse a split that is larger than this machine's memory, before it is read."""
    frames = recipe.times.frames if recipe.times else 1
    size = COPIES * 4 * recipe.samples(split) * frames * math.prod(recipe.grid(split).shape) * len(recipe.asked)
    if size > (whole := total_memory()):
        needs = f"{split} takes {size / 1e9:,.1f} GB while it is read, and this machine has {whole / 1e9:,.1f}"
        raise DataError(f"{recipe.name}: {needs}; take fewer samples, points (every) or frames")


def _require_unchanged(recipe: Foreign, part: Part) -> None:
    path = recipe.path(part)
    if path.is_file():  # the reader tells what is wrong with others
        about = path.stat()
        if _sha256_of(path, about.st_size, about.st_mtime_ns) != part.sha256:
            raise DataError(f"{path}: is not the file that {recipe.name} was made for (sha256 differs); restore it")


@cache
def _sha256_of(path: Path, size: int, changed: int) -> str:
    """Of a file of that size and time: every split of an evaluation and its baselines asks."""
    return sha256(path)


def _spec_of_foreign(recipe: Foreign, kind: str) -> Spec:
    times = recipe.times.stored if recipe.times else ()
    return _channels(kind, list(recipe.asked), list(recipe.given), times, recipe.grid("train"))


def _spec(chosen: Plan, kind: str) -> Spec:
    """A model is told of states, and of coefficients that differ between training samples."""
    states = [field.name for field in chosen.recipe.unknowns]
    told = [name for name, law in laws(chosen, "train").items() if law.random and name not in states]
    return _channels(kind, states, told, chosen.times or (), chosen.grid)


def _channels(kind: str, states: Sequence[str], told: Sequence[str], times: Sequence[float], grid: Grid) -> Spec:
    asked = {"static": (None,), "final": times[-1:], "trajectory": times[1:], "step": (None,)}[kind]
    return Spec(
        inputs=tuple(Channel(name) for name in (told if kind == "static" else [*states, *told])),
        outputs=tuple(Channel(name, time) for name in states for time in asked),
        grid=grid,
    )


def _pair(spec: Spec, kind: str, states: Sequence[str], values: Mapping[str, np.ndarray], frame: int) -> tuple[Tensor, Tensor]:
    """What a model is given and asked of one trajectory or steady solution; frame: of a step task, the one that it starts from."""
    given = [values[c.field][frame] if c.field in states else np.broadcast_to(values[c.field], spec.grid.shape) for c in spec.inputs]
    if kind == "static":
        asked = [values[name][None] for name in states]
    else:
        frames = {"final": slice(-1, None), "trajectory": slice(1, None), "step": slice(frame + 1, frame + 2)}[kind]
        asked = [values[name][frames] for name in states]
    return torch.from_numpy(np.stack(given)), torch.from_numpy(np.concatenate(asked))


@dataclass(frozen=True)
class Problem:
    """A task of a dataset at one scale: everything that an evaluation needs to know of it before any data are there."""

    source: Plan | Foreign
    task: Task
    scale: str

    @property
    def recipe(self) -> Recipe | Foreign:
        return self.source.recipe if isinstance(self.source, Plan) else self.source

    @property
    def plan(self) -> Plan:
        """Raises ConfigError for data that others made."""
        if isinstance(self.source, Foreign):
            raise ConfigError(f"{self.name}: others made its data, and no equation comes with them; take a dataset of opbench's own")
        return self.source

    @property
    def name(self) -> str:
        return f"{self.recipe.name}/{self.task.kind}"

    @property
    def splits(self) -> list[str]:
        held = self.source.samples if isinstance(self.source, Plan) else self.source.splits
        return [split for split in SPLITS if split in held]

    @property
    def times(self) -> tuple[float, ...] | None:
        """Of the stored frames; None where the problem is steady."""
        if isinstance(self.source, Plan):
            return self.source.times
        return self.source.times.stored if self.source.times else None

    @property
    def levels(self) -> tuple[float, ...] | None:
        """The times that one prediction spans, that of what is given first; None where the problem is steady."""
        times = self.times
        return times and {"step": times[:2], "final": (times[0], times[-1])}.get(self.task.kind, times)

    @property
    def data_fingerprint(self) -> str:
        """Equal exactly where all data are."""
        return self.source.fingerprint

    @cached_property
    def spec(self) -> Spec:
        """What a model is given and asked, on the training grid; known before any data are there."""
        if isinstance(self.source, Foreign):
            return _spec_of_foreign(self.source, self.task.kind)
        return _spec(self.source, self.task.kind)

    def split(self, name: str, root: str | Path | None = None, device: str = "cpu", report: Report | None = None) -> Split:
        """One split, generated where it is missing. Raises UnknownName for a split that the dataset lacks."""
        known(f"split of {self.recipe.name}", name, self.splits)
        if isinstance(self.source, Foreign):
            return ForeignSplit(self.source, name, self.task.kind)
        made = make(self.source, root, device, report)
        return StoredSplit(file(made, self.source, name), self.task.kind, self.spec)


def problem(task: str, scale: str = "mini", *, samples: int | None = None, grid: int | None = None, seed: int | None = None) -> Problem:
    """A task by name: `dataset` for its first one, `dataset/kind` for another; the dataset may be a recipe's path.

    samples, grid, seed: as in `generate`. Raises UnknownName, ConfigError.
    """
    head, _, tail = task.rpartition("/")
    if head and tail in get_args(Kind):
        dataset, kind = head, tail
    else:
        dataset, kind = task, ""
        if "/" in task and not task.endswith(".toml") and head in datasets():
            raise UnknownName(f"unknown task '{task}'; {head} offers {', '.join(t.kind for t in load_recipe(head).tasks)}")
    recipe = load_recipe(dataset)
    kinds = {entry.kind: entry for entry in recipe.tasks}
    chosen = kinds[known(f"task of {recipe.name}", kind, kinds)] if kind else recipe.tasks[0]
    if isinstance(recipe, Foreign):
        if (samples, grid, seed) != (None, None, None):
            raise ConfigError(f"{recipe.name}: its files are fixed; leave samples, grid and data seed out")
        known(f"scale of {recipe.name}", scale, SCALES)  # there is one, whichever is asked for
        return Problem(recipe, chosen, "full")
    return Problem(plan(recipe, scale, samples, grid, seed), chosen, scale)


def load(task: str = "burgers_1d", split: str = "train", *, scale: str = "mini", root: str | Path | None = None, **changes: Any) -> Split:
    """A split as a torch dataset, generated where it is missing; `.to_xarray()` gives the same data with names and coordinates.

    changes: samples, grid, seed, as in `generate`.
    """
    return problem(task, scale, **changes).split(split, root)
