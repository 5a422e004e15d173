"""Band-limited white noise: independent normal numbers on a lattice, and the trigonometric interpolant between them."""

from math import prod
from typing import Literal

import numpy as np
from pydantic import Field

from opbench.grid import Grid
from opbench.samplers import Sampler
from opbench.samplers._series import eigenfunctions, series


class WhiteNoise(Sampler):
    """A flat spectrum up to `modes` waves an axis, so that white noise has a limit on fine grids: it has none without a cut.

    The values at n equally spaced points an axis are independent N(mean, amplitude^2): n = 2 modes + 1 points from the lower end on
    where the axis is periodic, and the middles of n = modes + 1 cells where it is bounded (with no slope at its ends).
    Reproduces the initial state of PDEBench's diffusion-reaction, N(0, 1) in each of 128 x 128 cells of [-1, 1]^2 with walls, with
    amplitude 1 and modes 127, to the letter at those cells' middles; PDEBench says nothing of values between them, here they are the
    interpolant's, of variance 2 (not 1) at an end. (Takamoto et al., NeurIPS 2022, sim_diff_react.py.)
    """

    sampler: Literal["white_noise"]
    amplitude: float = Field(gt=0)
    modes: int = Field(gt=0)
    mean: float = 0.0

    def draw(self, rng: np.random.Generator, grid: Grid) -> np.ndarray:
        bases = [eigenfunctions(grid, axis, self.modes, "neumann")[0] for axis in range(grid.dims)]
        lattice = [len(basis) for basis in bases]
        cell = prod((high - low) / n for low, high, n in zip(grid.lower, grid.upper, lattice, strict=True))
        return self.mean + self.amplitude * np.sqrt(cell) * series(rng.standard_normal(lattice), bases)
