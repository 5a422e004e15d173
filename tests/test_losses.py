"""What training minimises."""

import pytest
import torch

from opbench.data.samples import draw
from opbench.data.task import problem
from opbench.errors import ConfigError, DataError
from opbench.evaluation.evaluate import shown
from opbench.losses import Loss
from opbench.losses.both import BothLoss, BothSettings, Relative
from opbench.losses.data import DataLoss
from opbench.losses.physics import PhysicsLoss
from opbench.metrics import relative_l2
from opbench.model import Samples, coordinates
from opbench.residual import Residual


def batch_of(reference):
    return Samples(torch.zeros(len(reference), 1, *reference.shape[2:]), reference, torch.zeros(*reference.shape[2:], 1))


def test_the_data_loss_is_the_mean_relative_l2_metric():
    prediction, reference = torch.randn(2, 6, 2, 5, 7, generator=torch.Generator().manual_seed(0))
    loss = DataLoss()(prediction, batch_of(reference))
    assert loss.shape == ()
    torch.testing.assert_close(loss.double(), relative_l2(prediction, reference).mean(), rtol=1e-6, atol=0)


def test_samples_of_different_size_count_alike():
    reference = torch.tensor([[[1.0, 0.0]], [[0.0, 1e6]]])
    loss = DataLoss()(1.5 * reference, batch_of(reference)).item()
    assert loss == 0.5, loss


def test_the_gradient_of_the_data_loss_is_right():
    prediction, reference = torch.randn(2, 3, 2, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda p: DataLoss()(p, batch_of(reference)), prediction.requires_grad_())


def test_the_gradient_is_finite_where_the_prediction_is_perfect():
    reference = torch.ones(2, 1, 4)
    prediction = reference.clone().requires_grad_()
    DataLoss()(prediction, batch_of(reference)).backward()
    assert prediction.grad is not None
    assert torch.isfinite(prediction.grad).all(), prediction.grad


def test_an_identically_zero_training_reference_is_refused_with_its_index():
    reference = torch.ones(4, 2, 3)
    reference[1, 0] = 0
    DataLoss().check(batch_of(reference))
    reference[2] = 0
    with pytest.raises(DataError, match=r"got 1 of 4 \(first: sample 2\)"):
        DataLoss().check(batch_of(reference))


def test_a_loss_without_a_door_takes_any_data():
    class Square(Loss):
        def __call__(self, prediction, batch):
            return (prediction - batch.reference).square().mean()

    assert Square().check(batch_of(torch.zeros(2, 1, 3))) is None


class Bare:
    """A residual that leaves twice the prediction's mean, and thinks nothing of samples whose given is 0."""

    def relative(self, given, prediction, causal=0.0):
        return 2 * prediction.flatten(1).mean(1).abs()

    def sizes(self, given):
        return given.flatten(1).abs().amax(1, keepdim=True)


def both(**settings) -> BothLoss:
    return BothLoss(PhysicsLoss(Bare()), BothSettings(**settings))


def test_both_is_data_plus_weight_times_physics():
    prediction, reference = torch.rand(2, 6, 2, 5, generator=torch.Generator().manual_seed(0))
    batch = batch_of(reference)
    data, physics = DataLoss()(prediction, batch), PhysicsLoss(Bare())(prediction, batch)
    assert both(weight=0.3)(prediction, batch).item() == pytest.approx((data + 0.3 * physics).item())


def test_samples_without_a_label_enter_by_physics_alone():
    prediction, reference = torch.rand(2, 6, 2, 5, generator=torch.Generator().manual_seed(0))
    reference[2:] = float("nan")
    batch = batch_of(reference)
    expected = DataLoss()(prediction[:2], batch[:2]) + PhysicsLoss(Bare())(prediction, batch)
    assert both()(prediction, batch).item() == pytest.approx(expected.item())
    assert both()(prediction[2:], batch[2:]).item() == pytest.approx(PhysicsLoss(Bare())(prediction[2:], batch[2:]).item())
    assert both().expected(batch).shape[0] == 2


def test_balanced_gradients_have_the_ratio_that_is_asked_for():
    prediction, reference = torch.rand(2, 6, 2, 5, generator=torch.Generator().manual_seed(0))
    prediction.requires_grad_()
    batch = batch_of(reference)
    (whole,) = torch.autograd.grad(both(balance="gradient", weight=0.5)(prediction, batch), prediction)
    (data,) = torch.autograd.grad(DataLoss()(prediction, batch), prediction)
    assert (whole - data).norm().item() == pytest.approx(0.5 * data.norm().item(), rel=1e-5)


def test_samples_that_zero_solves_are_refused_by_the_physics_loss():
    batch = batch_of(torch.ones(3, 1, 4))
    batch.given[:2] = 1.0
    with pytest.raises(DataError, match=r"1 of 3 are \(first: sample 2\)"):
        PhysicsLoss(Bare()).check(batch)


def test_a_loss_sees_the_references_that_it_may_read():
    samples = batch_of(torch.arange(1.0, 7.0).reshape(6, 1, 1))
    samples.given[:, 0, 0] = torch.arange(6.0)
    physics, mixed, data = (shown(samples, loss, labels) for loss, labels in ((PhysicsLoss(Bare()), None), (both(), 2), (DataLoss(), 2)))
    assert physics.reference.isnan().all()
    assert mixed.reference.flatten().isnan().tolist() == [False, False, True, True, True, True]
    assert torch.equal(mixed.given, samples.given)
    assert data.reference.flatten().tolist() == [1, 2, 1, 2, 1, 2]
    assert shown(samples, DataLoss(), None) is samples
    with pytest.raises(ConfigError, match="at most 6"):
        shown(samples, DataLoss(), 7)


def test_causal_weights_fall_with_what_is_left_before():
    chosen = problem("burgers_1d")
    residual = Residual(chosen)
    given = torch.rand(2, 1, 128, generator=torch.Generator().manual_seed(0)) + 0.5
    prediction = given.expand(-1, 10, -1) + 0.1 * torch.rand(2, 10, 128, generator=torch.Generator().manual_seed(1))
    squares = (residual.fields(given, prediction).square().mean(3) / residual.sizes(given).square().unsqueeze(2)).mean(1)
    weights = torch.stack([torch.exp(-0.5 * squares[:, :i].sum(1)) for i in range(10)], 1)
    expected = (weights * squares).mean(1).sqrt()
    torch.testing.assert_close(residual.relative(given, prediction, causal=0.5), expected, rtol=1e-4, atol=0)
    loss = PhysicsLoss(residual, causal=0.5)
    assert loss(prediction, Samples(given, prediction, torch.zeros(128, 1))).item() == pytest.approx(expected.mean().item(), rel=1e-4)
    assert loss.validation(prediction, Samples(given, prediction, torch.zeros(128, 1))) > expected.mean()
    with pytest.raises(ConfigError, match=r"leave loss\.causal out"):
        PhysicsLoss.of(problem("darcy_2d"), PhysicsLoss.Settings(causal=1.0))


def test_relobralo_starts_with_equal_weights_then_favours_the_part_that_falls_less_and_goes_on_from_its_state():
    torch.manual_seed(0)
    first, later = Relative(), [(torch.tensor(1.0), torch.tensor(1.0 / 2**k)) for k in range(1, 30)]
    assert first(torch.tensor(1.0), torch.tensor(1.0)).item() == 2.0
    for parts in later[:20]:
        first(*parts)
    assert first.kept.lmbda_ema[0] > first.kept.lmbda_ema[1], first.kept.lmbda_ema
    assert first.kept.lmbda_ema.sum().item() == pytest.approx(2.0, rel=1e-4)
    second = Relative()
    second.restore({name: value.clone() for name, value in first.state().items()})
    totals = []
    for balance in (first, second):
        torch.manual_seed(1)
        totals.append([balance(*parts).item() for parts in later[20:]])
    assert totals[0] == totals[1]


def test_the_physics_of_a_finer_grid_is_that_of_the_same_inputs_drawn_there():
    chosen = problem("burgers_1d")
    loss = BothLoss.of(chosen, BothSettings(refine=2))
    fields = draw(chosen.plan, "train", range(4), chosen.plan.grid)["velocity"]
    given = torch.from_numpy(fields).float().unsqueeze(1)
    samples = loss.completed(Samples(given, torch.ones(4, 10, 128), coordinates(chosen.plan.grid)))
    torch.testing.assert_close(samples.finer[..., ::2], given)
    seen = []

    def model(given, coords):
        seen.append((tuple(given.shape), tuple(coords.shape)))
        return given.expand(-1, 10, -1) * 1.1

    batch = samples[torch.tensor([2, 0])]
    fine = Residual(chosen, chosen.plan.grid.refine(2)).relative(batch.finer, model(batch.finer, batch.coords)).mean()
    data = DataLoss()(batch.given.expand(-1, 10, -1) * 1.1, batch)
    assert loss.of_model(model, batch).item() == pytest.approx((data + fine).item())
    assert seen[1:] == [((2, 1, 256), (256, 1)), ((2, 1, 128), (128, 1))]
    with pytest.raises(ConfigError, match=r"leave loss\.refine out"):
        BothLoss.of(problem("burgers_1d/step"), BothSettings(refine=2))
    with pytest.raises(ConfigError, match=r"take loss\.balance=relobralo"):
        BothLoss.of(chosen, BothSettings(refine=2, balance="gradient"))
