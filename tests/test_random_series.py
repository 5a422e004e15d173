"""Random series have the waves, the weights and the extremes that their laws and the published benchmarks state."""

import numpy as np
import pytest

from opbench.errors import OpbenchError
from opbench.grid import Grid
from opbench.samplers.fourier import Fourier
from opbench.samplers.sine_series import SineSeries
from opbench.samplers.standing_waves import StandingWaves


def line(points: int, length: float = 1.0) -> Grid:
    return Grid(("x",), (points,), (0.0,), (length,), (True,))


def torus(points: int) -> Grid:
    return Grid(("x", "y"), (points, points), (0.0, 0.0), (1.0, 2.0), (True, True))


def draws(law, grid: Grid, count: int) -> np.ndarray:
    return np.stack([law.draw(np.random.default_rng(i), grid) for i in range(count)])


def test_a_fourier_series_has_equal_power_in_its_waves_and_none_elsewhere():
    """E |c_k|^2 = E a^2 / 4 = 1 / 12, times |k|^(-2 decay), for each of the 2 modes^2 + 2 modes waves and for its conjugate."""
    power = (np.abs(np.fft.fft2(draws(Fourier(sampler="fourier", modes=3, decay=1.0), torus(10), 4000)) / 100) ** 2).mean(0)
    k = np.fft.fftfreq(10, 0.1)
    square = k[:, None] ** 2 + k**2
    inside = (np.abs(k[:, None]) <= 3) & (np.abs(k) <= 3) & (square > 0)
    ratio = power[inside] * square[inside] * 12
    assert inside.sum() == 2 * (2 * 3**2 + 2 * 3)
    assert np.abs(ratio - 1).max() < 0.1, ratio  # one standard deviation is 1.4 %
    assert power[~inside].max() < 1e-25


@pytest.mark.parametrize(("grid", "fine"), [(line(160), line(20000)), (torus(32), torus(700))], ids=["line", "torus"])
def test_apebenchs_initial_states_have_zero_mean_and_reach_one(grid, fine):
    law = Fourier(sampler="fourier", modes=5, largest=1.0)
    largest = np.array([np.abs(law.draw(np.random.default_rng(i), fine)).max() for i in range(20)])
    assert np.abs(draws(law, grid, 20).reshape(20, -1).mean(1)).max() < 1e-12
    assert largest.min() > 1 - 1e-3, largest
    assert largest.max() < 1 + 0.005 * grid.dims, largest


def test_pdebenchs_sines_are_two_of_the_first_four_waves_with_amplitudes_below_one():
    law = SineSeries(sampler="sine_series", waves=2, highest=4)
    amplitudes = 2 * np.abs(np.fft.rfft(draws(law, line(64), 4000))) / 64
    present = amplitudes > 1e-3
    assert not present[:, 0].any()
    assert not present[:, 5:].any()
    assert present.sum(1).max() == 2
    shares = present.mean(0)[1:5]
    assert np.abs(shares - 7 / 16).max() < 0.03, shares  # a wave is left out twice with probability (3 / 4)^2
    alone = amplitudes[present.sum(1) == 2][:, 1:5].sum(1)
    assert abs(alone.mean() - 1) < 0.03, alone.mean()  # two amplitudes of mean one half


def test_pdebenchs_fold_and_window_happen_as_often_as_they_should():
    law = SineSeries(sampler="sine_series", waves=2, highest=4, fold=0.1, window=0.1)
    fields = draws(law, line(256), 4000)
    folded = ((fields.min(1) >= -1e-12) | (fields.max(1) <= 1e-12)).mean()
    windowed = (np.abs(fields[:, 0]) < 1e-7).mean()  # the window is 2e-9 at the ends
    assert abs(folded - 0.1) < 0.02, folded  # one standard deviation is 0.005
    assert abs(windowed - 0.1) < 0.02, windowed


def test_a_window_leaves_the_middle_as_it_was():
    plain, windowed = (SineSeries(sampler="sine_series", waves=2, highest=4, window=share) for share in (0.0, 1.0))
    one, other = (draws(law, line(256), 50) for law in (plain, windowed))
    middle = slice(round(0.49 * 256), round(0.51 * 256))
    assert np.abs(one[:, middle] - other[:, middle]).max() < 1e-2
    assert np.abs(other[:, [0, -1]]).max() < 1e-7
    assert np.abs(one[:, 0]).max() > 0.1


def test_the_unit_range_is_filled():
    fields = draws(SineSeries(sampler="sine_series", waves=2, highest=4, fold=0.1, window=0.1, unit_range=True), line(8192), 200)
    assert np.abs(fields.min(1)).max() < 2e-3
    assert np.abs(fields.max(1) - 1).max() < 2e-3


def test_standing_waves_vanish_at_the_ends_and_have_their_laws_variance():
    modes, decay = 6, 1.5
    law = StandingWaves(sampler="standing_waves", modes=modes, amplitude=np.pi / modes**2, decay=decay)
    fields = draws(law, Grid(("x", "y"), (5, 9), (0.0, 0.0), (1.0, 3.0), (False, False)), 8000)
    assert max(np.abs(edge).max() for edge in (fields[:, 0], fields[:, -1], fields[:, :, 0], fields[:, :, -1])) < 1e-14
    i, j = np.meshgrid(np.arange(1, modes + 1), np.arange(1, modes + 1), indexing="ij")
    weight = (np.pi / modes**2) ** 2 / 3 * (i**2 + j**2) ** -decay
    expected = (weight * np.sin(np.pi * i / 4) ** 2 * np.sin(np.pi * j / 2) ** 2).sum()
    measured = fields[:, 1, 4].var()
    assert abs(measured / expected - 1) < 0.06, (measured, expected)  # one standard deviation is 1.6 %


@pytest.mark.parametrize(
    ("law", "grid", "message"),
    [
        (Fourier(sampler="fourier", modes=2), Grid(("x",), (9,), (0,), (1,), (False,)), "standing_waves or gaussian_field"),
        (SineSeries(sampler="sine_series", waves=2, highest=4), torus(8), "one periodic axis"),
        (StandingWaves(sampler="standing_waves", modes=2), torus(8), "bounded axes only"),
    ],
)
def test_a_series_on_axes_that_it_does_not_fit_names_the_one_to_take(law, grid, message):
    with pytest.raises(OpbenchError, match=message):
        law.draw(np.random.default_rng(0), grid)
