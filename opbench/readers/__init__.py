"""Other suites' files as arrays: one format a file, and nothing that a file holds is executed."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from opbench.errors import DataError
from opbench.find import find

KEY = re.compile(r"(?P<place>[^\[\]]+)(\[(?P<component>\d+(,\d+)*)\])?")


@dataclass(frozen=True)
class Selection:
    """The part of arrays that is read: which samples, which frames (None: the arrays have no axis of time), every how manieth point."""

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
    about: which problem of which suite. left_out: what no model can be told of it, and why.
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


class Reader(ABC):
    """Arrays of another suite's files."""

    @abstractmethod
    def read(self, path: Path, keys: Sequence[str], chosen: Selection | None = None) -> dict[str, np.ndarray]:
        """The arrays called `keys`, float32, (sample, [time,] *space) or (sample,).

        Raises DataError for a file that is missing or of another kind, lacks a key, or has values that are not finite real numbers.
        """

    def look(self, path: Path) -> Contents:
        """What the file says of itself. Raises DataError where it is of another kind, or says too little."""
        raise DataError(f"{path}: its format does not say what the arrays are; write a recipe as datasets/darcy_neuralop.toml is one")


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
def hdf5(path: Path) -> Iterator[Any]:
    """As `opened`; raises DataError also for what a reader does not find in it."""
    try:
        with opened(path) as file:
            yield file
    except DataError:
        raise
    except (OSError, RuntimeError, MemoryError, LookupError, ValueError, TypeError, AttributeError) as error:
        words = " ".join(str(error).split())
        raise DataError(f"{path}: not a file of this format ({type(error).__name__}: {words:.200}); take the reader of its own") from error


def split_key(path: Path, key: str) -> tuple[str, tuple[int, ...]]:
    """The array that a key names, and the component of it that a vector's or matrix' field is: "t1_fields/velocity[0]"."""
    if not (found := KEY.fullmatch(key)):
        raise DataError(f"{path}: '{key}' names no array; write its place in the file, and of a vector the component, as velocity[0]")
    return found["place"], tuple(map(int, (found["component"] or "").split(","))) if found["component"] else ()


def float32(path: Path, key: str, array: np.ndarray) -> np.ndarray:
    """Truth values become 0 and 1; raises DataError for what is no finite real number."""
    if array.dtype.kind not in "biuf":
        raise DataError(f"{path}: {key} has type {array.dtype}, expected real numbers; convert it")
    with np.errstate(over="ignore"):  # found below
        values = array.astype(np.float32)
    if not np.all(np.isfinite(values)):
        raise DataError(f"{path}: {key} has values that are not finite in float32; leave those samples out")
    return values
