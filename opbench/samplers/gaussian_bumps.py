"""Gaussian bumps: background + sum_i amplitude_i exp(-|x - c_i|^2 / (2 width_i^2))."""

from functools import reduce
from math import ceil
from typing import Literal

import numpy as np

from opbench.grid import Grid
from opbench.samplers import Placed
from opbench.samplers._shapes import centres
from opbench.samplers._spans import Count, Size, Span, pick, pick_count, vary

REACH = 9.0  # widths, where a bump has fallen to 3e-18 of its height


class GaussianBumps(Placed):
    """Each bump has its own amplitude, width (in the axes' unit) and centre (a number or range an axis; anywhere if left out).

    On periodic axes every bump comes with all its images, so that the field is smooth across the domain's end.
    Reproduces exponax's RandomGaussianBlobs (Koehler et al., NeurIPS 2024) in its default setting, one bump of amplitude 1 with centre
    [[0.4, 0.6], ...] on [0, 1]^d, but for two things: here the width is uniform, in [0.0707, 0.1], there its square, in [0.005, 0.01],
    and no images are added.
    """

    sampler: Literal["gaussian_bumps"]
    count: Count = 1
    amplitude: Span = 1.0
    width: Size
    centre: tuple[Span, ...] = ()
    background: Span = 0.0

    @property
    def random(self) -> bool:
        return not self.centre or vary(self.count, self.amplitude, self.width, self.background, *self.centre)

    def place(self, places: np.random.Generator, rng: np.random.Generator, grid: Grid) -> np.ndarray:
        count = pick_count(places, self.count)
        middles, widths = centres(places, self.centre, grid, count, "gaussian_bumps"), pick(places, self.width, count)
        background, amplitudes = pick(rng, self.background), pick(rng, self.amplitude, count)
        field = np.full(grid.shape, background)
        for middle, width, amplitude in zip(middles, widths, amplitudes, strict=True):
            profiles = (_profile(grid, axis, middle[axis], width) for axis in range(grid.dims))
            field += amplitude * reduce(np.multiply.outer, profiles)
        return field


def _profile(grid: Grid, axis: int, middle: float, width: float) -> np.ndarray:
    """One bump along one axis, (point,), with its images where the axis is periodic."""
    length = grid.upper[axis] - grid.lower[axis]
    images = ceil(REACH * width / length) + 1 if grid.periodic[axis] else 0
    shifts = length * np.arange(-images, images + 1)
    distance = grid.coordinates()[axis] - middle - shifts[:, None]
    return np.exp(-(distance**2) / (2 * width**2)).sum(axis=0)
