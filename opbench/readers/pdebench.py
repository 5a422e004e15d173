"""PDEBench's HDF5: its five layouts, told apart by what a file holds."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from opbench.errors import DataError
from opbench.grid import AXES
from opbench.readers import Contents, HDF5Reader, Selection, own, row, shared, split_key

VELOCITIES = {"Vx": "velocity_x", "Vy": "velocity_y", "Vz": "velocity_z"}
ONE, SEVERAL = ("u",), ("u", "v", "w")  # channels of the layout by seeds, further ones u3, u4, ...


class PDEBench(HDF5Reader):
    """Keys: the file's own names, "tensor", "nu", "density"; of channels "data[0]", "velocity[1]"; of a parameter "@Nu", for recipes that
    join files of several.

    Sources: pdebench/data_gen and the loader pdebench/models/fno/utils.py. Points are centres of cells; the boundary is not in the files:
    what the generators do is taken, and for compressible flow the file's name is asked.
    """

    def array(self, file: Any, key: str, chosen: Selection) -> np.ndarray:
        place, component = split_key(key)
        if place.startswith("@") and place[1:] in file.attrs:
            return np.full(len(range(_samples(file))[chosen.samples]), float(file.attrs[place[1:]]))
        if place == "data" and (groups := _groups(file)):
            return _of_seeds(file, groups[chosen.samples], component, chosen)
        array = own(file, place)
        if place == "tensor" and "nu" in file:
            return array[(chosen.samples, 0, *chosen.index(array.ndim - 1)[1:])]
        return array[(*chosen.index(array.ndim - len(component)), *component)]

    def contents(self, file: Any) -> Contents:
        if "tensor" in file and "nu" in file:
            return _darcy(file)
        if "tensor" in file:
            return _evolving(file, {"u": "tensor"}, True, Path(file.filename).stem)
        if "density" in file:
            asked = {VELOCITIES.get(name, name): name for name in ("density", "pressure", *VELOCITIES) if name in file}
            return _evolving(file, asked, "periodic" in Path(file.filename).name.casefold(), "compressible flow")
        if "velocity" in file and "t" in file:
            return _incompressible(file)
        if groups := _groups(file):
            return _seeds(file, groups)
        raise DataError("none of PDEBench's layouts; expected tensor, density, velocity, or a group for each seed")


def _darcy(file: Any) -> Contents:
    solution, coefficient = own(file, "tensor"), own(file, "nu")
    if solution.shape != (len(coefficient), 1, *coefficient.shape[1:]):
        raise DataError(f"expected tensor (sample, 1, *space) beside nu (sample, *space), got {solution.shape}, {coefficient.shape}")
    return Contents(
        samples=len(solution),
        coordinates=_coordinates(file, coefficient.shape[1:]),
        times=None,
        periodic=(False,) * (coefficient.ndim - 1),
        asked={"pressure": "tensor"},
        given={"permeability": "nu"},
        scalars=_parameters(file),
        about="PDEBench's Darcy flow",
    )


def _evolving(file: Any, asked: Mapping[str, str], periodic: bool, about: str) -> Contents:
    samples, frames, *shape = _shape(file, asked.values())
    return Contents(
        samples=samples,
        coordinates=_coordinates(file, shape),
        times=row(file, "t-coordinate")[:frames],  # the generators write one more than there are frames
        periodic=(periodic,) * len(shape),
        asked=asked,
        scalars=_parameters(file),
        about=f"PDEBench's {about}",
    )


def _incompressible(file: Any) -> Contents:
    """The grid is in the configuration alone; where that does not say it, the domain is a unit square."""
    samples, _, *shape, dims = own(file, "velocity").shape
    try:
        config = yaml.safe_load(file.attrs.get("config", "")) or {}
    except yaml.YAMLError as error:
        raise DataError("its config is no YAML; mend it") from error
    sizes = [float(size) for size in config.get("domain_size") or [1.0] * dims]
    if not len(shape) == len(sizes) == dims <= len(AXES):
        raise DataError(f"velocity has {dims} components on {len(shape)} axes, domain_size {len(sizes)} entries; make them as many")
    coordinates: dict[str, np.ndarray] = {}
    for axis, n, size in zip(AXES, shape, sizes, strict=False):
        coordinates[axis] = (np.arange(n) + 0.5) * size / n
    parts = {f"particles{i or ''}": f"particles[{i}]" for i in range(file["particles"].shape[-1])} if "particles" in file else {}
    return Contents(
        samples=samples,
        coordinates=coordinates,
        times=shared("times", np.atleast_2d(row(file, "t"))),
        periodic=(False,) * dims,
        asked={f"velocity_{axis}": f"velocity[{i}]" for i, axis in enumerate(coordinates)} | parts,
        given={f"force_{axis}": f"force[{i}]" for i, axis in enumerate(coordinates)} if "force" in file else {},
        about="PDEBench's incompressible flow",
    )


def _seeds(file: Any, groups: Sequence[str]) -> Contents:
    channels = _shape(file, [f"{group}/data" for group in groups])[-1]
    names = ONE if channels == 1 else [*SEVERAL, *(f"u{i}" for i in range(len(SEVERAL), channels))][:channels]
    axes = [axis for axis in AXES if axis in file[groups[0]]["grid"]]
    return Contents(
        samples=len(groups),
        coordinates={axis: shared(f"points in {axis}", (row(file, f"{group}/grid/{axis}") for group in groups)) for axis in axes},
        times=shared("times", (row(file, f"{group}/grid/t") for group in groups)),
        periodic=(False,) * len(axes),
        asked={name: f"data[{i}]" for i, name in enumerate(names)},
        about=f"PDEBench's {Path(file.filename).stem}",
    )


def _of_seeds(file: Any, groups: Sequence[str], component: tuple[int, ...], chosen: Selection) -> np.ndarray:
    """In two dimensions the data are (time, y, x, channel) where the lengths say so, and in reaction-diffusion, which has two channels."""
    index = chosen.index(own(file, f"{groups[0]}/data").ndim - 1, sample=False)
    arrays = np.stack([own(file, f"{group}/data")[(*index, *component)] for group in groups])
    grid, shape = file[groups[0]]["grid"], file[groups[0]]["data"].shape
    if "y" not in grid:
        return arrays
    x, y = (len(own(grid, axis)) for axis in ("x", "y"))
    flipped = shape[1:3] == (y, x) if x != y else shape[-1] == 2
    return np.swapaxes(arrays, -1, -2) if flipped else arrays


def _shape(file: Any, places: Iterable[str]) -> tuple[int, ...]:
    """That all these arrays have."""
    shapes = {place: own(file, place).shape for place in places}
    (first, shape), *others = shapes.items()
    for place, other in others:
        if other != shape:
            raise DataError(f"{first} has shape {shape}, {place} has {other}; make them alike")
    return shape


def _coordinates(file: Any, shape: Sequence[int]) -> dict[str, np.ndarray]:
    if len(shape) > len(AXES):
        raise DataError(f"{len(shape)} axes of space are more than {len(AXES)}; take fewer")
    found = {axis: row(file, f"{axis}-coordinate") for axis in AXES[: len(shape)]}
    for (axis, values), n in zip(found.items(), shape, strict=True):
        if values.shape != (n,):
            raise DataError(f"{axis}-coordinate has shape {values.shape} for {n} points; write one entry for each")
    return found


def _samples(file: Any) -> int:
    return len(_groups(file)) or len(own(file, next(name for name in ("tensor", "density", "velocity") if name in file)))


def _groups(file: Any) -> list[str]:
    return sorted(name for name in file if name.isdigit() and f"{name}/data" in file and f"{name}/grid" in file)


def _parameters(file: Any) -> dict[str, tuple[str, float | None]]:
    numbers = {name: value for name, value in file.attrs.items() if np.ndim(value) == 0 and np.asarray(value).dtype.kind in "biuf"}
    return {name: (f"@{name}", float(value)) for name, value in numbers.items()}
