"""A dataset that somebody else made: which arrays of which files are given and asked."""

import itertools
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import Discriminator, Field, PrivateAttr, Tag, model_validator

from opbench.config import Frozen, fingerprint
from opbench.data.dataset import REQUIRED, Common, Count, SplitName
from opbench.errors import OpbenchError
from opbench.find import known, names
from opbench.grid import Grid


class Part(Frozen):
    """Samples [first, last) of a file beside the recipe, on a grid of `points`; sha256 tells a changed file."""

    file: str
    sha256: str
    points: tuple[Count, ...]
    first: int = Field(ge=0)
    last: Count

    @property
    def samples(self) -> int:
        return self.last - self.first


class Times(Frozen):
    """The frames that are taken of what evolves, at equal distances: every `every`-th of a file, from its first on."""

    first: float = 0.0
    last: float
    frames: int = Field(gt=1)
    every: Count = 1

    @model_validator(mode="after")
    def _increase(self):
        if not self.first < self.last:
            raise ValueError("first must be below last")
        return self

    @property
    def stored(self) -> tuple[float, ...]:
        return tuple(self.first + (self.last - self.first) * k / (self.frames - 1) for k in range(self.frames))


Parts = Annotated[
    Annotated[Part, Tag("one file")] | Annotated[tuple[Part, ...], Tag("files"), Field(min_length=1)],
    Discriminator(lambda value: "files" if isinstance(value, (list, tuple)) else "one file"),
]


class Foreign(Common):
    """A dataset that somebody else made, in files that `reader` reads.

    asked: the array of each unknown; given: of each field or number that a model is told beside the initial state, where there are times.
    times: None for a steady problem. every: of the files' points along each axis, every N-th is taken.
    splits: which samples of which files.
    """

    reader: str
    given: dict[str, str] = Field(default_factory=dict)
    asked: dict[str, str] = Field(min_length=1)
    times: Times | None = None
    every: Count = 1
    splits: dict[SplitName, Parts]
    _folder: Path = PrivateAttr(default_factory=Path)

    def placed(self, folder: Path) -> "Foreign":
        """Itself, with the folder that its files' names are from."""
        self._folder = folder
        return self

    def path(self, part: Part) -> Path:
        """Where a part's file lies: beside the recipe."""
        return self._folder / part.file

    def parts(self, split: str) -> tuple[Part, ...]:
        parts = self.splits[split]
        return (parts,) if isinstance(parts, Part) else parts

    def samples(self, split: str) -> int:
        return sum(part.samples for part in self.parts(split))

    def sha256(self, split: str) -> str:
        """Of the split's file, or of the sums of its files."""
        sums = [part.sha256 for part in self.parts(split)]
        return sums[0] if len(sums) == 1 else fingerprint(sums)

    def grid(self, split: str) -> Grid:
        return self.domain.grid(self.parts(split)[0].points)

    @cached_property
    def fingerprint(self) -> str:
        """Equal exactly where all data are."""
        content = self.model_dump(mode="json", include={"name", "version", "given", "asked", "domain", "splits"})
        own: dict[str, Any] = self.model_dump(mode="json", include={"times", "every"}, exclude_defaults=True)
        if self.reader != "tensors":
            own |= {"reader": self.reader, "order": [*self.asked, *self.given]}  # of the channels, which a mapping's keys do not tell
        return fingerprint(content | own)

    @model_validator(mode="after")
    def _fits_together(self):
        try:
            known("reader", self.reader, names("readers"))
        except OpbenchError as error:
            raise ValueError(str(error)) from error
        if faults := list(self._faults()):
            raise ValueError("; ".join(faults))
        return self

    def _faults(self) -> Iterator[str]:
        unfit = f"data {'without' if self.times is None else 'with'} times"
        yield from self.task_faults(["full"], lambda kind: unfit if (kind == "static") != (self.times is None) else "")
        if self.times is None and not self.given:
            yield "given: name what the solution is of"
        if both := sorted(set(self.given.values()) & set(self.asked.values())):
            yield f"given: {both[0]} is asked too"
        yield from (f"given.{name}: is asked too" for name in self.given if name in self.asked)
        dimensions = {"sample", "time"}
        taken = [name for name in self.domain.axes if name in dimensions]
        taken += [name for name in (*self.asked, *self.given) if name in dimensions | set(self.domain.axes)]
        yield from (f"'{name}' names a dimension of the arrays; give another name" for name in taken)
        yield from (f"splits: {split} is required" for split in REQUIRED if split not in self.splits)
        for split in self.splits:
            try:
                self.grid(split)
            except OpbenchError as error:
                yield f"domain: {error}"
            parts = self.parts(split)
            yield from (f"splits.{split}: first must be below last" for part in parts if part.first >= part.last)
            if len({part.points for part in parts}) != 1 or len(parts[0].points) != len(self.domain.axes):
                yield f"splits.{split}: points must be one grid of {len(self.domain.axes)} axes"
        parts = [(split, part) for split in REQUIRED if split in self.splits for part in self.parts(split)]
        for (one, a), (other, b) in itertools.combinations(parts, 2):
            if a.sha256 == b.sha256 and a.first < b.last and b.first < a.last:
                yield f"splits: {one} and {other} share samples; give them different ones"
