"""Peak memory: what is held at once, freed in between or not, with its gradients; and no energy where none is told."""

import pytest
import torch

from opbench.cost.memory import joules, peak_memory

FLOAT = 4


def test_what_is_freed_before_the_next_is_made_does_not_add_up():
    def one_after_the_other():
        for _ in range(5):
            torch.ones(1000)

    def all_at_once():
        return [torch.ones(1000) for _ in range(5)]

    assert peak_memory(one_after_the_other, "cpu") == 1000 * FLOAT
    assert peak_memory(all_at_once, "cpu") == 5 * 1000 * FLOAT


def test_views_and_results_in_place_and_what_was_there_before_count_nothing():
    held = torch.ones(10, 100)
    assert peak_memory(lambda: held.reshape(100, 10).t()[3:].add_(1.0), "cpu") == 0


def test_what_the_backward_pass_needs_is_held_until_it_runs_and_gradients_are_counted():
    a = torch.ones(1000, requires_grad=True)

    def forward_alone():
        with torch.no_grad():
            a.exp().exp().exp()

    def with_gradient():
        a.grad = None
        a.exp().exp().exp().sum().backward()

    assert peak_memory(forward_alone, "cpu") == 2 * 1000 * FLOAT
    assert peak_memory(with_gradient, "cpu") >= 4 * 1000 * FLOAT


def test_a_cpu_tells_no_energy_and_none_is_made_up():
    assert joules(lambda: pytest.fail("nothing is to be run"), "cpu") is None


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device here")
def test_a_gpus_allocator_tells_the_peak():
    assert peak_memory(lambda: torch.ones(1 << 20, device="cuda").exp(), "cuda") >= 2 * FLOAT << 20
