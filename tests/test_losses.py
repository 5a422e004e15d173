"""What training minimises."""

import pytest
import torch

from opbench.errors import ConfigError, DataError
from opbench.evaluation import shown
from opbench.losses import Loss
from opbench.losses.both import BothLoss, BothSettings
from opbench.losses.data import DataLoss
from opbench.losses.physics import PhysicsLoss
from opbench.metrics import relative_l2
from opbench.model import Samples


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
