"""Test-time optimisation: what it lowers, leaves alone, and never reads."""

import pytest
import torch
from torch import nn

from opbench.checkpoint import tensors_of
from opbench.errors import ConfigError
from opbench.evaluation.finetune import Finetuning, finetune
from opbench.grid import Grid
from opbench.losses import Loss
from opbench.model import Channel, Normalized, OperatorModel, Samples, Spec
from opbench.train import predict

SPEC = Spec((Channel("a"),), (Channel("b"),), Grid(("x",), (8,), (0.0,), (1.0,), (True,)))
SETTINGS = Finetuning(steps=200, learning_rate=3e-2)


class Pointwise(OperatorModel):
    def __init__(self, spec):
        super().__init__(spec, None)
        self.net = nn.Sequential(nn.Conv1d(1, 8, 1), nn.GELU(), nn.Conv1d(8, 1, 1))

    def forward(self, given, coords):
        return self.net(given)


class Squares(Loss):
    """What is left of u = a^2: an equation that needs no reference."""

    labels, unlabelled = False, True

    def __call__(self, prediction, batch):
        assert batch.reference.isnan().all()
        return (prediction - batch.given**2).square().mean().sqrt()


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Normalized(Pointwise(SPEC))


def samples(n=3):
    given = torch.randn(n, 1, 8, generator=torch.Generator().manual_seed(1))
    return Samples(given, given**2, torch.linspace(0, 1, 8)[:, None])


def errors(prediction, asked):
    return (prediction - asked.reference).flatten(1).norm(dim=1)


def test_each_sample_comes_nearer_to_its_solution(model):
    asked = samples()
    before, after = errors(predict(model, asked), asked), errors(finetune(model, Squares(), asked, SETTINGS, 0), asked)
    assert (after < 0.5 * before).all(), (before, after)


def test_the_model_is_left_as_it_was(model):
    trained = tensors_of(model)
    finetune(model, Squares(), samples(), SETTINGS, 0)
    assert all(torch.equal(value, trained[name]) for name, value in tensors_of(model).items())


def test_a_sample_does_not_depend_on_those_before_it(model):
    asked = samples()
    together, alone = finetune(model, Squares(), asked, SETTINGS, 0), finetune(model, Squares(), asked[2:], SETTINGS, 0)
    assert torch.equal(together[2:], alone)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"finetune": "data"}, "the loss data reads references"),
        ({"finetune": "both"}, "take --finetune physics"),
        ({"settings": {"finetune.steps": 3}}, "settings are given and no loss"),
        ({"finetune": "physics", "settings": {"finetune.steps": 0}}, "finetune: steps"),
    ],
)
def test_what_cannot_be_finetuned_is_told_before_training(tmp_path, call, message):
    import opbench

    with pytest.raises(ConfigError, match=message):
        opbench.evaluate("fast_fno", out=tmp_path, device="cpu", **call)
    assert not any(tmp_path.iterdir())
