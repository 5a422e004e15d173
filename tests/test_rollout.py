"""Roll-outs against models whose every step is known."""

import math

import pytest
import torch

from opbench.evaluation.rollout import HORIZON, correlation_time, growth_rate, roll_out
from opbench.grid import Grid
from opbench.metrics import correlation_error, relative_l2
from opbench.model import Channel, Normalized, OperatorModel, Samples, Spec, coordinates

GRID = Grid(("x",), (16,), (0.0,), (1.0,), (True,))
SPEC = Spec((Channel("told"), Channel("u")), (Channel("u"),), GRID)
TIMES = (0.5, 1.0, 1.5, 2.0)


class Step(OperatorModel):
    """What a function makes of the state and of what it is told beside."""

    def __init__(self, function):
        super().__init__(SPEC, None)
        self.function = function

    def forward(self, given, coords):
        return self.function(given[:, [1]], given[:, [0]])


def truth(rate=0.9, trajectories=3):
    """Samples of u_{k+1} = rate roll(u_k), told a field that stays."""
    start = torch.rand(trajectories, 1, 16, generator=torch.Generator().manual_seed(0)) + 0.5
    states = [start * 1.0]
    for _ in TIMES:
        states.append(rate * states[-1].roll(1, -1))
    told = start.flip(0)
    given = torch.stack([torch.cat((told, state), 1) for state in states[:-1]], 1).flatten(0, 1)
    return Samples(given, torch.stack(states[1:], 1).flatten(0, 1), coordinates(GRID))


def run(function, samples=None):
    return roll_out(Normalized(Step(function)), samples or truth(), TIMES, GRID, 2)


def test_the_true_step_rolls_out_without_error_for_all_of_the_time():
    found = run(lambda state, told: 0.9 * state.roll(1, -1))
    assert found.times == TIMES
    assert all(error == pytest.approx(0, abs=1e-6) for error in found.errors["relative_l2"])
    assert found.correlation_time == TIMES[-1]
    assert found.stable == 1.0
    assert found.horizon == HORIZON > 1


def test_an_error_of_every_step_is_compounded_at_its_rate():
    found = run(lambda state, told: 1.1 * 0.9 * state.roll(1, -1))
    expected = [1.1**k - 1 for k in (1, 2, 3, 4)]
    assert found.errors["relative_l2"] == pytest.approx(expected, rel=1e-5)
    assert found.growth_rate == pytest.approx(growth_rate(expected, TIMES), rel=1e-4)
    assert found.errors["correlation_error"] == pytest.approx([0] * 4, abs=1e-6)


def test_the_model_is_fed_its_own_output_and_not_the_references():
    seen = []
    run(lambda state, told: seen.append(state.clone()) or state + 1)
    first, second = seen[0], seen[2]  # two batches a step
    torch.testing.assert_close(second, first + 1)
    assert len(seen) == 2 * HORIZON * len(TIMES)


def test_what_is_told_beside_the_state_stays():
    seen = []
    run(lambda state, told: seen.append(told.clone()) or state + 1)
    assert all(torch.equal(told, seen[0]) for told in seen[::2])


def test_the_first_step_of_a_roll_out_is_the_one_step_error_of_the_first_frames():
    samples = truth()
    found = run(lambda state, told: state, samples)
    alone = relative_l2(samples.given[:: len(TIMES), [1]], samples.reference[:: len(TIMES)])
    assert found.errors["relative_l2"][0] == pytest.approx(alone.mean().item(), rel=1e-6)
    assert set(found.errors) > {"rmse", "frmse_low"}


def test_growth_beyond_the_stored_time_is_seen_though_no_reference_is_left():
    slow = run(lambda state, told: 1.3 * 0.9 * state.roll(1, -1))  # 1.17^4 = 1.9 at the end of the references, 1.17^16 = 12
    assert slow.errors["max_error"][-1] < 5
    assert slow.stable < 1.0
    assert run(lambda state, told: 1.2 * 0.9 * state.roll(1, -1)).stable == 1.0  # 1.08^16 = 3.4


def test_a_model_that_breaks_down_in_some_samples_is_stable_in_the_others_and_has_no_mean_error():
    found = run(lambda state, told: torch.where(told[:, :, :1] == told[:1, :, :1], torch.nan, state))  # the first sample of each batch
    assert found.stable == pytest.approx(1 / 3)
    assert found.errors["relative_l2"] == (None,) * 4
    assert found.growth_rate is None


def test_the_correlation_time_is_that_of_the_first_time_below_or_of_all():
    correlation = torch.tensor([[0.9, 0.79, 0.9, 0.9], [0.9, 0.9, 0.9, 0.8], [0.9, 0.9, torch.nan, 0.9], [0.1, 1.0, 1.0, 1.0]])
    found = [correlation_time(row[None], TIMES) for row in correlation]
    assert found == [1.0, 2.0, 1.5, 0.5]
    assert correlation_time(correlation, TIMES) == sum(found) / 4


def test_a_still_prediction_is_uncorrelated_at_once():
    found = run(lambda state, told: 0 * state)
    assert found.correlation_time == TIMES[0]
    assert correlation_error(torch.zeros(1, 1, 16), truth().reference[:1]).item() == 1


def test_the_growth_rate_is_the_slope_of_the_logarithm():
    assert growth_rate([math.exp(3 * t) for t in TIMES], TIMES) == pytest.approx(3)
    assert growth_rate([0.1, 0.0, 0.1], TIMES[:3]) is growth_rate([0.1, None], TIMES[:2]) is growth_rate([0.1], TIMES[:1]) is None
