"""A fixed plane wave, the same for every sample: sine sin(k . x) + cosine cos(k . x)."""

from typing import Literal

import numpy as np

from opbench.grid import Grid
from opbench.samplers import Sampler


class PlaneWave(Sampler):
    """The wave turns `cycles[a]` times over the domain's length along axis a.

    Reproduces FNO's Navier-Stokes forcing 0.1 (sin 2 pi (x + y) + cos 2 pi (x + y)) with cycles [1, 1], sine 0.1, cosine 0.1.
    """

    sampler: Literal["plane_wave"]
    cycles: tuple[int, ...]
    sine: float = 0.0
    cosine: float = 0.0

    @property
    def random(self) -> bool:
        return False

    def draw(self, rng: np.random.Generator, grid: Grid) -> np.ndarray:
        ends = zip(self.cycles, grid.mesh(), grid.lower, grid.upper, strict=True)
        phase = sum(2 * np.pi * m * (x - low) / (high - low) for m, x, low, high in ends)
        return self.sine * np.sin(phase) + self.cosine * np.cos(phase)
