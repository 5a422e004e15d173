"""One number for every sample."""

from typing import Literal

import numpy as np

from opbench.grid import Grid
from opbench.samplers import Sampler


class Constant(Sampler):
    """`value`, in the field's unit."""

    sampler: Literal["constant"]
    value: float

    @property
    def random(self) -> bool:
        return False

    def draw(self, rng: np.random.Generator, grid: Grid) -> float:
        return self.value
