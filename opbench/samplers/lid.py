"""A lid that moves along x, at rest in the corners: 16 speed s^2 (1 - s)^2, s from 0 to 1 along the axis."""

from typing import Literal

import numpy as np

from opbench.grid import Grid
from opbench.samplers import Sampler
from opbench.samplers._series import fraction


class Lid(Sampler):
    """The same for every sample, and at every height: the end that a condition names takes its part.

    The regularised cavity's lid (Bourcier & Francois, Rech. Aerosp. 131, 1969; Shen, J. Comput. Phys. 95, 1991), whose flow is smooth in
    the corners, where that of a lid of constant speed is not.
    """

    sampler: Literal["lid"]
    speed: float = 1.0

    @property
    def random(self) -> bool:
        return False

    def draw(self, rng: np.random.Generator, grid: Grid) -> np.ndarray:
        s = fraction(grid, 0).reshape(-1, *[1] * (grid.dims - 1))
        return np.broadcast_to(16 * self.speed * s**2 * (1 - s) ** 2, grid.shape)
