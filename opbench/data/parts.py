"""Solved blocks before they become files: one .npz each, whole or not there, claimed by the process that solves it.

They lie in <dataset>/<scale>/parts/<fingerprint>-<device>/ as <split>-<block>.npz and, for error floors, <split>-floor.npz: what shards
leave, and what is copied together where they ran on separate machines.
"""

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np

from opbench.atomic import locked, write_bytes
from opbench.data.dataset import SPLITS
from opbench.data.recipe import Plan
from opbench.errors import DataError

END = "opbench end"  # always the last array: a zip whose directory is cut short has lost that one at least
MEASURED = {"train": "test", "valid": "test"}  # whose error floor holds for a split: samples of the same law on the same grid


class Job(NamedTuple):
    """What is solved at once and kept as a part: a block of a split, or (block None) the error floor that `serves` share."""

    split: str
    block: int | None
    serves: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.split}-{'floor' if self.block is None else self.block}"


def blocks_of(chosen: Plan, split: str) -> list[Job]:
    """The jobs that a split's samples come from, in their order."""
    return [Job(split, block, (split,)) for block in range(-(-chosen.samples[split] // chosen.recipe.solving.block))]


def floor_of(chosen: Plan, split: str) -> Job:
    """The job that a split's error floor comes from."""
    measured = MEASURED.get(split, split)
    return Job(measured, None, tuple(other for other in chosen.samples if MEASURED.get(other, other) == measured))


def jobs(chosen: Plan, number: int, of: int) -> list[Job]:
    """The jobs of one shard: every `of`-th of each split's blocks and, after them, its own error floor."""
    mine = []
    for split in SPLITS:
        if split in chosen.samples:
            every = [*blocks_of(chosen, split), *([] if split in MEASURED else [floor_of(chosen, split)])]
            mine += every[number - 1 :: of]
    return sorted(mine, key=lambda job: job.block is not None)  # error floors take longest: begun last, they would be waited for


@dataclass(frozen=True)
class Parts:
    """The parts of one plan."""

    folder: Path

    def path(self, job: Job) -> Path:
        return self.folder / f"{job.name}.npz"

    def names(self) -> set[str]:
        """What is there, by file name."""
        try:
            return set(os.listdir(self.folder))
        except FileNotFoundError:
            return set()

    @contextmanager
    def claimed(self, job: Job, wait: bool = False) -> Iterator[bool]:
        """Whether nobody else is at this job while the block runs; with `wait`, once nobody is."""
        lock = self.folder / f"{job.name}.lock"
        with locked(lock, wait) as mine:
            yield mine
            if mine and not wait:
                lock.unlink(missing_ok=True)

    def save(self, job: Job, arrays: Mapping[str, np.ndarray]) -> None:
        """Raises DataError."""
        content = io.BytesIO()  # NumPy's archive, left to itself by a full disk, complains on standard error
        np.savez(content, **arrays, **{END: np.array(True)})  # pyright: ignore[reportArgumentType]
        write_bytes(self.path(job), content.getvalue())

    @contextmanager
    def opened(self, job: Job) -> Iterator[Mapping[str, np.ndarray]]:
        """A part's arrays, read when asked for; raises DataError for a damaged one."""
        try:
            with self.path(job).open("rb") as f, np.load(f) as arrays:  # np.load itself leaves a damaged one open
                yield arrays
        except (OSError, ValueError, EOFError, KeyError, RuntimeError, BadZipFile) as error:
            raise DataError(f"{self.path(job)}: is damaged ({error}); delete it, and it is solved again") from error

    def drop_damaged(self, checked: list[Job]) -> None:
        """Remove the parts that cannot be read to their end, so that they are solved again."""
        there = self.names()
        for job in checked:
            if self.path(job).name in there and not self._whole(job):
                self.path(job).unlink(missing_ok=True)

    def _whole(self, job: Job) -> bool:
        try:
            with self.opened(job) as arrays:
                return END in arrays and all(value.size for value in arrays.values())
        except DataError:
            return False
