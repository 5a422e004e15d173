"""Other suites' files as arrays: one format a file, and nothing that a file holds is executed."""

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from opbench.errors import DataError
from opbench.find import find

KEY = re.compile(r"(?P<place>.+?)(\[(?P<component>\d+(,\d+)*)\])?", re.DOTALL)


@dataclass(frozen=True)
class Selection:
    """The part of arrays that is read: which samples, which frames (None: the arrays have no axis of time), every N-th point."""

    samples: slice = field(default_factory=lambda: slice(None))
    times: slice | None = None
    every: int = 1

    def index(self, ndim: int, *, sample: bool = True) -> tuple[slice, ...]:
        """Of an array of `ndim` axes: (sample, [time,] *space), or without the first."""
        leading = ((self.samples,) if sample else ()) + (() if self.times is None else (self.times,))
        return (leading + (slice(None, None, self.every),) * (ndim - len(leading)))[:ndim]


@dataclass(frozen=True)
class Contents:
    """What a file says of itself. Arrays are named by keys that `Reader.read` takes.

    asked: what is solved for, (sample, [time,] *space); given: fields that a model must be told, (sample, *space); scalars: numbers,
    (sample,), with the one value that all samples of the file have, or None.
    coordinates: by axis, in the arrays' order; times: of the frames, None for a steady problem; periodic: per axis.
    about: which problem of which suite. left_out: what no model can be told of it, and why. split: whose samples these are, where it says.
    Raises DataError for what is no grid.
    """

    samples: int
    coordinates: Mapping[str, np.ndarray]
    times: np.ndarray | None
    periodic: tuple[bool, ...]
    asked: Mapping[str, str]
    given: Mapping[str, str] = field(default_factory=dict)
    scalars: Mapping[str, tuple[str, float | None]] = field(default_factory=dict)
    about: str = ""
    left_out: tuple[str, ...] = ()
    split: str | None = None

    def __post_init__(self):
        if not self.coordinates or len(self.coordinates) != len(self.periodic):
            raise DataError("it has no axes of space, or names one twice; name each once")
        rows = self.coordinates if self.times is None else {**self.coordinates, "time": self.times}
        for name, values in rows.items():
            if values.ndim != 1 or not len(values) or values.dtype.kind not in "iuf" or not np.isfinite(values).all():
                raise DataError(f"expected a row of finite numbers as {name}, got shape {values.shape} of {values.dtype}; write one")
        if not self.asked or self.samples < 1:
            raise DataError("it holds nothing that could be asked, no samples or no field; take another file")


class Reader(ABC):
    """Arrays of another suite's files."""

    @abstractmethod
    def read(self, path: Path, keys: Sequence[str], chosen: Selection | None = None) -> dict[str, np.ndarray]:
        """The arrays called `keys`, float32, (sample, [time,] *space) or (sample,).

        Raises DataError for a file that is missing or of another kind, lacks a key, or has values that are not finite real numbers.
        """

    @abstractmethod
    def look(self, path: Path) -> Contents:
        """What the file says of itself. Raises DataError where it is of another kind, or says too little."""


class HDF5Reader(Reader):
    """A suite whose files are HDF5; `array` and `contents` may raise whatever comes of a file that is none, told in a line."""

    @abstractmethod
    def array(self, file: Any, key: str, chosen: Selection) -> np.ndarray: ...

    @abstractmethod
    def contents(self, file: Any) -> Contents: ...

    def read(self, path: Path, keys: Sequence[str], chosen: Selection | None = None) -> dict[str, np.ndarray]:
        with told(path), opened(path) as file:
            return {key: float32(key, self.array(file, key, chosen or Selection())) for key in keys}

    def look(self, path: Path) -> Contents:
        with told(path), opened(path) as file:
            return self.contents(file)


def reader_of(name: str) -> Reader:
    """The reader that a recipe names. Raises UnknownName."""
    found: Any = find("readers", name, Reader)
    return found()


def opened(path: Path) -> Any:
    """An HDF5 file for reading; raises DataError."""
    if not path.is_file():
        raise DataError(f"{path}: {'is a folder; give a file' if path.is_dir() else 'no such file; generate it first, or put it there'}")
    try:
        return h5py.File(path, "r", locking="best-effort")  # some network file systems have no locks
    except OSError as error:
        raise DataError(
            f"{path}: cannot be opened: {' '.join(str(error).split())}; expected HDF5: generate it again, or take another file"
        ) from error


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Raises DataError, in the file's name, for what a damaged, foreign or hostile one makes of a reader, which may be anything."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error
    except MemoryError as error:
        raise DataError(f"{path}: takes more memory than there is; take fewer samples, points (every) or frames") from error
    except Exception as error:
        words = " ".join(str(error).split())
        raise DataError(f"{path}: not a file of this format, or damaged ({type(error).__name__}: {words:.200})") from error


def own(file: Any, place: str) -> Any:
    """The array at a place of the file itself: what lies in another file, no checksum of this one covers. Raises DataError."""
    if place not in file or not isinstance(array := file[place], h5py.Dataset):
        raise DataError(f"no array '{place}'; its own are {', '.join(sorted(file)[:9])}")
    if array.is_virtual or array.external or array.file.filename != file.file.filename:
        raise DataError(f"{place} lies in another file; copy it into this one")
    return array


def row(file: Any, place: str) -> np.ndarray:
    """All of a small array."""
    return np.asarray(own(file, place)[()])


def text(value: Any) -> str:
    """An attribute's, which may be bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)


def shared(what: str, rows: Iterable[np.ndarray]) -> np.ndarray:
    """The times, or points of an axis, that all trajectories have. Raises DataError where they differ."""
    first, *others = rows
    if any(len(other) != len(first) or not np.allclose(other, first, rtol=1e-5) for other in others):
        raise DataError(f"{what} of its trajectories differ; a task has the same for all")
    return first


def require_different(names: Iterable[str]) -> None:
    """Raises DataError for two fields of one name, of which a mapping would keep the last."""
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(f"two of its fields would be called {twice[0]}; rename one")


def split_key(key: str) -> tuple[str, tuple[int, ...]]:
    """The array that a key names, and the component of it that a vector's or matrix' field is: "t1_fields/velocity[0]"."""
    if not (found := KEY.fullmatch(key)):
        raise DataError(f"'{key}' names no array; write its place in the file, and of a vector the component, as velocity[0]")
    return found["place"], tuple(map(int, (found["component"] or "").split(","))) if found["component"] else ()


def float32(key: str, array: np.ndarray) -> np.ndarray:
    """Truth values become 0 and 1; raises DataError for what is no finite real number."""
    if array.dtype.kind not in "biuf":
        raise DataError(f"{key} has type {array.dtype}, expected real numbers; convert it")
    with np.errstate(over="ignore"):  # found below
        values = array.astype(np.float32, copy=False)
    if not np.all(np.isfinite(values)):
        raise DataError(f"{key} has values that are not finite in float32; leave those samples out")
    return values
