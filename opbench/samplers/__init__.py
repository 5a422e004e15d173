"""Random inputs, one law a file: `draw` depends on its random generator and the grid's points, on nothing else."""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np

from opbench.config import Frozen
from opbench.grid import Grid


class Sampler(Frozen, ABC):
    """A law from which one sample of one field or parameter is drawn; its fields are what a recipe sets.

    borders: whether its jumps lie where a grid's points do; an equation that takes a field in the cells between them gets it there.
    """

    borders: ClassVar[bool] = False

    @property
    def random(self) -> bool:
        """Whether samples differ, so whether a model must be told."""
        return True

    @property
    def jumps(self) -> bool:
        """Whether fields jump, so that between a grid's points the nearest value is the best guess."""
        return False

    @abstractmethod
    def draw(self, rng: np.random.Generator, grid: Grid) -> np.ndarray | float:
        """One sample, float64 (*grid.shape), or a number where it is constant in space.

        The same generator state gives the same function on every grid, seen at that grid's points.
        """


class Placed(Sampler):
    """A law of shapes: where they lie is drawn apart from the values in them, so that several fields can have the same shapes.

    stream: fields of one recipe whose laws name the same stream draw their places alike (given the same ranges), and their values
    independently: density and pressure then jump at the same random position.
    """

    stream: str | None = None

    def draw(self, rng: np.random.Generator, grid: Grid) -> np.ndarray:
        return self.place(rng, rng, grid)

    @abstractmethod
    def place(self, places: np.random.Generator, rng: np.random.Generator, grid: Grid) -> np.ndarray:
        """One sample, float64 (*grid.shape): its places from `places`, its values from `rng`."""
