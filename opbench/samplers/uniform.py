"""A number between two bounds, uniformly or uniformly in its logarithm."""

from typing import Literal

import numpy as np
from pydantic import model_validator

from opbench.grid import Grid
from opbench.samplers import Sampler


class Uniform(Sampler):
    """U(low, high); with log = true, exp(U(log low, log high))."""

    sampler: Literal["uniform"]
    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self):
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(f"needs low < high{' and low > 0' if self.log else ''}, got {self.low} and {self.high}")
        return self

    def draw(self, rng: np.random.Generator, grid: Grid) -> float:
        if self.log:
            return float(np.exp(rng.uniform(np.log(self.low), np.log(self.high))))
        return float(rng.uniform(self.low, self.high))
