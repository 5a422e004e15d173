"""Predictions of other frameworks, scored with opbench's own metrics."""

from pathlib import Path
from zipfile import BadZipFile

import h5py
import numpy as np
import torch
from torch import Tensor

from opbench.errors import DataError
from opbench.generation import Report
from opbench.record import finite
from opbench.rollout import measured
from opbench.task import Problem, Split, problem

BATCH = 64  # samples whose metrics are taken at once


def score(
    path: str | Path, task: str, split: str = "test", *, scale: str = "mini", data: str | Path | None = None, report: Report | None = None
) -> dict[str, float | None]:
    """Mean over samples of every metric of the predictions in a file.

    path: HDF5 (.h5, .hdf5) or NumPy (.npz), one array for every asked field under its name, samples in the split's order:
    (sample, *space), and for a trajectory (sample, time, *space) with the stored times after the first; for a step task a sample is a
    pair of neighbouring times.
    Raises DataError for a file that is none, lacks a field or has one of another shape; UnknownName, ConfigError.
    """
    chosen = problem(task, scale)
    held = chosen.split(split, data, report=report)
    reference = held.samples().reference
    prediction = _stacked(Path(path), chosen, held, len(reference))
    values, _ = measured(prediction, reference, held.spec.grid, BATCH)
    return {name: finite(float(value.mean())) for name, value in values.items()}


def _stacked(path: Path, chosen: Problem, split: Split, samples: int) -> Tensor:
    """The file's fields as the channels of a prediction, (n, c, *s)."""
    fields = list(dict.fromkeys(channel.field for channel in split.spec.outputs))
    times = len(split.spec.outputs) // len(fields)
    space = split.spec.grid.shape
    expected = (samples, times, *space) if chosen.task.kind == "trajectory" else (samples, *space)
    arrays = _read(path, fields)
    for name, array in arrays.items():
        if array.shape != expected:
            raise DataError(
                f"{path}: {name}: expected shape {expected}, got {array.shape}; write what {chosen.name} asks, sample by sample"
                + (", without the initial time" if chosen.task.kind == "trajectory" else "")
            )
        if array.dtype.kind != "f":
            raise DataError(f"{path}: {name}: expected real numbers, got {array.dtype}; write float32 or float64")
    return torch.from_numpy(np.concatenate([array.reshape(samples, times, *space) for array in arrays.values()], axis=1))


def _read(path: Path, fields: list[str]) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise DataError(f"{path}: no such file; give predictions as HDF5 (.h5, .hdf5) or NumPy (.npz)")
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                return _taken(path, file, fields)
        with h5py.File(path, "r") as file:
            return _taken(path, file, fields)
    except (OSError, ValueError, BadZipFile) as error:
        kind = "NumPy's .npz" if path.suffix == ".npz" else "HDF5"
        raise DataError(f"{path}: expected {kind} with arrays of numbers, got a file that is none or is damaged; write it anew") from error


def _taken(path: Path, file, fields: list[str]) -> dict[str, np.ndarray]:
    found = [name for name in file if isinstance(file[name], (np.ndarray, h5py.Dataset))]
    missing = [name for name in fields if name not in found]
    if missing:
        raise DataError(
            f"{path}: expected an array named {', '.join(missing)}, found {', '.join(found) or 'none'}; name them as asked fields"
        )
    return {name: np.asarray(file[name][()]) for name in fields}
