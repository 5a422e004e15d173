"""Solved samples on disk: HDF5 files that The Well's reader and xarray open alike, written whole or not at all."""

import importlib.util
import io
import itertools
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from opbench.atomic import on_disk, replacing
from opbench.data.layout import Header, Node, exact, header_of, lay_out
from opbench.errors import DataError, OpbenchError
from opbench.find import known
from opbench.readers import opened

if TYPE_CHECKING:
    import xarray

__all__ = ["Header", "Stored", "to_xarray", "write"]

Indices = slice | Sequence[int] | np.ndarray
Block = Mapping[str, np.ndarray]


def write(path: Path | str, header: Header, samples: int, blocks: Iterable[Block]) -> None:
    """Write a file as its blocks come; it appears under its name only when it is whole and on disk.

    blocks: consecutive runs of samples, every array of `header.shapes` as (run, *shape); stored as float32.
    Raises DataError for a file that exists, a block that does not fit, a value that is not finite in float32, samples too few or too many,
    and a full disk.
    """
    path = Path(path)
    if path.exists():
        raise DataError(f"{path}: exists already; remove it, or choose another place")
    if samples < 1:
        raise DataError(f"{path}: expected one sample or more, got {samples}; solve some")
    exact(header)  # what is wrong with the provenance is said before anything is solved
    with replacing(path) as part:
        _write_part(part, path, header, samples, blocks)


def _write_part(part: Path, path: Path, header: Header, samples: int, blocks: Iterable[Block]) -> None:
    with on_disk(path):
        sink = _Sink(part, "w+b")
    with sink, h5py.File(sink, "w") as file:
        arrays = lay_out(file, header, samples)
        filled = 0
        for block in blocks:
            values = _checked(path, header, filled, block)
            run = len(next(iter(values.values())))
            if filled + run > samples:
                raise DataError(f"{path}: expected {samples} samples, got {filled + run} or more; declare as many as are solved")
            for name, array in arrays.items():
                array[filled : filled + run] = values[name].reshape(run, *array.shape[1:])
            with on_disk(path):
                sink.complain()
            filled += run
        if filled < samples:
            raise DataError(f"{path}: expected {samples} samples, got {filled}; solve the rest and write again")
        file.close()
        with on_disk(path):
            sink.complain()


class _Sink(io.FileIO):
    """Where HDF5 writes to. A failure is kept until `complain`, since HDF5 crashes the process when it cannot write while it closes."""

    failure: OSError | None = None

    def write(self, data, /) -> int:
        rest = memoryview(data)
        try:
            while len(rest) and self.failure is None:
                rest = rest[super().write(rest) :]  # a system call takes 2 GB at most
        except OSError as error:
            self.failure = error
        return len(data)

    def truncate(self, size=None, /) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.failure = self.failure or error
            return self.tell()

    def complain(self) -> None:
        """Raise the first failure, an OSError."""
        if self.failure is not None:
            raise self.failure


def _checked(path: Path, header: Header, start: int, block: Block) -> dict[str, np.ndarray]:
    """The block as float32 arrays; raises DataError that names the array, and the sample where one is to blame."""
    if set(block) != set(header.shapes):
        raise DataError(f"{path}: a block holds {sorted(block)}, expected {sorted(header.shapes)}; give every array and no other")
    values, run = {}, len(block[header.evolving[0].name])
    for name, shape in header.shapes.items():
        with np.errstate(over="ignore"):  # found below, with the sample's number
            values[name] = np.asarray(block[name], dtype=np.float32)
        if values[name].shape != (run, *shape):
            raise DataError(f"{path}: {name} has shape {values[name].shape}, expected {(run, *shape)}; write what the header declares")
        broken = np.flatnonzero(~np.isfinite(values[name]).all(axis=tuple(range(1, 1 + len(shape)))))
        if len(broken):
            raise DataError(f"{path}: {name} of sample {start + broken[0]} is not finite in float32; its solve broke down")
    return values


class Stored:
    """A file that `write` made. It is opened at the first `read` of each process, so it may be pickled and forked to workers.

    Raises DataError for a file that is missing, truncated or not opbench's.
    """

    header: Header

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self._file: Node = None
        self._process = 0
        with opened(self.path) as file:
            try:
                self._samples = int(file.attrs["n_trajectories"])
                self.header = header_of(file)
            except (KeyError, ValueError, TypeError, AttributeError, OpbenchError) as error:
                raise DataError(f"{self.path}: not a file that opbench wrote ({error}); use the reader of the suite it is from") from error

    def __len__(self) -> int:
        return self._samples

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}

    def read(self, name: str, samples: Indices = slice(None), times: Indices | None = None) -> np.ndarray:
        """Part of an array, float32, (sample, *header.shapes[name]) of what is selected.

        samples, times: a slice, or indices in any order; the file is read in ascending order whatever theirs is. None: all times.
        Raises UnknownName, and DataError for indices out of range, for times of an array without them, for a damaged file.
        """
        known(f"array of {self.path.name}", name, self.header.shapes)
        evolving = name in [entry.name for entry in self.header.evolving]
        steady = self.header.times is None
        if times is not None and (steady or not evolving):
            raise DataError(f"{self.path}: {name} has no times; leave `times` out")
        selections = [samples, slice(None) if times is None else times] if evolving else [samples]
        try:
            array = self._open()[self.header.place(name)]
            values = _read(array, [np.arange(n)[chosen] for n, chosen in zip(array.shape, selections, strict=False)])
        except IndexError as error:
            raise DataError(f"{self.path}: {name}: {error}; it has {len(self)} samples, each {self.header.shapes[name]}") from error
        except (OSError, RuntimeError, KeyError) as error:
            raise DataError(f"{self.path}: {name} cannot be read: {' '.join(str(error).split())}; generate the file again") from error
        return values[:, 0] if evolving and steady else values

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None

    def _open(self) -> Node:
        if self._file is None or self._process != os.getpid():  # a forked worker must not use its parent's handle
            self._file, self._process = opened(self.path), os.getpid()
        return self._file


def _read(array: Node, indices: Sequence[np.ndarray]) -> np.ndarray:
    """`array` at the product of indices of its leading axes, run by run, since HDF5 itself is slow on lists of indices."""
    ascending, inverses = zip(*(np.unique(index, return_inverse=True) for index in indices), strict=True)
    values = np.empty((*map(len, ascending), *array.shape[len(indices) :]), dtype=np.float32)
    for runs in itertools.product(*map(_runs, ascending)):
        source, target = zip(*runs, strict=True)
        array.read_direct(values, source, target)
    if all(np.array_equal(inverse, np.arange(len(index))) for inverse, index in zip(inverses, ascending, strict=True)):
        return values
    return values[np.ix_(*inverses)]


def _runs(index: np.ndarray) -> list[tuple[slice, slice]]:
    """Runs of consecutive entries: where they stand in the file, and where in the result."""
    breaks = np.flatnonzero(np.diff(index) != 1) + 1
    return [(slice(index[a], index[b - 1] + 1), slice(a, b)) for a, b in itertools.pairwise([0, *breaks, len(index)]) if a < b]


def to_xarray(path: Path | str) -> "xarray.Dataset":
    """The file as one Dataset with dimensions (sample, time, *axes), lazily; at once where h5netcdf is not installed.

    Steady problems have no time. Raises DataError as `Stored` does.
    """
    import xarray

    stored = Stored(path)
    variables, close = _lazy_variables(stored.path) if importlib.util.find_spec("h5netcdf") else (_loaded_variables(stored.path), None)
    for variable in variables.values():
        variable.attrs = {key: value for key, value in variable.attrs.items() if key == "units"}  # netCDF cannot hold The Well's booleans
    coordinates = {name: variables.pop(name) for name in ("sample", "time", *stored.header.grid.axes)}
    attributes = {"dataset_name": stored.header.name, "provenance": json.dumps(stored.header.provenance)}
    dataset = xarray.Dataset(variables, coordinates, attributes)
    if stored.header.times is None:
        dataset = dataset.isel(time=0, drop=True)
    dataset.set_close(close)
    return dataset


def _lazy_variables(path: Path):
    import xarray

    tree = xarray.open_datatree(path, engine="h5netcdf")
    return {**tree["t0_fields"].to_dataset().variables, **tree["scalars"].to_dataset().variables}, tree.close


def _loaded_variables(path: Path):
    import xarray

    variables = {}
    with opened(path) as file:
        for group in (file, file["t0_fields"], file["scalars"]):
            for name, array in group.items():
                if isinstance(array, h5py.Dataset):
                    axes: Node = array.dims
                    dims = [name] if array.is_scale else [axis[0].name[1:] for axis in axes]
                    variables[name] = xarray.Variable(dims, array[()], dict(array.attrs))
    return variables
