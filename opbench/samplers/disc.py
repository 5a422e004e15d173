"""Discs (balls, intervals): one value inside, another outside, sharp or with a smooth rim."""

from typing import Literal

import numpy as np
from pydantic import Field

from opbench.grid import Grid
from opbench.samplers import Placed
from opbench.samplers._shapes import centres, offsets, rise
from opbench.samplers._spans import Count, Size, Span, pick, pick_count, vary


class Disc(Placed):
    """Each disc has its own radius and centre (in the axes' unit; anywhere if left out); on periodic axes it wraps around.

    inside: drawn for every disc; where discs overlap, the later one counts. outside: drawn once.
    width: of the rim, (1 + tanh((radius - r) / width)) / 2 of the way from outside to inside; 0 is a jump, the rim being inside.
    Reproduces the depth of PDEBench's radial dam break with radius [0.3, 0.7], centre [0, 0], inside 2, outside 1 on [-2.5, 2.5]^2
    (Takamoto et al., NeurIPS 2022, sim_radial_dam_break.py).
    """

    sampler: Literal["disc"]
    count: Count = 1
    radius: Size
    centre: tuple[Span, ...] = ()
    inside: Span
    outside: Span
    width: float = Field(default=0.0, ge=0)

    @property
    def random(self) -> bool:
        return not self.centre or vary(self.count, self.radius, self.inside, self.outside, *self.centre)

    @property
    def jumps(self) -> bool:
        return self.width == 0

    def place(self, places: np.random.Generator, rng: np.random.Generator, grid: Grid) -> np.ndarray:
        count = pick_count(places, self.count)
        middles, radii = centres(places, self.centre, grid, count, "disc"), pick(places, self.radius, count)
        outside, values = pick(rng, self.outside), pick(rng, self.inside, count)
        longest = max(high - low for low, high in zip(grid.lower, grid.upper, strict=True))
        field = np.full(grid.shape, outside)
        for middle, radius, inside in zip(middles, radii, values, strict=True):
            distance = np.sqrt(sum(np.ix_(*[offset**2 for offset in offsets(grid, middle)])))
            share = rise(radius - distance, self.width, longest)
            field = (1 - share) * field + share * inside
        return field
