"""The Well's `stats.yaml`: mean, standard deviation and root mean square of every field, and of its steps in time."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from opbench.atomic import write_bytes
from opbench.data.layout import FIELD_GROUPS, Node
from opbench.errors import DataError
from opbench.readers import opened

BLOCK = 1 << 18  # values held at once

Moments = tuple[int, np.ndarray, np.ndarray]  # count, mean, population variance


def write_stats(folder: Path | str) -> None:
    """Write `folder/stats.yaml` from the files in `folder/data/train`, per tensor component.

    Formulas: The Well, scripts/compute_statistics.py (float64, over samples, times and space, one-step differences of fields that vary in
    time). A field with a single time has steps of 0, since The Well's normalisation asks for the key. Raises DataError where there are no
    files to read, or none can be written.
    """
    import yaml

    folder = Path(folder)
    paths = sorted([*folder.glob("data/train/*.hdf5"), *folder.glob("data/train/*.h5")])
    if not paths:
        raise DataError(f"{folder}/data/train: no HDF5 files; generate the training split first")
    moments: dict[str, dict[str, list[Moments]]] = {"": {}, "_delta": {}}
    for path in paths:
        with opened(path) as file:
            for rank, group in enumerate(FIELD_GROUPS):
                for name in file[group].attrs["field_names"]:
                    for kind, block in _blocks(file[group][name]):
                        moments[kind].setdefault(name, []).append(_moments(block, rank))
    stats = {}
    for kind, fields in moments.items():
        merged = {name: _merged(parts) for name, parts in fields.items()}
        stats[f"mean{kind}"] = {name: mean.tolist() for name, (_, mean, _) in merged.items()}
        stats[f"std{kind}"] = {name: np.sqrt(variance).tolist() for name, (_, _, variance) in merged.items()}
        stats[f"rms{kind}"] = {name: np.sqrt(variance + mean**2).tolist() for name, (_, mean, variance) in merged.items()}
    text = yaml.safe_dump(stats)  # not JSON: YAML 1.1 reads its 1e-05 as text
    write_bytes(folder / "stats.yaml", text.encode())


def _blocks(dataset: Node) -> Iterator[tuple[str, np.ndarray]]:
    """The values in float64 by runs of samples (kind ""), and their differences in time where they have any (kind "_delta")."""
    by_sample, in_time = dataset.attrs["sample_varying"], dataset.attrs["time_varying"]
    samples = len(dataset) if by_sample else 1
    run = max(1, BLOCK * samples // dataset.size)
    for start in range(0, samples, run):
        values = dataset[start : start + run] if by_sample else dataset[()][None]
        values = values.astype(np.float64)
        yield "", values
        if in_time:
            yield "_delta", np.diff(values, axis=1)


def _moments(values: np.ndarray, rank: int) -> Moments:
    axes = tuple(range(values.ndim - rank))
    count = int(np.prod(values.shape[: values.ndim - rank]))
    if count == 0:
        nothing = np.zeros(values.shape[values.ndim - rank :])
        return 0, nothing, nothing
    return count, values.mean(axis=axes), values.var(axis=axes)


def _merged(parts: list[Moments]) -> Moments:
    """Moments of the union of parts: the mean of their variances plus the variance of their means."""
    counts, means, variances = (np.stack(entries) for entries in zip(*parts, strict=True))
    weights = counts / max(counts.sum(), 1)
    mean = np.tensordot(weights, means, 1)
    return int(counts.sum()), mean, np.tensordot(weights, variances + (means - mean) ** 2, 1)
