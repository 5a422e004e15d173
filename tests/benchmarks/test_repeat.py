"""How well opbench's own timing repeats: the same model and the same solve, timed again and again in CPU time.

spread: from the least to the most of the middle seven of nine medians, over the median of all; nothing is asserted on it.
"""

import pytest
import torch

from opbench.cost.timing import timed
from opbench.data.task import problem
from opbench.evaluation.build import build_model
from opbench.model import Normalized, coordinates
from opbench.solver import compute, pose


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("what", ["model", "solver"])
def test_timing_again_and_again(benchmark, what):
    chosen = problem("burgers_1d")
    grid = chosen.spec.grid
    network = Normalized(build_model("fast_fno", chosen.spec, {})).eval()
    given, coords = torch.randn(16, 1, *grid.shape), coordinates(grid)
    posed, _ = pose(chosen.plan.recipe.pde, grid, {"velocity": given[:, 0].numpy(), "viscosity": 0.01}, None, "cpu")
    work = {"model": lambda: network(given, coords), "solver": lambda: compute(posed, chosen.plan.times, 1e-2)}[what]
    found = []

    def turn():
        with torch.no_grad():
            found.append(timed(work, "cpu"))

    benchmark.pedantic(turn, rounds=9, warmup_rounds=1)
    if not benchmark.enabled:
        return
    medians = sorted(timing.seconds.median for timing in found[1:])
    spread = (medians[-2] - medians[1]) / medians[len(medians) // 2]
    noisy = sum(timing.noisy for timing in found[1:])
    benchmark.extra_info |= {"cpu seconds": medians[len(medians) // 2], "spread": spread, "called noisy": noisy}
