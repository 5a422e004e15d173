"""A few random sines on a periodic line, sum_i A_i sin(2 pi n_i x / L + phi_i), now and then folded or windowed."""

from typing import Literal

import numpy as np
from pydantic import Field

from opbench.errors import OpbenchError
from opbench.grid import Grid
from opbench.samplers import Sampler
from opbench.samplers._series import fraction
from opbench.samplers._spans import Span, pick

EDGE = 0.01  # of the window, in axis lengths
POINTS_PER_WAVE = 4096  # of the shortest wave, where the extremes are looked for; at a kink, 2 pi / 4096 of its height is missed


class SineSeries(Sampler):
    """`waves` sines with n_i one of 1 ... highest, A_i in `amplitude`, phi_i ~ U(0, 2 pi).

    fold: probability of taking the absolute value with a random sign, which leaves kinks. window: probability of multiplying by
    (tanh((x - l) / 0.01) - tanh((x - r) / 0.01)) / 2 with l ~ U(0.1, 0.45) and r ~ U(0.55, 0.9), in axis lengths.
    unit_range: every sample is shifted and scaled to [0, 1], to within 2e-3. offset: added in the end.
    Reproduces PDEBench's initial states (Takamoto et al., NeurIPS 2022; utils.py, init_multi) with waves 2, highest 4, fold 0.1,
    window 0.1 on [0, 1): advection and Burgers as they are, reaction-diffusion with unit_range. Its code differs from the paper's
    formula, which this is: there the waves that are not chosen leave constants A sin phi, a wave chosen twice has twice the
    wavenumber, and the period is one cell short of the domain.
    """

    sampler: Literal["sine_series"]
    waves: int = Field(gt=0)
    highest: int = Field(gt=0)
    amplitude: Span = (0.0, 1.0)
    fold: float = Field(default=0.0, ge=0, le=1)
    window: float = Field(default=0.0, ge=0, le=1)
    unit_range: bool = False
    offset: Span = 0.0

    def draw(self, rng: np.random.Generator, grid: Grid) -> np.ndarray:
        if grid.dims != 1 or not grid.periodic[0]:
            raise OpbenchError("sine_series: needs one periodic axis; use fourier in more dimensions, standing_waves on a bounded axis")
        position = fraction(grid, 0)
        seen = np.linspace(0, 1, POINTS_PER_WAVE * self.highest, endpoint=False) if self.unit_range else position[:0]
        values, everywhere = np.split(self._function(rng, np.concatenate([position, seen])), [len(position)])
        if self.unit_range:
            values = (values - everywhere.min()) / (everywhere.max() - everywhere.min())
        return values + pick(rng, self.offset)

    def _function(self, rng: np.random.Generator, position: np.ndarray) -> np.ndarray:
        """One sample at any positions, in axis lengths."""
        count = rng.integers(1, self.highest, self.waves, endpoint=True)
        amplitude, phase = pick(rng, self.amplitude, self.waves), rng.uniform(0, 2 * np.pi, self.waves)
        folded, windowed = rng.random(2) < (self.fold, self.window)
        sign, left, right = rng.choice([-1.0, 1.0]), rng.uniform(0.1, 0.45), rng.uniform(0.55, 0.9)
        values = amplitude @ np.sin(2 * np.pi * np.outer(count, position) + phase[:, None])
        if folded:
            values = sign * np.abs(values)
        if windowed:
            values = values * (np.tanh((position - left) / EDGE) - np.tanh((position - right) / EDGE)) / 2
        return values
