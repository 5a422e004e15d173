"""Where a run lies: its weights in runs/<dataset>/<name>/, where its record is records/<dataset>/<name>.json.

A run that is repeated has a name of its own, <name>-2 and so on: nothing that a record names is overwritten.
"""

import glob
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from opbench.atomic import locked
from opbench.train import STATE, WEIGHTS


@dataclass(frozen=True)
class Place:
    """Of one run below `out`."""

    out: Path
    dataset: str
    name: str

    @property
    def record(self) -> Path:
        return self.out / "records" / self.dataset / f"{self.name}.json"

    @property
    def folder(self) -> Path:
        return self.out / "runs" / self.dataset / self.name

    @property
    def weights(self) -> Path:
        return self.folder / WEIGHTS

    @property
    def lock(self) -> Path:
        """That of the process whose run it is; it goes when the record is safe, so that it tells an interrupted run too."""
        return self.folder / "lock"

    @property
    def interrupted(self) -> bool:
        """Whether a run has begun here and not ended, be it that it is still at work."""
        return not self.record.exists() and (self.lock.exists() or (self.folder / STATE).exists())

    @property
    def free(self) -> bool:
        """Whether no run has begun here. Weights whose record is elsewhere, on another git branch say, are of a run that has ended."""
        return not (self.record.exists() or self.weights.exists() or self.interrupted)


@contextmanager
def claimed(out: Path, dataset: str, stem: str, resume: bool) -> Iterator[Place]:
    """The place of a run that no other process is given meanwhile: where the block ends well, its record is there.

    resume: whether an interrupted run of this name is gone on with, if there is one that nobody is at.
    Raises DataError where nothing can be written.
    """
    for place in _places(out, dataset, stem):
        if not (place.free or (resume and place.interrupted)):
            continue
        with locked(place.lock, wait=False) as mine:
            if not mine:
                continue
            ended = place.record.exists()  # by another process, since we looked
            if not ended:
                yield place
            (place.folder / STATE).unlink(missing_ok=True)
            place.lock.unlink(missing_ok=True)
            if not ended:
                return


def _places(out: Path, dataset: str, stem: str) -> Iterator[Place]:
    """Those of interrupted runs first, then all by number."""
    begun = (out / "runs" / dataset).glob(f"{glob.escape(stem)}-[0-9]*/{STATE}")
    numbered = (f"{stem}-{number}" for number in itertools.count(2))
    for name in itertools.chain(sorted(path.parent.name for path in begun), [stem], numbered):
        yield Place(out, dataset, name)
