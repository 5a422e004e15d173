"""Two-phase medium: one value where a Gaussian random field is positive, another elsewhere."""

from typing import Literal

import numpy as np
from pydantic import Field

from opbench.grid import Grid
from opbench.samplers import Sampler
from opbench.samplers.gaussian_field import GaussianField


class TwoPhase(Sampler):
    """`high` where N(0, (-D + tau^2)^-alpha) >= 0, `low` elsewhere, by value at each node.

    Reproduces FNO's Darcy permeability with low 3, high 12, tau 3, alpha 2 and no-flux D (Li et al., ICLR 2021, section 5.2).
    """

    sampler: Literal["two_phase"]
    low: float = Field(gt=0)
    high: float = Field(gt=0)
    tau: float = Field(ge=0)
    alpha: float = Field(gt=0)
    modes: int = Field(gt=0)

    @property
    def jumps(self) -> bool:
        return True

    def draw(self, rng: np.random.Generator, grid: Grid) -> np.ndarray:
        law = GaussianField(sampler="gaussian_field", amplitude=1.0, tau=self.tau, alpha=self.alpha, modes=self.modes)
        return np.where(law.draw(rng, grid) >= 0, self.high, self.low)
