"""Gaussian random field N(mean, amplitude^2 (-D + tau^2)^-alpha), with periodic or no-flux Laplacian D."""

from typing import Literal

import numpy as np
from pydantic import Field

from opbench.grid import Grid
from opbench.samplers import Sampler


class GaussianField(Sampler):
    """A Karhunen-Loeve series cut after `modes` waves an axis; D's constant mode is left out, so samples have zero mean (plus `mean`).

    A grid too coarse for the finest waves still sees the right values; what it cannot resolve shows in the data's error floor.
    D is periodic on periodic axes and has no-flux (Neumann) ends on bounded ones.
    Reproduces FNO's Burgers input with amplitude 25, tau 5, alpha 2 on [0, 1); FNO's Navier-Stokes input with amplitude 7^1.5,
    tau 7, alpha 2.5 on [0, 1)^2 (Li et al., ICLR 2021, sections 5.1 and 5.3).
    """

    sampler: Literal["gaussian_field"]
    amplitude: float = Field(gt=0)
    tau: float = Field(ge=0)
    alpha: float = Field(gt=0)
    modes: int = Field(gt=0)
    mean: float = 0.0

    def draw(self, rng: np.random.Generator, grid: Grid) -> np.ndarray:
        bases, squares = zip(*(self._axis(grid, axis) for axis in range(grid.dims)), strict=True)
        wavenumber = sum(np.ix_(*squares))
        spectrum = self.amplitude * (wavenumber + self.tau**2) ** (-self.alpha / 2)
        spectrum[(0,) * grid.dims] = 0.0
        field = spectrum * rng.standard_normal(spectrum.shape)
        for basis in bases:  # each product moves the next mode axis to the end as a space axis
            field = np.tensordot(field, basis, axes=(0, 0))
        return self.mean + field

    def _axis(self, grid: Grid, axis: int) -> tuple[np.ndarray, np.ndarray]:
        """D's orthonormal eigenfunctions at the grid's points (mode, point), and their squared wavenumbers (mode,)."""
        low, high = grid.lower[axis], grid.upper[axis]
        position = (grid.coordinates()[axis] - low) / (high - low)
        count = np.arange(1, self.modes + 1)
        if grid.periodic[axis]:
            angle = 2 * np.pi * np.outer(count, position)
            waves = np.stack([np.cos(angle), np.sin(angle)], axis=1).reshape(2 * self.modes, -1)
            wavenumber = np.repeat(2 * np.pi * count / (high - low), 2)
        else:
            waves = np.cos(np.pi * np.outer(count, position))
            wavenumber = np.pi * count / (high - low)
        basis = np.concatenate([np.ones((1, len(position))), np.sqrt(2) * waves]) / np.sqrt(high - low)
        return basis, np.concatenate([[0.0], wavenumber**2])
