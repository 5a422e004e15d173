"""PDEBench's HDF5: its five layouts, told apart by what a file holds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from opbench.errors import DataError
from opbench.grid import AXES
from opbench.readers import Contents, Reader, Selection, float32, hdf5, split_key

VELOCITIES = {"Vx": "velocity_x", "Vy": "velocity_y", "Vz": "velocity_z"}


class PDEBench(Reader):
    """Keys: the file's own names, "tensor", "nu", "density"; of channels "data[0]", "velocity[1]"; of a parameter "@Nu".

    Sources: pdebench/data_gen and the loader pdebench/models/fno/utils.py. Points are centres of cells; the boundary is not in the files:
    what the generators do is taken, and for compressible flow the file's name is asked.
    """

    def read(self, path: Path, keys: Sequence[str], chosen: Selection | None = None) -> dict[str, np.ndarray]:
        with hdf5(path) as file:
            return {key: float32(path, key, _array(path, file, key, chosen or Selection())) for key in keys}

    def look(self, path: Path) -> Contents:
        with hdf5(path) as file:
            scalars = {name: (f"@{name}", float(value)) for name, value in file.attrs.items() if np.ndim(value) == 0 and _is_number(value)}
            if "tensor" in file and "nu" in file:
                return Contents(
                    samples=len(file["tensor"]),
                    coordinates=_coordinates(path, file, file["nu"].shape[1:]),
                    times=None,
                    periodic=(False,) * (file["nu"].ndim - 1),
                    asked={"pressure": "tensor"},
                    given={"permeability": "nu"},
                    scalars=scalars,
                    about="PDEBench's Darcy flow",
                )
            if "tensor" in file:
                samples, frames, *shape = file["tensor"].shape
                wraps = (True,) * len(shape)
                return _evolving(path, file, samples, frames, shape, {"u": "tensor"}, wraps, scalars, path.stem)
            if "density" in file:
                samples, frames, *shape = file["density"].shape
                asked = {VELOCITIES.get(name, name): name for name in ("density", "pressure", *VELOCITIES) if name in file}
                wraps = ("periodic" in path.name.casefold(),) * len(shape)
                return _evolving(path, file, samples, frames, shape, asked, wraps, scalars, "compressible flow")
            if "velocity" in file and "t" in file:
                return _incompressible(file)
            if groups := _groups(file):
                return _seeds(path, file, groups)
        raise DataError(f"{path}: none of PDEBench's layouts; expected tensor, density, velocity, or a group for each seed")


def _array(path: Path, file: Any, key: str, chosen: Selection) -> np.ndarray:
    place, component = split_key(path, key)
    if place.startswith("@") and place[1:] in file.attrs:
        samples = len(_groups(file)) or len(next(iter(file[name] for name in ("tensor", "density", "velocity") if name in file)))
        return np.full(len(range(samples)[chosen.samples]), float(file.attrs[place[1:]]))
    if place == "data" and (groups := _groups(file)):
        index = chosen.index(file[groups[0]]["data"].ndim - 1, sample=False)
        flip = _flipped(file[groups[0]])
        arrays = [file[group]["data"][(*index, *component)] for group in groups[chosen.samples]]
        return np.stack([np.swapaxes(array, -1, -2) if flip else array for array in arrays])
    if place not in file:
        raise DataError(f"{path}: no array '{key}'; its own are {', '.join(sorted(file)[:9])}")
    array = file[place]
    if place == "tensor" and "nu" in file:  # a steady problem has one frame
        return array[(chosen.samples, 0, *chosen.index(array.ndim - 1)[1:])]
    return array[(*chosen.index(array.ndim - len(component)), *component)]


def _evolving(
    path: Path,
    file: Any,
    samples: int,
    frames: int,
    shape: Sequence[int],
    asked: Mapping[str, str],
    wraps: tuple[bool, ...],
    scalars: Mapping[str, tuple[str, float | None]],
    about: str,
) -> Contents:
    times = np.asarray(file["t-coordinate"], dtype=np.float64)[:frames]  # the generators write one more than there are frames
    coordinates = _coordinates(path, file, shape)
    return Contents(samples, coordinates, times, wraps, asked, scalars=scalars, about=f"PDEBench's {about}")


def _incompressible(file: Any) -> Contents:
    samples, _, *shape, dims = file["velocity"].shape
    try:
        config = yaml.safe_load(file.attrs.get("config", "")) or {}
    except yaml.YAMLError as error:
        raise ValueError("its config is no YAML") from error
    sizes = config.get("domain_size") or [1.0] * dims
    coordinates = {axis: (np.arange(n) + 0.5) * size / n for axis, n, size in zip(AXES, shape, sizes, strict=False)}
    asked = {f"velocity_{axis}": f"velocity[{i}]" for i, axis in enumerate(coordinates)} | {"particles": "particles[0]"}
    given = {f"force_{axis}": f"force[{i}]" for i, axis in enumerate(coordinates)}
    times = np.asarray(file["t"][0], dtype=np.float64)
    return Contents(samples, coordinates, times, (False,) * dims, asked, given, about="PDEBench's incompressible flow")


def _seeds(path: Path, file: Any, groups: Sequence[str]) -> Contents:
    first = file[groups[0]]
    channels = first["data"].shape[-1]
    axes = [axis for axis in AXES if axis in first["grid"]]
    names = ("u", "v", "w")[:channels] if channels > 1 else ("u",)
    return Contents(
        samples=len(groups),
        coordinates={axis: np.asarray(first["grid"][axis], dtype=np.float64) for axis in axes},
        times=np.asarray(first["grid"]["t"], dtype=np.float64),
        periodic=(False,) * len(axes),
        asked={name: f"data[{i}]" for i, name in enumerate(names)},
        about=f"PDEBench's {path.stem}",
    )


def _flipped(group: Any) -> bool:
    """Whether the data are (time, y, x, channel): where the lengths say so, and in reaction-diffusion, the one with two channels."""
    if "y" not in group["grid"]:
        return False
    x, y = (len(group["grid"][axis]) for axis in ("x", "y"))
    return group["data"].shape[1:3] == (y, x) if x != y else group["data"].shape[-1] == 2


def _coordinates(path: Path, file: Any, shape: Sequence[int]) -> dict[str, np.ndarray]:
    found = {axis: np.asarray(file[f"{axis}-coordinate"], dtype=np.float64) for axis in AXES[: len(shape)]}
    for (axis, values), n in zip(found.items(), shape, strict=True):
        if len(values) != n:
            raise DataError(f"{path}: {axis}-coordinate has {len(values)} entries for {n} points; write one for each")
    return found


def _groups(file: Any) -> list[str]:
    return sorted(name for name in file if name.isdigit() and "data" in file[name] and "grid" in file[name])


def _is_number(value: Any) -> bool:
    return np.asarray(value).dtype.kind in "biuf"
