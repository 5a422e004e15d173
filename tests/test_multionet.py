import math
from typing import get_args

import pytest
import torch
from torch.nn.functional import silu

from opbench.errors import ModelError
from opbench.grid import Grid
from opbench.model import Channel, Spec
from opbench.models._branch_trunk import ACTIVATIONS, Activation
from opbench.models.multionet import MultiONet, MultiONetCore

GRID = Grid(("x",), (32,), (0.0,), (1.0,), (True,))
SPEC = Spec((Channel("a"),), (Channel("u"),), GRID)


def coordinates(grid):
    return torch.stack([torch.as_tensor(x, dtype=torch.float32) for x in grid.mesh()], -1)


@pytest.mark.parametrize(
    ("layers", "width", "sum_layers", "features", "beta", "published"),
    [
        (5, 100, 4, 2, 256, 106_805),
        (5, 128, 4, 2, 128, 148_997),
        (5, 128, 4, 1, 128, 148_869),
        (6, 100, 5, 2, 128, 114_206),
        (5, 100, 4, 2, 128, 94_005),
    ],
)
def test_the_core_has_as_many_parameters_as_the_released_network(layers, width, sum_layers, features, beta, published):
    core = MultiONetCore(features, beta, (width,) * layers, sum_layers)
    assert sum(p.numel() for p in core.parameters()) == published


def naive(core, points, beta):
    """The released form: every sample carries its points, every layer pair is contracted on its own; (b, n, dx), (b, m) -> (b, n)."""
    total = 0.0
    pairs = list(zip(core.trunk(points), core.branch(beta), strict=True))[-core.sum_layers :]
    for weight, (t, b) in zip(core.weight[0, :, 0], pairs, strict=True):
        total = total + weight * torch.einsum("bnh,bh->bn", t, b)
    return total / core.sum_layers + core.bias[0]


def test_the_shared_trunk_equals_the_released_form():
    torch.manual_seed(0)
    core = MultiONetCore(2, 20, (40,) * 5, 4)
    torch.nn.init.normal_(core.weight)
    torch.nn.init.normal_(core.bias)
    points, beta = torch.rand(50, 2), torch.randn(8, 20)
    shared, released = core(points, beta)[:, 0], naive(core, points.expand(8, -1, -1), beta)
    gap = ((shared - released).norm() / released.norm()).item()
    assert gap < 1e-6, gap


def test_the_first_layer_pair_is_not_summed_but_feeds_the_second():
    torch.manual_seed(0)
    core = MultiONetCore(1, 3, (8,) * 3, 2)
    points, beta = torch.rand(5, 1), torch.randn(2, 3)
    first, second, third = core.trunk(points)
    assert torch.allclose(second, core.trunk.activation(core.trunk.linear[1](first)))
    b = core.branch(beta)
    expected = (b[1] @ second.T + b[2] @ third.T) / 2
    assert torch.allclose(core(points, beta)[:, 0], expected, atol=1e-6)


def test_from_zero_weights_the_network_is_zero_and_only_weight_and_bias_learn_at_first():
    torch.manual_seed(0)
    core = MultiONetCore(1, 3, (8,) * 5, 4, weight_init="zero")
    prediction = core(torch.rand(5, 1), torch.randn(2, 3))
    assert not prediction.any()
    (prediction - 1).square().sum().backward()
    assert {name.split(".")[0] for name, p in core.named_parameters() if p.grad is not None and p.grad.any()} == {"weight", "bias"}


def test_several_channels_with_equal_weights_repeat_the_published_form():
    torch.manual_seed(0)
    one = MultiONetCore(2, 10, (16,) * 4, 3)
    three = MultiONetCore(2, 10, (16,) * 4, 3, channels=3)
    weight = torch.randn(1, 3, 1)
    three.load_state_dict(one.state_dict() | {"weight": weight.expand(3, 3, 16), "bias": torch.tensor([1.0, 2.0, 3.0])})
    one.load_state_dict(one.state_dict() | {"weight": weight})
    points, beta = torch.rand(7, 2), torch.randn(4, 10)
    expected = one(points, beta) + torch.tensor([1.0, 2.0, 3.0])[:, None]
    assert torch.allclose(three(points, beta), expected, atol=1e-5)


@pytest.mark.parametrize(("widths", "sum_layers"), [((8, 8), 2), ((8, 8), 0), ((8, 8, 4), 2)])
def test_sums_that_the_layers_do_not_allow_are_refused(widths, sum_layers):
    with pytest.raises(ModelError, match="choose 1 to layers - 1 of equal width"):
        MultiONetCore(1, 3, widths, sum_layers)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("silu_sin", lambda x: silu(torch.tensor(math.sin(math.pi * (x + 1)))).item() + x),
        ("tanh_sin", lambda x: math.tanh(math.sin(math.pi * (x + 1))) + x),
        ("silu_id", lambda x: x / (1 + math.exp(-x)) + x),
        ("sinc", lambda x: x * math.sin(x)),
    ],
)
def test_activations_follow_their_formulas(name, formula):
    x = torch.linspace(-3, 3, 13)
    expected = torch.tensor([formula(value) for value in x.tolist()])
    assert torch.allclose(ACTIVATIONS[name](x), expected, atol=1e-6)


def test_every_activation_that_a_setting_may_name_exists():
    assert set(get_args(Activation)) == set(ACTIVATIONS)


def test_on_a_refined_grid_the_training_points_keep_their_values():
    torch.manual_seed(0)
    model = MultiONet(SPEC, MultiONet.Config())
    fine = GRID.refine(3)
    given = torch.randn(2, 1, *fine.shape)
    coarse = model(fine.restrict(given, GRID), coordinates(GRID))
    gap = (fine.restrict(model(given, coordinates(fine)), GRID) - coarse).abs().max().item()
    assert gap < 1e-5, gap
