"""What training minimises."""

import pytest
import torch

from opbench.errors import DataError
from opbench.losses import Loss
from opbench.losses.data import DataLoss
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
