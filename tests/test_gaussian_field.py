"""Gaussian fields have the variance and the spectrum of their law."""

import numpy as np

from opbench.grid import Grid
from opbench.samplers.gaussian_field import GaussianField

LAW = GaussianField(sampler="gaussian_field", amplitude=3.0, tau=2.0, alpha=1.5, modes=8)


def samples(grid: Grid, count: int) -> np.ndarray:
    return np.stack([LAW.draw(np.random.default_rng(i), grid) for i in range(count)])


def test_periodic_samples_have_the_laws_spectrum():
    length = 2.0
    fields = samples(Grid(("x",), (32,), (0.0,), (length,), (True,)), 4000)
    power = (np.abs(np.fft.rfft(fields, axis=1) / 32) ** 2).mean(0)  # |c_k|^2 = (a^2 + b^2) lambda_k / (2 L)
    k = 2 * np.pi * np.arange(1, 9) / length
    expected = 9.0 * (k**2 + 4.0) ** -1.5 / length
    assert np.abs(power[1:9] / expected - 1).max() < 0.1, power[1:9] / expected
    assert power[0] < 1e-25
    assert power[9:].max() < 1e-25


def test_samples_with_no_flux_ends_have_no_slope_there_and_the_laws_variance():
    fine = Grid(("x",), (257,), (0.0,), (1.0,), (False,))
    fields = samples(fine, 3000)
    slope = np.abs(fields[:, 1] - fields[:, 0]).mean() / np.abs(fields[:, 33] - fields[:, 32]).mean()
    assert slope < 0.2, slope
    k = np.pi * np.arange(1, 9)
    expected = (9.0 * (k**2 + 4.0) ** -1.5 * 2 * np.cos(k * 0.25) ** 2).sum()
    assert abs(fields[:, 64].var() / expected - 1) < 0.1


def test_two_dimensional_samples_do_not_prefer_an_axis():
    fields = samples(Grid(("x", "y"), (24, 24), (0, 0), (1, 1), (True, True)), 500)
    steps = [np.square(np.diff(fields, axis=axis)).mean() for axis in (1, 2)]
    assert abs(steps[0] / steps[1] - 1) < 0.1, steps
