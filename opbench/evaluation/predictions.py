"""Predictions of other frameworks, scored with opbench's own metrics."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor

from opbench.data.generation import Report
from opbench.data.task import Problem, Split, problem
from opbench.errors import DataError
from opbench.evaluation.rollout import measured
from opbench.evaluation.scoring import conserved, of_totals
from opbench.records.record import finite

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
    if not Path(path).is_file():
        raise DataError(f"{path}: no such file; give predictions as HDF5 (.h5, .hdf5) or NumPy (.npz)")
    chosen = problem(task, scale)
    held = chosen.split(split, data, report=report)
    samples = held.samples()
    prediction = _stacked(Path(path), chosen, held, len(samples))
    values, _ = measured(prediction, samples.reference, held.spec.grid, BATCH)
    of_totals(conserved(held.spec, samples, held.spec.grid), values, prediction, samples.reference, held.spec.grid)
    return {name: finite(float(value.mean())) for name, value in values.items()}


def _stacked(path: Path, chosen: Problem, split: Split, samples: int) -> Tensor:
    """The file's fields as the channels of a prediction, (n, c, *s)."""
    fields = list(dict.fromkeys(channel.field for channel in split.spec.outputs))
    times = len(split.spec.outputs) // len(fields)
    space = split.spec.grid.shape
    expected = (samples, times, *space) if chosen.task.kind == "trajectory" else (samples, *space)
    arrays = _read(path, fields, expected, chosen)
    return torch.from_numpy(np.concatenate([array.reshape(samples, times, *space) for array in arrays], axis=1))


def _read(path: Path, fields: list[str], expected: tuple[int, ...], chosen: Problem) -> list[np.ndarray]:
    """The arrays of those names; what else the file has is not looked at."""
    try:
        with np.load(path, allow_pickle=False) if path.suffix.lower() == ".npz" else h5py.File(path, "r", locking="best-effort") as file:
            there: dict[str, Any] = {name: entry for name in fields if hasattr(entry := file.get(name), "dtype")}
            if missing := [name for name in fields if name not in there]:
                found = f"expected an array named {', '.join(missing)}, found {', '.join(file) or 'none'}"
                raise DataError(f"{path}: {found}; name them as asked fields")
            for name, entry in there.items():
                _require(path, name, entry, expected, chosen)
            return [np.asarray(entry[()]) for entry in there.values()]
    except DataError:
        raise
    except Exception as error:  # a damaged or hostile file may raise anything in a parser
        kind = "NumPy's .npz" if path.suffix.lower() == ".npz" else "HDF5"
        raise DataError(
            f"{path}: expected {kind} with arrays of numbers, got a file that is none or is damaged; its ending says which, .npz or another"
        ) from error


def _require(path: Path, name: str, array: Any, expected: tuple[int, ...], chosen: Problem) -> None:
    """Raises DataError for an array of another shape or kind; nothing of it is read yet where the file is HDF5."""
    if array.shape != expected:
        raise DataError(
            f"{path}: {name}: expected shape {expected}, got {array.shape}; write what {chosen.name} asks, sample by sample"
            + (", without the initial time" if chosen.task.kind == "trajectory" else "")
        )
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise DataError(f"{path}: {name}: expected real numbers, got {array.dtype}; write float32 or float64")
