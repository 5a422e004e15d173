"""What a training step costs with the physics loss, beside the data loss, on one thread. Run with pytest --benchmark-only."""

from statistics import median
from time import process_time

import pytest
import torch

from opbench.data.task import problem
from opbench.evaluation.build import build_model
from opbench.losses.data import DataLoss
from opbench.losses.physics import PhysicsLoss
from opbench.model import Samples, coordinates
from opbench.residual import Residual

CASES = [(task, "stencils") for task in ("burgers_1d", "darcy_2d", "stokes_2d", "navier_stokes_2d")]
CASES += [("burgers_1d", "spectral"), ("navier_stokes_2d", "spectral")]


@pytest.mark.parametrize(("task", "derivatives"), CASES)
@pytest.mark.parametrize("model", ["fno", "fast_fno", "ifno"])
def test_a_physics_step_costs_little_more_than_a_data_step(benchmark, one_thread, task, derivatives, model):
    chosen = problem(task)
    torch.manual_seed(0)
    operator = build_model(model, chosen.spec, {})
    size, shape = chosen.task.batch_size, chosen.spec.grid.shape
    given, reference = (torch.rand(size, c, *shape) + 0.5 for c in (chosen.spec.in_channels, chosen.spec.out_channels))
    batch = Samples(given, reference, coordinates(chosen.spec.grid))
    losses = {"data": DataLoss(), "physics": PhysicsLoss(Residual(chosen, derivatives=derivatives))}
    seconds: dict[str, list[float]] = {name: [] for name in losses}

    def turn():
        """Both in turns, so that a busy machine slows both."""
        for name, loss in losses.items():
            start = process_time()
            operator.zero_grad(set_to_none=True)
            loss(operator(batch.given, batch.coords), batch).backward()
            seconds[name].append(process_time() - start)

    benchmark.pedantic(turn, rounds=5, warmup_rounds=2)
    medians = {name: median(found[-5:]) for name, found in seconds.items()}
    benchmark.extra_info |= {f"cpu seconds, {name}": value for name, value in medians.items()}
    benchmark.extra_info["ratio"] = medians["physics"] / medians["data"]


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
