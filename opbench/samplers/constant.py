"""One number for every sample."""

from typing import ClassVar, Literal

import numpy as np

from opbench.grid import Grid
from opbench.samplers import Sampler


class Constant(Sampler):
    """`value`, in the field's unit."""

    random: ClassVar[bool] = False
    sampler: Literal["constant"]
    value: float

    def draw(self, rng: np.random.Generator, grid: Grid) -> float:
        return self.value
