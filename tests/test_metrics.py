"""The metrics against the values that other suites' own code returns on the same fields, and against closed forms."""

from math import pi, sqrt
from pathlib import Path

import numpy as np
import pytest
import torch

from opbench.errors import ModelError, Undefined
from opbench.grid import Grid
from opbench.metrics import (
    brmse,
    correlation_error,
    crmse,
    energy_spectrum_error,
    frmse_high,
    frmse_low,
    frmse_mid,
    histogram_w1,
    mae,
    max_error,
    metrics,
    nrmse,
    relative_h1,
    relative_l2,
    rmse,
    shells,
    vrmse,
)

DATA = Path(__file__).parent / "data"
BANDS = (frmse_low, frmse_mid, frmse_high)


def box(shape, *, periodic=True, size=1.0):
    d = len(shape)
    return Grid(("x", "y", "z")[:d], tuple(shape), (0.0,) * d, (size,) * d, (periodic,) * d)


@pytest.fixture(scope="module", params=["peer_metrics_1d", "peer_metrics_2d", "peer_metrics_1d_still"])
def peer(request):
    with np.load(DATA / f"{request.param}.npz") as file:
        return {key: file[key] for key in file}


def per_frame(metric, peer, *, periodic=True):
    """The metric of each (batch, time) frame alone, as their layout (batch, time, *space, channel) has it."""
    frames = [torch.from_numpy(peer[name]).flatten(0, 1).movedim(-1, 1) for name in ("pred", "target")]
    values = metric(*frames, box(frames[0].shape[2:], periodic=periodic))
    return values.reshape(peer["well_RMSE"].shape).numpy()


@pytest.mark.parametrize(("metric", "name"), [(mae, "MAE"), (rmse, "RMSE"), (max_error, "LInfinity")])
def test_an_error_of_a_frame_is_that_of_the_well(peer, metric, name):
    np.testing.assert_allclose(per_frame(metric, peer), peer[f"well_{name}"], rtol=1e-13)


def test_nrmse_of_a_frame_is_the_well_s_without_its_epsilon(peer):
    size = np.mean(peer["target"] ** 2, axis=tuple(range(2, peer["target"].ndim - 1)))
    np.testing.assert_allclose(per_frame(rmse, peer) / np.sqrt(size + 1e-7), peer["well_NRMSE"], rtol=1e-13)  # theirs adds it to <y^2>
    ours = per_frame(nrmse, peer)
    np.testing.assert_array_equal(np.isinf(ours), size == 0)
    np.testing.assert_allclose(ours[size > 0], peer["well_NRMSE"][size > 0], rtol=1e-6)


def test_vrmse_of_a_frame_is_the_well_s_with_the_variance_of_the_points_themselves_and_no_epsilon(peer):
    points = np.prod(peer["target"].shape[2:-1])
    variance = np.var(peer["target"], axis=tuple(range(2, peer["target"].ndim - 1)))
    theirs = variance * points / (points - 1) + 1e-7
    np.testing.assert_allclose(per_frame(rmse, peer) / np.sqrt(theirs), peer["well_VRMSE"], rtol=1e-12)
    ours = per_frame(vrmse, peer)
    np.testing.assert_array_equal(np.isinf(ours), variance == 0)  # where theirs is some thousands
    seen = variance > 0
    np.testing.assert_allclose(ours[seen] * np.sqrt(variance / theirs)[seen], peer["well_VRMSE"][seen], rtol=1e-12)


def test_correlation_is_the_well_s_less_its_mixture_of_biased_and_unbiased(peer):
    points = np.prod(peer["target"].shape[2:-1])
    r, theirs = 1 - per_frame(correlation_error, peer), peer["well_PearsonR_eps0"]
    np.testing.assert_array_equal(r[np.isnan(theirs)], 0.0)
    np.testing.assert_allclose((r * (points - 1) / points)[~np.isnan(theirs)], theirs[~np.isnan(theirs)], rtol=1e-12)


def test_the_bands_mean_squares_sum_to_the_whole_as_the_well_s_do(peer):
    square = sum(per_frame(_band_or_nothing(band), peer) ** 2 for band in BANDS)
    np.testing.assert_allclose(square, peer["well_MSE"], rtol=1e-12)
    np.testing.assert_allclose(sum(peer[f"well_spectral_error_mse_per_bin_{i}"] for i in range(3)), peer["well_MSE"], rtol=1e-12)


def _band_or_nothing(band):
    def value(prediction, reference, grid):
        try:
            return band(prediction, reference, grid)
        except Undefined:
            return torch.zeros(len(reference))

    return value


def test_the_histogram_distance_over_all_times_is_the_well_s(peer):
    pooled = [torch.from_numpy(peer[name]).flatten(1)[:, None] for name in ("pred", "target")]
    ours = histogram_w1(*pooled).numpy()
    np.testing.assert_allclose(ours, peer["well_HistogramW1_nonorm"].ravel(), rtol=1e-13)
    normed = ours / (np.mean(pooled[1].numpy() ** 2, axis=(1, 2)) + 1e-7)  # theirs, of which the unit is one over the field's
    np.testing.assert_allclose(normed, peer["well_HistogramW1"].ravel(), rtol=1e-12)


@pytest.mark.parametrize(("metric", "name", "over_batch"), [(rmse, "RMSE", np.mean), (nrmse, "nRMSE", np.mean), (max_error, "Max", np.max)])
def test_pdebench_s_value_is_ours_over_the_batch_at_each_time(peer, metric, name, over_batch):
    ours = over_batch(per_frame(metric, peer), axis=0)[:, 0]
    np.testing.assert_allclose(ours, peer[f"pdeb_{name}_full_init0"][0], rtol=1e-13)
    np.testing.assert_allclose(ours.mean(), peer[f"pdeb_{name}_mean_init0"], rtol=1e-13)


@pytest.mark.parametrize(("metric", "name"), [(rmse, "RMSE"), (nrmse, "nRMSE")])
def test_a_mean_over_times_is_pdebench_s(peer, metric, name):
    frames = [torch.from_numpy(peer[key]).movedim(-1, 1).flatten(1, 2) for key in ("pred", "target")]
    np.testing.assert_allclose(metric(*frames).mean().item(), peer[f"pdeb_{name}_mean_init0"], rtol=1e-13)


def test_the_error_of_the_total_is_pdebench_s_before_its_mean_over_the_batch(peer):
    ours = per_frame(crmse, peer)
    np.testing.assert_allclose(np.sqrt(np.mean(ours**2, axis=0))[:, 0], peer["pdeb_CSV_full_init0"][0], rtol=1e-12)


def test_the_error_at_the_boundary_is_pdebench_s(peer):
    ours = per_frame(brmse, peer, periodic=False)
    np.testing.assert_allclose(ours.mean(axis=0)[:, 0], peer["pdeb_BD_full_init0"][0], rtol=1e-13)


def amplitudes(peer):
    """Of the error's shells of waves, root mean square over the batch, (time, k)."""
    frames = [torch.from_numpy(peer[name]).flatten(0, 1).movedim(-1, 1) for name in ("pred", "target")]
    energies = shells(frames[0] - frames[1], box(frames[0].shape[2:]))
    return energies.reshape(*peer["pred"].shape[:2], -1).numpy()


def test_pdebench_s_spectrum_on_a_line_is_ours_of_which_it_counts_one_wave_of_each_pair(peer):
    if peer["pred"].ndim != 4:
        pytest.skip("two axes")
    energies = amplitudes(peer)
    energies[..., 1 : (peer["pred"].shape[2] + 1) // 2] /= 2
    theirs = np.sqrt(energies.mean(axis=0))
    for band, (first, last) in enumerate(((0, 4), (4, 12), (12, None))):
        if theirs[:, first:last].size:
            np.testing.assert_allclose(theirs[:, first:last].mean(1), peer["pdeb_F_full_init0"][0, band], rtol=1e-6)  # they are float32


def test_pdebench_s_spectrum_on_a_plane_misses_a_quarter_of_the_error():
    with np.load(DATA / "peer_metrics_2d.npz") as file:
        peer = {key: file[key] for key in file}
    ours = np.sqrt(amplitudes(peer).mean(axis=0))[:, :4].mean(1)
    np.testing.assert_allclose(peer["pdeb_F_full_init0"][0, 0] / ours, 0.766, atol=0.003)


def test_relative_l2_over_a_whole_trajectory_is_pdebench_s_lp_loss():
    with np.load(DATA / "peer_metrics_1d.npz") as peer:
        prediction, reference = (torch.from_numpy(peer[name]).squeeze(-1) for name in ("pred", "target"))
        np.testing.assert_allclose(relative_l2(prediction, reference).numpy(), peer["pdeb_LpLoss2_none"], rtol=1e-12)


def wave(grid, *counts, phase=0.3):
    """A wave of amplitude 1, (1, 1, *s), that fits `counts` times into the domain along each axis."""
    turns = sum(count * x for count, x in zip(counts, grid.mesh(), strict=True))
    return torch.as_tensor(np.cos(2 * pi * turns + phase))[None, None]


@pytest.mark.parametrize("counts", [(3, 2), (3, -2), (-3, 2), (0, 3), (3, 0), (6, -7), (-5, 0), (9, 9), (-9, 9), (0, 13), (-16, 4)])
@pytest.mark.parametrize("shape", [(40, 40), (41, 40), (40, 41), (41, 43)])
def test_a_wave_is_seen_in_its_band_and_in_no_other_whatever_the_signs_of_its_vector(counts, shape):
    grid = box(shape)
    k = sqrt(sum(count**2 for count in counts))
    found = [band(wave(grid, *counts), torch.zeros(1, 1, *shape), grid).item() for band in BANDS]
    expected = [sqrt(1 / 2) if place else 0.0 for place in (k < 4, 4 <= k < 12, k >= 12)]
    np.testing.assert_allclose(found, expected, atol=1e-14)


def test_in_three_dimensions_too():
    grid = box((10, 11, 12))
    for counts in ((1, -2, 3), (-1, 2, 3), (-4, -4, 5)):
        found = [band(wave(grid, *counts), torch.zeros(1, 1, *grid.shape), grid).item() for band in BANDS[:2]]
        k = sqrt(sum(count**2 for count in counts))
        np.testing.assert_allclose(found, [sqrt(1 / 2), 0.0] if k < 4 else [0.0, sqrt(1 / 2)], atol=1e-14)


def test_the_mean_is_a_low_wave_and_a_ramp_between_walls_has_no_short_ones():
    walls = box((65,), periodic=False)
    ramp = torch.linspace(-1, 1, 65, dtype=torch.float64)[None, None]
    assert frmse_low(ramp + 5, ramp, walls).item() == pytest.approx(5, rel=1e-12)
    short = [frmse_high(ramp, 0 * ramp, grid).item() for grid in (walls, box((65,)))]
    assert short[0] < 3e-3 < 0.1 < short[1], short  # taken for periodic, the jump at the ends is full of them


@pytest.mark.parametrize("count", [1, 3, 7])
def test_the_slope_of_a_wave_is_in_the_h1_norm(count):
    grid = box((4096,))
    error, reference = wave(grid, count), wave(grid, 2)
    expected = sqrt((1 + (2 * pi * count) ** 2) / (1 + (4 * pi) ** 2))
    assert relative_h1(reference + error, reference, grid).item() == pytest.approx(expected, rel=1e-5)


def test_the_shortest_wave_has_the_steepest_slope():
    grid = box((32,))
    zigzag = wave(grid, 16, phase=0.0)
    assert relative_h1(wave(grid, 1) + zigzag, wave(grid, 1), grid).item() == pytest.approx(sqrt((1 + 64**2) / 0.5 / (1 + 39.4)), rel=5e-3)


def test_lengths_count_in_the_h1_norm_axis_by_axis():
    grid = Grid(("x", "y"), (64, 33), (0.0, 0.0), (2.0, 0.5), (True, False))
    x, y = (torch.as_tensor(axis)[None, None] for axis in grid.mesh())
    ones = torch.ones_like(x)
    assert relative_h1(ones + 3 * y, ones, grid).item() ** 2 == pytest.approx(9 * (y**2).mean().item() + 9, rel=1e-12)
    assert relative_h1(ones + torch.sin(pi * x), ones, grid).item() ** 2 == pytest.approx(0.5 + pi**2 / 2, rel=1e-3)


def test_the_mean_predictor_has_a_vrmse_of_one_and_an_error_of_correlation_and_spectrum_of_one():
    reference = torch.rand(4, 3, 9, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    mean = reference.mean((2, 3), keepdim=True).expand(-1, -1, 9, 10)
    for metric in (vrmse, correlation_error, energy_spectrum_error):
        torch.testing.assert_close(metric(mean, reference, box((9, 10))), torch.ones(4, dtype=torch.float64), rtol=1e-12, atol=0)


def test_an_opposite_field_has_an_error_of_correlation_of_two():
    reference = torch.rand(1, 1, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert correlation_error(-reference, reference).item() == pytest.approx(2, rel=1e-12)


def test_a_total_between_walls_is_the_integral_not_the_mean_of_the_nodes():
    grid = box((3, 5), periodic=False)
    error = torch.zeros(1, 1, 3, 5, dtype=torch.float64)
    error[0, 0, 0, 0], error[0, 0, 1, 2] = 8.0, 1.0
    assert crmse(error, 0 * error, grid).item() == pytest.approx(8 / (4 * 2 * 4) + 1 / (2 * 4), rel=1e-14)


def test_the_faces_of_bounded_axes_alone_are_boundary():
    grid = Grid(("x", "y"), (3, 4), (0.0, 0.0), (1.0, 1.0), (True, False))
    error = torch.zeros(1, 1, 3, 4, dtype=torch.float64)
    error[0, 0, 0, 1] = 1.0
    assert brmse(error, 0 * error, grid).item() == 0.0
    error[0, 0, 1, 3] = 2.0
    assert brmse(error, 0 * error, grid).item() == pytest.approx(sqrt(4 / 6), rel=1e-14)


@pytest.mark.parametrize("metric", [vrmse, correlation_error, energy_spectrum_error])
@pytest.mark.parametrize("value", [0.1, 1e8, 0.0])
def test_a_reference_that_does_not_vary_is_told_from_round_off(metric, value):
    reference = torch.full((1, 1, 7, 9), value, dtype=torch.float32)
    near = reference + 64.0 * (torch.arange(9) == 3)
    expected = 1.0 if metric is correlation_error else torch.inf
    assert metric(near, reference, box((7, 9))).item() == expected
    assert metric(reference, reference, box((7, 9))).item() == 0.0


def test_relative_errors_of_a_zero_reference_are_infinite_unless_the_prediction_is_zero_too():
    prediction = torch.tensor([[[0.0, 0.0]], [[0.0, 1e-30]]])
    for metric in (relative_l2, nrmse):
        assert metric(prediction, torch.zeros(2, 1, 2)).tolist() == [0.0, torch.inf]
    assert relative_h1(prediction, torch.zeros(2, 1, 2), box((2,))).tolist() == [0.0, torch.inf]


def test_errors_of_float32_fields_are_accumulated_in_float64():
    offset = torch.full((1, 1, 10**6), 0.1, dtype=torch.float32)
    exact = float(offset[0, 0, 0])
    for metric in (rmse, mae, histogram_w1):
        error = metric(offset, torch.zeros_like(offset)).item()
        assert abs(error / exact - 1) < 1e-10, (error, exact)


def test_values_that_do_not_stand_on_the_grid_are_refused():
    with pytest.raises(ModelError, match=r"expected values at \(8,\) points, got \(9,\)"):
        frmse_low(torch.ones(1, 1, 9), torch.ones(1, 1, 9), box((8,)))


def test_the_registry_holds_the_metrics_and_nothing_else():
    expected = "brmse correlation_error crmse energy_spectrum_error frmse_high frmse_low frmse_mid histogram_w1 mae max_error nrmse"
    assert sorted(metrics()) == [*expected.split(), "relative_h1", "relative_l2", "rmse", "vrmse"]
    assert all(getattr(function, "__name__", None) == name for name, function in metrics().items())


@pytest.mark.parametrize("name", sorted(metrics()))
def test_a_nan_anywhere_makes_every_metric_nan(name):
    grid = Grid(("x",), (64,), (0.0,), (1.0,), (False,))
    prediction, reference = torch.zeros(2, 1, 64), torch.ones(2, 1, 64)
    reference[1] = torch.linspace(0, 1, 64)
    prediction[:, 0, 3] = float("nan")
    assert metrics()[name](prediction, reference, grid).isnan().all()
