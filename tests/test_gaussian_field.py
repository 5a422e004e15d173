"""Gaussian fields, log-normal ones and white noise have the variance and the spectrum of their law."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from opbench.grid import Grid
from opbench.samplers.gaussian_field import GaussianField
from opbench.samplers.log_normal import LogNormal
from opbench.samplers.white_noise import WhiteNoise

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


def interval(points: int = 129) -> Grid:
    return Grid(("x",), (points,), (0.0,), (1.0,), (False,))


def draws(law, grid: Grid, count: int) -> np.ndarray:
    return np.stack([law.draw(np.random.default_rng(i), grid) for i in range(count)])


def test_fno_burgers_input_has_the_closed_forms_variance():
    """sum over k of 1 / ((2 pi k)^2 + t^2) is coth(t/2) / (2 t); minus its derivative in t^2 is the sum of squares."""
    law = GaussianField(sampler="gaussian_field", amplitude=25.0, tau=5.0, alpha=2.0, modes=64)
    tau = 5.0
    squares = (1 / np.sinh(tau / 2) ** 2 / (4 * tau) + 1 / np.tanh(tau / 2) / (2 * tau**2)) / (2 * tau)
    expected = 625 * (squares - tau**-4)
    measured = np.square(draws(law, Grid(("x",), (64,), (0.0,), (1.0,), (True,)), 8000)).mean()
    assert abs(measured / expected - 1) < 0.03, (measured, expected)  # 8000 samples: one standard deviation is 0.9 %


def test_fno_darcy_field_has_the_sums_variance_in_the_corner_and_in_the_middle():
    law = GaussianField(sampler="gaussian_field", amplitude=1.0, tau=3.0, alpha=2.0, modes=32)
    square = Grid(("x", "y"), (3, 3), (0.0, 0.0), (1.0, 1.0), (False, False))
    fields = draws(law, square, 8000)
    i, j = np.meshgrid(np.arange(33), np.arange(33), indexing="ij")
    weight = np.where(i > 0, 2, 1) * np.where(j > 0, 2, 1) / (np.pi**2 * (i**2 + j**2) + 9) ** 2
    weight[0, 0] = 0
    corner, middle = weight.sum(), (weight * (i % 2 == 0) * (j % 2 == 0)).sum()
    assert abs(fields[:, 0, 0].var() / corner - 1) < 0.05, (fields[:, 0, 0].var(), corner)  # one standard deviation is 1.6 %
    assert abs(fields[:, 1, 1].var() / middle - 1) < 0.05, (fields[:, 1, 1].var(), middle)


def test_zero_ends_with_the_inverse_laplacian_are_the_brownian_bridge():
    """Its covariance is min(s, t) - s t."""
    law = GaussianField(sampler="gaussian_field", amplitude=1.0, tau=0.0, alpha=1.0, modes=400, boundary="dirichlet")
    fields = draws(law, interval(9), 8000)
    s = np.linspace(0, 1, 9)
    expected = np.minimum.outer(s, s) - np.outer(s, s)
    error = np.abs(fields.T @ fields / len(fields) - expected).max()
    assert error < 0.01, error  # one standard deviation is 0.25 sqrt(2 / 8000) = 0.004 at most


@given(st.floats(0, 10), st.floats(0.5, 3), st.integers(1, 20), st.floats(0.1, 10), st.booleans())
def test_zero_ends_are_zero_under_every_law(tau, alpha, modes, length, mixed):
    grid = Grid(("x", "y"), (8, 17), (0.0, -1.0), (1.0, length), (mixed, False))
    law = GaussianField(sampler="gaussian_field", amplitude=1.0, tau=tau, alpha=alpha, modes=modes, boundary="dirichlet")
    field = law.draw(np.random.default_rng(0), grid)
    edges = [field[:, 0], field[:, -1]] + ([] if mixed else [field[0], field[-1]])
    assert max(np.abs(edge).max() for edge in edges) < 1e-12 * np.abs(field).max() * modes


def test_an_older_recipe_of_a_gaussian_field_says_nothing_of_boundaries():
    assert "boundary" not in LAW.model_dump(mode="json")
    assert LAW.model_copy(update={"boundary": "dirichlet"}).model_dump(mode="json")["boundary"] == "dirichlet"


def test_a_log_normal_field_has_the_mean_of_its_law():
    law = LogNormal(sampler="log_normal", amplitude=3.0, tau=2.0, alpha=1.5, modes=8, mean=-0.5)
    fields = draws(law, interval(5), 8000)
    k = np.pi * np.arange(1, 9)
    variance = (9.0 * (k**2 + 4.0) ** -1.5 * 2 * np.cos(k * 0.25) ** 2).sum()
    assert fields.min() > 0
    assert abs(fields[:, 1].mean() / np.exp(-0.5 + variance / 2) - 1) < 0.03, fields[:, 1].mean()
    assert abs(np.log(np.median(fields[:, 1])) + 0.5) < 0.03, np.median(fields[:, 1])


@given(st.integers(1, 12), st.booleans(), st.integers(0, 99))
def test_white_noise_is_independent_and_of_one_variance_at_its_lattice(modes, periodic, seed):
    """The map from the generator's normal numbers to the lattice's values is orthogonal."""
    count = 2 * modes + 1 if periodic else modes + 1
    law = WhiteNoise(sampler="white_noise", amplitude=2.0, modes=modes)
    if periodic:
        values = law.draw(np.random.default_rng(seed), Grid(("x",), (count,), (-1.0,), (1.0,), (True,)))
    else:  # every second node of a grid with twice the cells is the middle of a cell
        values = law.draw(np.random.default_rng(seed), Grid(("x",), (2 * count + 1,), (-1.0,), (1.0,), (False,)))[1::2]
    numbers = np.random.default_rng(seed).standard_normal(count)
    assert abs(np.square(values).sum() / np.square(2 * numbers).sum() - 1) < 1e-12


def test_white_noise_has_pdebenchs_moments_in_the_middle_of_its_cells():
    law = WhiteNoise(sampler="white_noise", amplitude=1.0, modes=127)
    cells = law.draw(np.random.default_rng(0), Grid(("x", "y"), (257, 257), (-1.0, -1.0), (1.0, 1.0), (False, False)))[1::2, 1::2]
    neighbours = (cells[1:] * cells[:-1]).mean()
    assert cells.shape == (128, 128)
    assert abs(cells.mean()) < 0.03, cells.mean()  # three standard deviations of 16384 numbers are 0.023, 0.033 and 0.023
    assert abs(cells.var() - 1) < 0.04, cells.var()
    assert abs(neighbours) < 0.03, neighbours
