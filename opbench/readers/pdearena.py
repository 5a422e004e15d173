"""PDEArena's HDF5: buoyant smoke in a box, one split a file."""

from typing import Any

import numpy as np

from opbench.errors import DataError
from opbench.readers import Contents, HDF5Reader, Selection, own, row, shared

SPLITS = ("train", "valid", "test")
SMOKE = {"smoke": "u", "velocity_x": "vx", "velocity_y": "vy"}


class PDEArena(HDF5Reader):
    """Keys: "u", "vx", "vy", "buo_y", of the group that is named like the file's split.

    Source: pdedatagen/navier_stokes.py. Its x and y end at both walls, though the solver's smoke stands in the middles of cells, and its t
    has another step than its dt, which is the solver's: points and times here are the solver's. Velocities are those of the lower faces.
    """

    def array(self, file: Any, key: str, chosen: Selection) -> np.ndarray:
        array = own(file, f"{_split(file)}/{key}")
        return array[chosen.index(array.ndim)]

    def contents(self, file: Any) -> Contents:
        split = _split(file)
        samples, frames, *_ = own(file, f"{split}/u").shape
        step = shared("dt", np.atleast_2d(row(file, f"{split}/dt")).T)[0]
        numbers = np.unique(row(file, f"{split}/buo_y")) if "buo_y" in file[split] else ()
        return Contents(
            samples=samples,
            coordinates={axis: _middles(shared(axis, row(file, f"{split}/{axis}"))) for axis in ("x", "y")},
            times=step * np.arange(1, frames + 1),
            periodic=(False, False),
            asked=SMOKE,
            scalars={"buoyancy": ("buo_y", float(numbers[0]) if len(numbers) == 1 else None)} if len(numbers) else {},
            about="PDEArena's smoke",
            split=split,
        )


def _split(file: Any) -> str:
    found = [split for split in SPLITS if split in file and "u" in file[split]]
    if len(found) != 1:
        raise DataError(f"expected one of the groups {', '.join(SPLITS)}, with u, vx and vy; PDEArena's files have one split each")
    return found[0]


def _middles(ends: np.ndarray) -> np.ndarray:
    """Of as many cells as there are points between the walls."""
    return ends[0] + (np.arange(len(ends)) + 0.5) * (ends[-1] - ends[0]) / len(ends)
