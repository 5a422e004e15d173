"""One training step, forward, relative L2 error, backward, of the FNO family on one thread. Run with pytest --benchmark-only."""

import importlib.util

import pytest
import torch

from opbench.find import find
from opbench.grid import Grid
from opbench.model import Channel, OperatorModel, Spec

CASES = {"1d": ((128,), 32), "2d": ((32, 32), 16)}


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["fno", "fast_fno", "ifno"])
def test_training_step(benchmark, name, case):
    if name == "fno" and importlib.util.find_spec("neuralop") is None:
        pytest.skip("neuraloperator is not installed")
    shape, batch = CASES[case]
    d = len(shape)
    grid = Grid(("x", "y")[:d], shape, (0.0,) * d, (1.0,) * d, (True,) * d)
    coords = torch.stack([torch.as_tensor(x, dtype=torch.float32) for x in grid.mesh()], -1)
    given, reference = torch.randn(2, batch, 1, *shape)
    class_ = find("models", name, OperatorModel)
    model = class_(Spec((Channel("a"),), (Channel("u"),), grid), class_.Config(width=32))

    def step():
        model.zero_grad(set_to_none=True)
        error = (model(given, coords) - reference).flatten(1).norm(dim=1) / reference.flatten(1).norm(dim=1)
        error.mean().backward()

    benchmark.group = f"training step {case}, batch {batch}"
    benchmark.pedantic(step, rounds=9, warmup_rounds=2)
    assert all(p.grad is not None for p in model.parameters())
