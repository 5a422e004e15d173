"""Random Fourier series on periodic axes: sum_k amplitude |k|^-decay a_k cos(2 pi k . x / L + phi_k), k whole numbers up to `modes`."""

from typing import Literal

import numpy as np
from pydantic import Field

from opbench.errors import OpbenchError
from opbench.grid import Grid
from opbench.samplers import Sampler
from opbench.samplers._series import fraction, series
from opbench.samplers._spans import Span, pick

POINTS_PER_WAVE = 32  # of the shortest wave, where the largest value is looked for: at most (pi / 32)^2 / 2 = 0.5 % is missed an axis


class Fourier(Sampler):
    """a_k ~ U(-1, 1), phi_k ~ U(0, 2 pi), one of k and -k, |k| <= modes along each axis, without the constant k = 0.

    largest: every sample is scaled so that its largest absolute value is this number, to within 0.5 per cent an axis.
    offset: added in the end.
    Reproduces APEBench's initial states "fourier;5;true;true" with modes 5 and largest 1 (Koehler et al., NeurIPS 2024; exponax's
    RandomTruncatedFourierSeries of zero mean, which looks for the largest value at its own grid's points); in two dimensions the
    waves with k along the first axis come in independent pairs there.
    """

    sampler: Literal["fourier"]
    modes: int = Field(gt=0)
    amplitude: float = Field(default=1.0, gt=0)
    decay: float = Field(default=0.0, ge=0)
    largest: float | None = Field(default=None, gt=0)
    offset: Span = 0.0

    def draw(self, rng: np.random.Generator, grid: Grid) -> np.ndarray:
        if not all(grid.periodic):
            raise OpbenchError("fourier: needs periodic axes only; on bounded ones use standing_waves or gaussian_field")
        coefficients, offset = self._coefficients(rng, grid.dims), pick(rng, self.offset)
        if self.largest is not None:
            fine = Grid(grid.axes, (POINTS_PER_WAVE * self.modes,) * grid.dims, grid.lower, grid.upper, grid.periodic)
            coefficients *= self.largest / np.abs(self._waves(coefficients, fine)).max()
        return offset + self._waves(coefficients, grid)

    def _coefficients(self, rng: np.random.Generator, dims: int) -> np.ndarray:
        """Complex weights of exp(2 pi i k . x / L), zero for all but one of k and -k; entry j stands for k = j - modes."""
        shape = (2 * self.modes + 1,) * dims
        weights = rng.uniform(-1, 1, shape) * np.exp(1j * rng.uniform(0, 2 * np.pi, shape))
        weights.reshape(-1)[: weights.size // 2 + 1] = 0.0  # entry n - 1 - j of the flat array stands for -k, the middle one for 0
        length = np.sqrt(sum(np.square(np.arange(-self.modes, self.modes + 1)).reshape(-1, *[1] * axis) for axis in range(dims)))
        return self.amplitude * weights * np.where(length > 0, length, 1.0) ** -self.decay

    def _waves(self, coefficients: np.ndarray, grid: Grid) -> np.ndarray:
        count = np.arange(-self.modes, self.modes + 1)
        bases = [np.exp(2j * np.pi * np.outer(count, fraction(grid, axis))) for axis in range(grid.dims)]
        return np.real(series(coefficients, bases))
