"""The metrics against the values that other suites' own code returns on the same fields."""

from pathlib import Path

import numpy as np
import pytest
import torch

from opbench.errors import ModelError
from opbench.metrics import max_error, metrics, relative_l2, rmse

DATA = Path(__file__).parent / "data" / "peer_metrics_1d.npz"


@pytest.fixture(scope="module")
def peer():
    with np.load(DATA) as file:
        return {key: file[key] for key in file}


def per_frame(metric, peer):
    """The metric of each (batch, time) frame alone, as their layout (batch, time, *space, channel) has it."""
    frames = [torch.from_numpy(peer[name]).flatten(0, 1).movedim(-1, 1) for name in ("pred", "target")]
    return metric(*frames).reshape(peer["well_RMSE"].shape).numpy()


def test_rmse_of_a_frame_is_that_of_the_well(peer):
    np.testing.assert_allclose(per_frame(rmse, peer), peer["well_RMSE"], rtol=1e-13)


def test_max_error_of_a_frame_is_the_well_s_l_infinity(peer):
    np.testing.assert_allclose(per_frame(max_error, peer), peer["well_LInfinity"], rtol=1e-13)


def test_relative_l2_of_a_frame_is_the_well_s_nrmse_without_its_epsilon(peer):
    with_epsilon = np.sqrt(peer["well_MSE"] / (np.mean(peer["target"] ** 2, axis=2) + 1e-7))  # theirs adds 1e-7 to the mean square
    np.testing.assert_allclose(with_epsilon, peer["well_NRMSE"], rtol=1e-13)
    np.testing.assert_allclose(per_frame(relative_l2, peer), peer["well_NRMSE"], rtol=1e-6)


@pytest.mark.parametrize(
    ("metric", "name", "over_batch"), [(rmse, "RMSE", np.mean), (relative_l2, "nRMSE", np.mean), (max_error, "Max", np.max)]
)
def test_pdebench_s_value_is_ours_over_the_batch_at_each_time(peer, metric, name, over_batch):
    ours = over_batch(per_frame(metric, peer), axis=0)[:, 0]
    np.testing.assert_allclose(ours, peer[f"pdeb_{name}_full_init0"][0], rtol=1e-13)
    np.testing.assert_allclose(ours.mean(), peer[f"pdeb_{name}_mean_init0"], rtol=1e-13)


def test_relative_l2_over_a_whole_trajectory_is_pdebench_s_lp_loss(peer):
    prediction, reference = (torch.from_numpy(peer[name]).squeeze(-1) for name in ("pred", "target"))
    np.testing.assert_allclose(relative_l2(prediction, reference).numpy(), peer["pdeb_LpLoss2_none"], rtol=1e-12)


def test_relative_l2_of_a_zero_reference_is_infinite_unless_the_prediction_is_zero_too():
    prediction = torch.tensor([[[0.0, 0.0]], [[0.0, 1e-30]]])
    assert relative_l2(prediction, torch.zeros(2, 1, 2)).tolist() == [0.0, torch.inf]


def test_errors_of_float32_fields_are_accumulated_in_float64():
    offset = torch.full((1, 1, 10**6), 0.1, dtype=torch.float32)
    exact = float(offset[0, 0, 0])
    error = rmse(offset, torch.zeros_like(offset)).item()
    assert abs(error / exact - 1) < 1e-10, (error, exact)


def test_a_prediction_of_another_shape_is_refused_not_broadcast():
    with pytest.raises(ModelError, match=r"expected a prediction of shape \(4, 2, 8\), got \(4, 1, 8\)"):
        rmse(torch.ones(4, 1, 8), torch.ones(4, 2, 8))


def test_the_registry_holds_the_metrics_and_nothing_else():
    assert metrics() == {"relative_l2": relative_l2, "rmse": rmse, "max_error": max_error}
