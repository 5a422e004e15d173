"""A dataset's files as a task: what a model is given and what is asked of it, channel by channel."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from opbench.config import fingerprint
from opbench.data.generation import Report, file, make
from opbench.data.recipe import SPLITS, Foreign, Kind, Plan, Recipe, Task, datasets, load_recipe, plan
from opbench.data.samples import laws
from opbench.data.store import Stored, to_xarray
from opbench.errors import ConfigError, DataError, UnknownName
from opbench.find import known
from opbench.model import Channel, Samples, Spec, coordinates
from opbench.provenance import sha256
from opbench.readers.tensors import read

if TYPE_CHECKING:
    import xarray


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
        return [self._item({k: v[row[i // self.pairs]] for k, v in values.items()}, i % self.pairs) for i in indices]

    def _item(self, values: dict[str, np.ndarray], frame: int) -> tuple[Tensor, Tensor]:
        space = self.spec.grid.shape
        given = [values[name][frame] if name in self.states else np.broadcast_to(values[name], space) for name in self.given_names]
        if self.kind == "static":
            asked = [values[name][None] for name in self.states]
        else:
            frames = {"final": slice(-1, None), "trajectory": slice(1, None), "step": slice(frame + 1, frame + 2)}[self.kind]
            asked = [values[name][frames] for name in self.states]
        return torch.from_numpy(np.stack(given)), torch.from_numpy(np.concatenate(asked))

    def to_xarray(self) -> "xarray.Dataset":
        return to_xarray(self.path)


class ForeignSplit(Split):
    """A split that lies in arrays of somebody else's, one value a point."""

    def __init__(self, recipe: Foreign, split: str):
        part = recipe.splits[split]
        self.spec = _foreign_spec(recipe, split)
        path = recipe.path(split)
        names = recipe.given | recipe.asked
        arrays = read(path, list(names.values()))
        if sha256(path) != part.sha256:
            raise DataError(f"{path}: is not the file that {recipe.name} was made for (sha256 differs); restore it")
        for key, array in arrays.items():
            if array.shape[1:] != part.points or part.last > len(array):
                raise DataError(f"{path}: '{key}' is {array.shape}; {recipe.name} expects {part.last} samples or more of {part.points}")
        self.fields = {name: torch.from_numpy(arrays[key][part.first : part.last]) for name, key in names.items()}

    def __len__(self) -> int:
        return len(self.fields[self.spec.inputs[0].field])

    def __getitems__(self, indices: list[int]) -> list[tuple[Tensor, Tensor]]:
        def stack(channels: tuple[Channel, ...], index: int) -> Tensor:
            return torch.stack([self.fields[channel.field][index] for channel in channels])

        return [(stack(self.spec.inputs, i), stack(self.spec.outputs, i)) for i in indices]

    def to_xarray(self) -> "xarray.Dataset":
        import xarray

        grid = self.spec.grid
        arrays = {name: (("sample", *grid.axes), values.numpy()) for name, values in self.fields.items()}
        return xarray.Dataset(arrays, coords=dict(zip(grid.axes, grid.coordinates(), strict=True)))


def _foreign_spec(recipe: Foreign, split: str) -> Spec:
    given, asked = (tuple(Channel(name) for name in names) for names in (recipe.given, recipe.asked))
    return Spec(given, asked, recipe.domain.grid(recipe.splits[split].points))


def _spec(chosen: Plan, kind: str) -> Spec:
    """The channels of a task: states and the coefficients that differ between training samples, so that a model must be told."""
    states = [field.name for field in chosen.recipe.unknowns]
    told = [name for name, law in laws(chosen, "train").items() if law.random and name not in states]
    times = chosen.times or ()
    asked = {"static": (None,), "final": times[-1:], "trajectory": times[1:], "step": (None,)}[kind]
    return Spec(
        inputs=tuple(Channel(name) for name in (told if kind == "static" else states + told)),
        outputs=tuple(Channel(name, time) for name in states for time in asked),
        grid=chosen.grid,
    )


@dataclass(frozen=True)
class Problem:
    """A task of a dataset at one scale: everything that an evaluation needs to know of it before any data are there."""

    recipe: Recipe | Foreign
    task: Task
    scale: str
    plan: Plan | None

    @property
    def name(self) -> str:
        return f"{self.recipe.name}/{self.task.kind}"

    @property
    def splits(self) -> list[str]:
        return [split for split in SPLITS if split in (self.plan.samples if self.plan else self.recipe.splits)]  # pyright: ignore

    @cached_property
    def data_fingerprint(self) -> str:
        """Equal exactly where all data are."""
        if self.plan is not None:
            return self.plan.fingerprint
        return fingerprint(self.recipe.model_dump(mode="json", include={"name", "version", "given", "asked", "domain", "splits"}))

    @cached_property
    def spec(self) -> Spec:
        """What a model is given and asked, on the training grid; known before any data are there."""
        return _foreign_spec(self.recipe, "train") if isinstance(self.recipe, Foreign) else _spec(self.plan, self.task.kind)  # pyright: ignore

    def split(self, name: str, root: str | Path | None = None, device: str = "cpu", report: Report | None = None) -> Split:
        """One split, generated where it is missing. Raises UnknownName for a split that the dataset lacks."""
        known(f"split of {self.recipe.name}", name, self.splits)
        if isinstance(self.recipe, Foreign):
            return ForeignSplit(self.recipe, name)
        assert self.plan is not None
        made = make(self.plan, root, device, report)
        return StoredSplit(file(made, self.plan, name), self.task.kind, self.spec)


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
        known(f"scale of {recipe.name}", scale, ("mini", "full"))  # there is one, whichever is asked for
        return Problem(recipe, chosen, "full", None)
    return Problem(recipe, chosen, scale, plan(recipe, scale, samples, grid, seed))


def load(task: str = "burgers_1d", split: str = "train", *, scale: str = "mini", root: str | Path | None = None, **changes: Any) -> Split:
    """A split as a torch dataset, generated where it is missing; `.to_xarray()` gives the same data with names and coordinates.

    changes: samples, grid, seed, as in `generate`.
    """
    return problem(task, scale, **changes).split(split, root)
