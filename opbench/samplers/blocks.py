"""Piecewise-constant blocks: the domain is cut into equal cells, each with a value of its own."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from opbench.errors import OpbenchError
from opbench.grid import Grid
from opbench.samplers import Placed
from opbench.samplers._series import fraction
from opbench.samplers._shapes import ON
from opbench.samplers._spans import pick


class Blocks(Placed):
    """`cells[a]` blocks along axis a, with independent values: one of `levels`, all equally likely, or U(low, high) for `between`.

    log: values between low and high are uniform in their logarithm.
    stream: fields of one stream take the level of the same number in each block, as two properties of the same materials.
    A point on the border of two blocks lies in the upper one. A solver that takes such coefficients at its nodes sees the border half a
    spacing too low, an error of first order; where the equation takes them in cells (`permeability` on bounded axes), data are solved
    with the values there, of second order where borders lie on nodes of the solve grid: let `cells` divide its cells.
    Reproduces the thermal block of reduced-basis methods, -div(d grad u) = 1 on [0, 1]^2 with cells [3, 3] and between [0.1, 1] (pyMOR,
    thermal_block_problem).
    """

    borders: ClassVar[bool] = True
    sampler: Literal["blocks"]
    cells: tuple[int, ...] = Field(min_length=1)
    levels: tuple[float, ...] = ()
    between: tuple[float, float] | None = None
    log: bool = False

    @model_validator(mode="after")
    def _one_law(self):
        if min(self.cells) < 1:
            raise ValueError(f"cells: one or more an axis, got {list(self.cells)}")
        if (len(self.levels) > 1) == (self.between is not None) or (self.log and self.between is None):
            raise ValueError("needs either levels, two or more, or between = [low, high], to which log = true may be added")
        if self.between is not None and not (self.between[0] < self.between[1] and (self.between[0] > 0 or not self.log)):
            raise ValueError(f"between: needs low < high{' and low > 0' if self.log else ''}, got {list(self.between)}")
        return self

    @property
    def jumps(self) -> bool:
        return True

    def place(self, places: np.random.Generator, rng: np.random.Generator, grid: Grid) -> np.ndarray:
        if len(self.cells) != grid.dims:
            raise OpbenchError(f"blocks: cells: expected one entry an axis, {grid.dims}, got {len(self.cells)}")
        if self.between is None:
            values = np.array(self.levels)[places.integers(len(self.levels), size=self.cells)]
        else:
            values = pick(rng, self.between, self.cells, self.log)
        return values[np.ix_(*(self._block(grid, axis) for axis in range(grid.dims)))]

    def _block(self, grid: Grid, axis: int) -> np.ndarray:
        """The number of each point's block, (point,)."""
        count = self.cells[axis]
        return np.clip(np.floor((fraction(grid, axis) + ON) * count).astype(int), 0, count - 1)
