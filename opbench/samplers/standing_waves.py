"""Random sine series that vanishes at the ends: sum_k amplitude |k|^-decay a_k prod sin(pi k_i x_i / L_i), a_k ~ U(-1, 1)."""

from typing import Literal

import numpy as np
from pydantic import Field

from opbench.errors import OpbenchError
from opbench.grid import Grid
from opbench.samplers import Sampler
from opbench.samplers._series import fraction, series, sines


class StandingWaves(Sampler):
    """k_i = 1 ... modes along each of the bounded axes; |k| is the length of the vector k.

    The law of the Convolutional Neural Operator's wave problem on [0, 1]^2, pi / K^2 sum_ij a_ij (i^2 + j^2)^-r sin(pi i x) sin(pi j y),
    with modes K, amplitude pi / K^2, decay 2 r, and with the other sign of its exponent of its Poisson source (Raonic et al., NeurIPS
    2023, section 4).
    """

    sampler: Literal["standing_waves"]
    modes: int = Field(gt=0)
    amplitude: float = Field(default=1.0, gt=0)
    decay: float = 0.0

    def draw(self, rng: np.random.Generator, grid: Grid) -> np.ndarray:
        if any(grid.periodic):
            raise OpbenchError("standing_waves: needs bounded axes only; on periodic ones use fourier, on mixed ones gaussian_field")
        length = np.sqrt(sum(np.ix_(*[np.arange(1, self.modes + 1) ** 2] * grid.dims)))
        coefficients = self.amplitude * length**-self.decay * rng.uniform(-1, 1, length.shape)
        return series(coefficients, [sines(fraction(grid, axis), self.modes) for axis in range(grid.dims)])
