"""What sharing the trunk over the batch is worth: the ratio of the two groups' times, for a batch of 20 on 29 x 29 points."""

import pytest
import torch

from opbench.models.multionet import MultiONetCore

SAMPLES, POINTS = 20, 29 * 29


def shared(core, points, beta):
    return core(points, beta)


def released(core, points, beta):
    """Every sample carries its own points: the trunk runs SAMPLES times over the same ones."""
    repeated = points.expand(SAMPLES, -1, -1)
    pairs = zip(core.weight[0], core.trunk(repeated)[1:], core.branch(beta)[1:], strict=True)
    return sum(w * torch.einsum("bnh,bh->bn", t, b) for w, t, b in pairs) / core.sum_layers + core.bias


@pytest.mark.parametrize("form", [shared, released])
def test_one_training_step_with_a_shared_trunk_and_in_the_released_form(benchmark, form):
    torch.manual_seed(0)
    core = MultiONetCore(2, 128, (100,) * 5, 4)
    points, beta = torch.rand(POINTS, 2), torch.randn(SAMPLES, 128)

    def step():
        form(core, points, beta).square().mean().backward()

    benchmark.pedantic(step, rounds=3, warmup_rounds=1)
    assert all(p.grad is not None for p in core.parameters())
