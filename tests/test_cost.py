"""A trained model's cost: every quantity there, finite or null, and no failure of a compiler ends a run."""

import pytest
import torch

from opbench.cost import timing
from opbench.cost.measure import cost_of
from opbench.data.task import problem
from opbench.evaluation.build import build_model
from opbench.losses.data import DataLoss
from opbench.model import Normalized, Samples, coordinates


class Pointwise(torch.nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.layer = torch.nn.Conv1d(in_channels, out_channels, 1)

    def forward(self, given):
        return self.layer(given)


SPEC = problem("burgers_1d").spec
POINTS = SPEC.grid.shape[0]


@pytest.fixture(autouse=True)
def few_calls(monkeypatch):
    for name, value in {"SECONDS": 0.0, "WINDOW": 0.0, "FEWEST": 2, "BATCHES": (1, 4)}.items():
        monkeypatch.setattr(timing, name, value)
    monkeypatch.setattr("opbench.cost.timing.fastest.__defaults__", ((1, 4),))


def measured(model, compiled: bool = False):
    samples = Samples(torch.randn(3, 1, POINTS), torch.randn(3, SPEC.out_channels, POINTS), coordinates(SPEC.grid))
    network = Normalized(build_model(model, SPEC, {}))
    network.prepare(samples.given, samples.reference, samples.coords)
    found = cost_of(network, samples, DataLoss(), 2, compiled)
    assert all(parameter.grad is None for parameter in network.parameters())
    return found


@pytest.mark.parametrize("model", ["fast_fno", "deeponet", "multionet", "ifno", "mean", Pointwise])
def test_every_model_is_measured(model):
    found = measured(model)
    speed = found.inference["eager"]
    assert 0 < speed.latency.lower <= speed.latency.median <= speed.latency.upper
    assert 0 < speed.throughput.lower <= speed.throughput.median <= speed.throughput.upper
    assert speed.batch_size in (1, 4)
    assert found.memory > 0
    assert (found.training_memory is None) == (model == "mean")
    assert (found.flops == 0) == (model == "mean")
    assert (found.joules, found.not_compiled, found.dtype) == (None, "not asked for", "float32")


def test_a_models_own_form_stands_beside_its_speed():
    assert measured("fast_fno").layout == {"memory": "channels last", "transform": "gemm", "parameters": "real"}
    assert measured("deeponet").layout == {"trunk": "shared by the batch, evaluated in each call"}
    assert measured(Pointwise).layout == {}


def test_operations_and_memory_follow_from_the_module_alone():
    found, again = measured(Pointwise), measured(Pointwise)
    assert found.flops == 2 * POINTS * SPEC.out_channels
    assert found.training_memory == again.training_memory
    size = found.inference["eager"].batch_size
    assert found.memory >= size * SPEC.out_channels * POINTS * 4


def test_a_compiler_that_fails_leaves_its_reason_and_the_eager_figures(monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("self.stride(-1) must be 1\nto view ComplexFloat as Float")

    monkeypatch.setattr(torch, "compile", fails)
    found = measured(Pointwise, compiled=True)
    assert found.not_compiled == "RuntimeError: self.stride(-1) must be 1 to view ComplexFloat as Float"
    assert set(found.inference) == {"eager"}


def test_a_compiled_model_is_timed_beside_the_eager_one_with_the_seconds_it_took_to_compile(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda network, dynamic: network)  # the compiler itself takes half a minute
    found = measured(Pointwise, compiled=True)
    assert found.not_compiled is None
    assert found.inference["compiled"].compile_seconds > 0
    assert found.inference["compiled"].batch_size == found.inference["eager"].batch_size


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler warns of itself, and what is raised in it is a failure to compile
def test_torch_compiles_a_model_of_real_products():
    assert measured("fast_fno", compiled=True).not_compiled is None
