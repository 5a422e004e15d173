"""Riemann states: left and right of a jump, or four quadrants."""

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from opbench.errors import OpbenchError
from opbench.grid import Grid
from opbench.samplers import Placed
from opbench.samplers._shapes import beyond
from opbench.samplers._spans import Span, least, pick, vary


class Riemann(Placed):
    """Two states: left and right of position[0] along x. Four, in two dimensions: quadrants 1 to 4 about the point `position`.

    Quadrant 1 is upper right, then counter-clockwise (upper left, lower left, lower right), as Lax and Liu number them
    (SIAM J. Sci. Comput. 19, 1998). A point on a jump belongs to the right, or upper, state.
    position: in the axes' unit, one entry a jump. log: random states are uniform in their logarithm.
    width: of the jump, (1 + tanh(distance / width)) / 2; 0 is a jump. On a periodic axis there is a second one at the domain's end.
    Reproduces PDEBench's shock tubes with position [[0.25, 0.75]] on [0, 1], the same stream in all fields, and for each positive field
    states [[low, high], [low, high]] with log (Takamoto et al., NeurIPS 2022, utils.py, init_multi_HD_shock); Sod's with position
    [0.5] and states [1, 0.125] for density, [1, 0.1] for pressure, [0, 0] for velocity.
    """

    sampler: Literal["riemann"]
    states: tuple[Span, ...]
    position: tuple[Span, ...]
    width: float = Field(default=0.0, ge=0)
    log: bool = False

    @property
    def random(self) -> bool:
        return vary(*self.states, *self.position)

    @model_validator(mode="after")
    def _fits_together(self):
        if (len(self.states), len(self.position)) not in ((2, 1), (4, 2)):
            raise ValueError(
                f"needs 2 states and 1 position, or 4 states (quadrants) and 2 positions, got {len(self.states)} and {len(self.position)}"
            )
        if self.log and any(isinstance(state, tuple) and least(state) <= 0 for state in self.states):
            raise ValueError(f"states: log = true needs positive ranges, got {self.states}")
        return self

    @property
    def jumps(self) -> bool:
        return self.width == 0

    def place(self, places: np.random.Generator, rng: np.random.Generator, grid: Grid) -> np.ndarray:
        if grid.dims < len(self.position):
            raise OpbenchError(f"riemann: four quadrants need two axes, got {grid.dims}; give two states")
        jumps = [float(pick(places, span)) for span in self.position]
        states = [float(pick(rng, state, log=self.log)) for state in self.states]
        shares = [beyond(grid, axis, jump, self.width) for axis, jump in enumerate(jumps)]
        across = [share.reshape(-1, *[1] * (grid.dims - 1 - axis)) for axis, share in enumerate(shares)]
        right = across[0]
        if len(states) == 2:
            return np.broadcast_to((1 - right) * states[0] + right * states[1], grid.shape).copy()
        upper = across[1]
        first, second, third, fourth = states
        return upper * (right * first + (1 - right) * second) + (1 - upper) * ((1 - right) * third + right * fourth)
