"""The Well's HDF5: fields by rank, with or without samples, times and axes, as The Well's docs/data_format.md has them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from opbench.errors import DataError
from opbench.readers import Contents, Reader, Selection, float32, hdf5, split_key

RANKS = {"t0_fields": 0, "t1_fields": 1, "t2_fields": 2}  # scalars, vectors, matrices


class TheWell(Reader):
    """Keys: "t0_fields/density", "t1_fields/velocity[0]", "t2_fields/strain[0,1]", "scalars/Re"."""

    def read(self, path: Path, keys: Sequence[str], chosen: Selection | None = None) -> dict[str, np.ndarray]:
        with hdf5(path) as file:
            return {key: float32(path, key, _array(path, file, key, chosen or Selection())) for key in keys}

    def look(self, path: Path) -> Contents:
        with hdf5(path) as file:
            axes = [str(axis) for axis in file["dimensions"].attrs["spatial_dims"]]
            fields = list(_fields(file, axes))
            evolving = {name: key for name, key, evolves in fields if evolves}
            constant = {name: key for name, key, evolves in fields if not evolves}
            scalars, moving = {}, []
            for name in map(str, file["scalars"].attrs["field_names"]):
                array = file["scalars"][name]
                if array.attrs["time_varying"]:
                    moving.append(f"{name}: a number that varies in time")
                else:
                    values = np.unique(array[()])
                    scalars[name] = (f"scalars/{name}", float(values[0]) if len(values) == 1 else None)
            wraps = {str(dim) for end in _ends(file) if end.attrs["bc_type"].upper() == "PERIODIC" for dim in end.attrs["associated_dims"]}
            return Contents(
                samples=int(file.attrs["n_trajectories"]),
                coordinates={axis: np.asarray(file["dimensions"][axis], dtype=np.float64) for axis in axes},
                times=_times(path, file["dimensions/time"]),
                periodic=tuple(axis in wraps for axis in axes),
                asked=evolving,
                given=constant,
                scalars=scalars,
                about=f"The Well's {file.attrs['dataset_name']}",
                left_out=tuple(moving),
            )


def _array(path: Path, file: Any, key: str, chosen: Selection) -> np.ndarray:
    """(sample, [time,] *space): what all samples have in common, or a whole axis, stands in the file once and is repeated."""
    place, component = split_key(path, key)
    group, _, name = place.partition("/")
    if group not in (*RANKS, "scalars") or name not in file.get(group, ()):
        raise DataError(f"{path}: no field '{key}'; name one that the file has, as t0_fields/NAME")
    array, count = file[group][name], int(file.attrs["n_trajectories"])
    if len(component) != RANKS.get(group, 0):
        raise DataError(f"{path}: '{key}' is of rank {RANKS.get(group, 0)}; name as many components, as {place}[0]")
    evolves = bool(array.attrs["time_varying"])
    if evolves != (chosen.times is not None):
        raise DataError(f"{path}: {key} {'evolves' if evolves else 'does not evolve'}; {'ask for' if evolves else 'give'} it instead")
    sampled = bool(array.attrs["sample_varying"])
    varies = list(array.attrs["dim_varying"]) if group in RANKS else []
    values = array[(*chosen.index(sampled + evolves + sum(map(bool, varies)), sample=sampled), *component)]
    if not sampled:
        values = np.broadcast_to(values, (len(range(count)[chosen.samples]), *values.shape))
    for place_of, (axis, own) in enumerate(zip(file["dimensions"].attrs["spatial_dims"], varies, strict=False), start=1 + evolves):
        if not own:
            points = len(range(len(file["dimensions"][str(axis)]))[:: chosen.every])
            values = np.repeat(np.expand_dims(values, place_of), points, place_of)
    return values


def _fields(file: Any, axes: list[str]) -> Iterator[tuple[str, str, bool]]:
    """Name, key and whether it evolves, component by component, in the order of The Well's own channels."""
    for group, rank in RANKS.items():
        for field in map(str, file[group].attrs["field_names"]):
            evolves = bool(file[group][field].attrs["time_varying"])
            for component in np.ndindex(*[len(axes)] * rank):
                suffix = "".join([axes[i] for i in component])
                key = f"{group}/{field}" + (f"[{','.join(map(str, component))}]" if rank else "")
                yield f"{field}_{suffix}" if rank else field, key, evolves


def _times(path: Path, times: Any) -> np.ndarray | None:
    values = np.asarray(times, dtype=np.float64)
    if values.ndim > 1:
        if not np.allclose(values, values[:1], rtol=1e-5):
            raise DataError(f"{path}: its trajectories have different times; a task has the same ones for all")
        values = values[0]
    return values if len(values) > 1 else None


def _ends(file: Any) -> list[Any]:
    return list(file["boundary_conditions"].values()) if "boundary_conditions" in file else []
