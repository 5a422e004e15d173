"""Random inputs, one law a file: `draw` depends on its random generator and the grid's points, on nothing else."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from opbench.config import Frozen
from opbench.grid import Grid


class Sampler(Frozen, ABC):
    """A law from which one sample of one field or parameter is drawn; its fields are what a recipe sets.

    random: whether samples differ, so whether a model must be told.
    """

    random: ClassVar[bool] = True

    @abstractmethod
    def draw(self, rng: np.random.Generator, grid: Grid) -> np.ndarray | float:
        """One sample, float64 (*grid.shape), or a number where it is constant in space.

        The same generator state gives the same function on every grid, seen at that grid's points.
        """
