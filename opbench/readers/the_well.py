"""The Well's HDF5: fields by rank, with or without samples, times and axes, as The Well's docs/data_format.md has them."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from opbench.errors import DataError
from opbench.readers import Contents, HDF5Reader, Selection, own, require_different, row, shared, split_key, text

RANKS = {"t0_fields": 0, "t1_fields": 1, "t2_fields": 2}  # scalars, vectors, matrices


class TheWell(HDF5Reader):
    """Keys: "t0_fields/density", "t1_fields/velocity[0]", "t2_fields/strain[0,1]", "scalars/Re"."""

    def array(self, file: Any, key: str, chosen: Selection) -> np.ndarray:
        """What all samples have in common, or a whole axis, stands in the file once and is repeated."""
        place, component = split_key(key)
        group, _, name = place.partition("/")
        if group not in (*RANKS, "scalars") or name not in file.get(group, ()):
            raise DataError(f"no field '{key}'; name one that the file has, as t0_fields/NAME")
        array, rank = own(file, place), RANKS.get(group, 0)
        if len(component) != rank:
            raise DataError(f"'{key}' is of rank {rank}; name as many components, as {place}[0]")
        evolves, sampled = bool(array.attrs["time_varying"]), bool(array.attrs["sample_varying"])
        if evolves != (chosen.times is not None):
            raise DataError(f"{key} {'evolves' if evolves else 'does not evolve'}; {'ask for' if evolves else 'give'} it instead")
        varies = list(map(bool, array.attrs["dim_varying"])) if group in RANKS else []
        values = array[(*chosen.index(sampled + evolves + sum(varies), sample=sampled), *component)]
        if not sampled:
            samples = range(int(file.attrs["n_trajectories"]))[chosen.samples]
            values = np.broadcast_to(values, (len(samples), *values.shape))
        for axis, (dim, along) in enumerate(zip(_axes(file), varies, strict=False), start=1 + evolves):
            if not along:
                points = len(range(len(own(file, f"dimensions/{dim}")))[:: chosen.every])
                values = np.repeat(np.expand_dims(values, axis), points, axis)
        return values

    def contents(self, file: Any) -> Contents:
        axes = _axes(file)
        fields = list(_fields(file, axes))
        scalars, moving = {}, []
        for name in _names(file, "scalars"):
            array = own(file, f"scalars/{name}")
            if array.attrs["time_varying"]:
                moving.append(f"{name}: a number that varies in time")
            else:
                values = np.unique(array[()])
                scalars[name] = (f"scalars/{name}", float(values[0]) if len(values) == 1 else None)
        times = np.atleast_2d(row(file, "dimensions/time"))
        evolving = [(name, key) for name, key, evolves in fields if evolves]
        if not evolving or times.shape[1] < 2:
            raise DataError("nothing in it evolves; expected fields of two frames or more")
        constant = [(name, key) for name, key, evolves in fields if not evolves]
        require_different([*(name for name, _, _ in fields), *scalars])
        periodic = _periodic(file)
        return Contents(
            samples=int(file.attrs["n_trajectories"]),
            coordinates={axis: row(file, f"dimensions/{axis}") for axis in axes},
            times=shared("times", times),
            periodic=tuple(axis in periodic for axis in axes),
            asked=dict(evolving),
            given=dict(constant),
            scalars=scalars,
            about=f"The Well's {text(file.attrs['dataset_name'])}",
            left_out=tuple(moving),
        )


def _axes(file: Any) -> list[str]:
    return [text(axis) for axis in file["dimensions"].attrs["spatial_dims"]]


def _names(file: Any, group: str) -> list[str]:
    return [text(name) for name in file[group].attrs["field_names"]] if group in file else []


def _fields(file: Any, axes: list[str]) -> Iterator[tuple[str, str, bool]]:
    """Name, key and whether it evolves, component by component, in the order of The Well's own channels."""
    for group, rank in RANKS.items():
        for field in _names(file, group):
            evolves = bool(own(file, f"{group}/{field}").attrs["time_varying"])
            for component in np.ndindex(*[len(axes)] * rank):
                suffix = "".join([axes[i] for i in component])
                key = f"{group}/{field}" + (f"[{','.join(map(str, component))}]" if rank else "")
                yield f"{field}_{suffix}" if rank else field, key, evolves


def _periodic(file: Any) -> set[str]:
    ends = file["boundary_conditions"].values() if "boundary_conditions" in file else ()
    return {text(dim) for end in ends if text(end.attrs["bc_type"]).upper() == "PERIODIC" for dim in end.attrs["associated_dims"]}
