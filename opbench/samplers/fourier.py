"""Random Fourier series: sum_k amplitude k^-decay (a_k cos + b_k sin)(2 pi k x / L) with uniform a, b, on one periodic axis."""

from typing import Literal

import numpy as np
from pydantic import Field

from opbench.errors import OpbenchError
from opbench.grid import Grid
from opbench.samplers import Sampler


class Fourier(Sampler):
    """`modes` waves with a_k, b_k ~ U(-1, 1).

    The published one-dimensional laws of PDEBench and APEBench are of this kind: few sine waves of random amplitude and phase.
    """

    sampler: Literal["fourier"]
    modes: int = Field(gt=0)
    amplitude: float = Field(default=1.0, gt=0)
    decay: float = Field(default=0.0, ge=0)

    def draw(self, rng: np.random.Generator, grid: Grid) -> np.ndarray:
        if grid.dims != 1 or not grid.periodic[0] or self.modes > grid.shape[0] // 2:
            raise OpbenchError(f"fourier: needs one periodic axis of {2 * self.modes} points or more, got {grid.shape}; use gaussian_field")
        count = np.arange(1, self.modes + 1)
        angle = 2 * np.pi * np.outer(count, (grid.coordinates()[0] - grid.lower[0]) / (grid.upper[0] - grid.lower[0]))
        cosine, sine = rng.uniform(-1, 1, (2, self.modes)) * self.amplitude * count**-self.decay
        return cosine @ np.cos(angle) + sine @ np.sin(angle)
