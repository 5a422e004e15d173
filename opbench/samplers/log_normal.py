"""Log-normal field, exp of a Gaussian random field: a smooth positive coefficient."""

from typing import Literal

import numpy as np
from pydantic import Field

from opbench.grid import Grid
from opbench.samplers import Sampler
from opbench.samplers._series import Boundary
from opbench.samplers.gaussian_field import GaussianField


class LogNormal(Sampler):
    """exp(g) with g ~ N(mean, amplitude^2 (-D + tau^2)^-alpha), the law of `gaussian_field`; exp(mean) is the field's median.

    Reproduces the log-normal permeability of FNO's Darcy generator with amplitude 3, tau 3, alpha 2, mean 0 and no-flux D on [0, 1]^2
    (Li et al., ICLR 2021, data_generation/darcy: g is scaled there by tau^(alpha - 1) = 3).
    """

    sampler: Literal["log_normal"]
    amplitude: float = Field(gt=0)
    tau: float = Field(ge=0)
    alpha: float = Field(gt=0)
    modes: int = Field(gt=0)
    mean: float = 0.0
    boundary: Boundary = "neumann"

    def draw(self, rng: np.random.Generator, grid: Grid) -> np.ndarray:
        law = GaussianField(
            sampler="gaussian_field",
            amplitude=self.amplitude,
            tau=self.tau,
            alpha=self.alpha,
            modes=self.modes,
            mean=self.mean,
            boundary=self.boundary,
        )
        return np.exp(law.draw(rng, grid))
