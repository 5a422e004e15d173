"""What a training step costs with the losses at points of their own, and what the ways to differentiate do, on one thread.

Run with pytest --benchmark-only.
"""

from dataclasses import replace
from statistics import median
from time import process_time

import pytest
import torch

from opbench.data.task import problem
from opbench.derivatives.autograd import Autograd
from opbench.evaluation.build import build_model
from opbench.evaluation.planning import mollifier
from opbench.find import find
from opbench.losses import Loss
from opbench.model import Normalized, Samples, coordinates

LOSSES = ("data", "physics", "collocation", "weak", "mixed")
POINTS, SAMPLES = 256, 16


@pytest.mark.parametrize("task", ["darcy_smooth_2d", "darcy_dgno_piecewise_2d"])
@pytest.mark.parametrize("model", ["multionet", "deeponet"])
def test_a_step_with_each_loss_beside_a_data_step(benchmark, one_thread, task, model):
    chosen = problem(task)
    turns = {name: turn_of(name, chosen, model) for name in LOSSES}
    medians = interleaved(benchmark, turns)
    benchmark.extra_info |= {f"{name} / data": medians[name] / medians["data"] for name in LOSSES}


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # torch.func.jvp's own
def test_a_second_derivative_of_samples_that_share_their_points(benchmark, one_thread):
    """Of a network of one trunk, by pushing forward through what the samples share, by torch.func.jvp, and with points a sample."""
    torch.manual_seed(0)
    layers = [layer for _ in range(4) for layer in (torch.nn.Linear(128, 128), torch.nn.SiLU())]
    trunk = torch.nn.Sequential(torch.nn.Linear(2, 128), torch.nn.SiLU(), *layers)
    branch, points = torch.randn(SAMPLES, 128), torch.rand(2, POINTS)

    def shared():
        x, y = (axis.clone().requires_grad_() for axis in points)
        return Autograd({"x": x, "y": y}).laplacian(branch @ trunk(torch.stack((x, y), -1)).T)

    def forward():
        def twice(axis):
            tangent = torch.eye(2)[axis].expand(POINTS, 2)

            def once(place):
                return torch.func.jvp(lambda p: branch @ trunk(p).T, (place,), (tangent,))[1]

            return torch.func.jvp(once, (points.T,), (tangent,))[1]

        return twice(0) + twice(1)

    def own():
        x, y = (axis.expand(SAMPLES, POINTS).clone().requires_grad_() for axis in points)
        return Autograd({"x": x, "y": y}).laplacian((branch[:, None] * trunk(torch.stack((x, y), -1))).sum(-1))

    ways = {"shared": shared, "torch.func.jvp": forward, "points a sample": own}
    torch.testing.assert_close(shared(), forward(), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(shared(), own(), rtol=1e-3, atol=1e-4)

    def turn(way):
        def run():
            trunk.zero_grad(set_to_none=True)
            way().square().mean().backward()

        return run

    medians = interleaved(benchmark, {name: turn(way) for name, way in ways.items()})
    if benchmark.enabled:
        assert medians["shared"] < 1.5 * medians["torch.func.jvp"], medians
        assert medians["shared"] < 0.5 * medians["points a sample"], medians


def turn_of(name, chosen, model):
    """One step without the optimizer's."""
    kind = find("losses", name, Loss)
    settings = kind.Settings()
    loss = kind.of(chosen, settings)
    torch.manual_seed(0)
    spec = replace(chosen.spec, auxiliary=loss.auxiliary)
    network = Normalized(build_model(model, spec, {}), mollifier(chosen, settings, "cpu"))
    size, shape = chosen.task.batch_size, spec.grid.shape
    given, reference = (torch.rand(size, c, *shape) + 0.5 for c in (spec.in_channels, len(spec.outputs)))
    batch = Samples(given, reference, coordinates(spec.grid))
    network.prepare(given, loss.expected(batch), batch.coords)

    def run():
        network.zero_grad(set_to_none=True)
        loss.of_model(network.whole, batch).backward()

    return run


def interleaved(benchmark, turns):
    """Median CPU seconds of each, all in turns, so that a busy machine slows all."""
    seconds: dict[str, list[float]] = {name: [] for name in turns}

    def all_once():
        for name, turn in turns.items():
            start = process_time()
            turn()
            seconds[name].append(process_time() - start)

    benchmark.pedantic(all_once, rounds=7, warmup_rounds=2)
    medians = {name: median(found[-7:]) for name, found in seconds.items()}
    benchmark.extra_info |= {f"cpu seconds, {name}": value for name, value in medians.items()}
    return medians


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
