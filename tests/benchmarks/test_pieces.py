"""How long solver, layers, models, losses and loader take; figures only."""

import importlib.util

import numpy as np
import pytest
import torch
from tiny_plan import tiny
from torch.utils.data import DataLoader

from opbench.data.generation import file, make
from opbench.data.samples import draw
from opbench.data.task import StoredSplit, problem
from opbench.evaluation.build import build_model
from opbench.find import names
from opbench.losses.data import DataLoss
from opbench.losses.physics import PhysicsLoss
from opbench.model import Normalized, Samples, coordinates
from opbench.models._spectral import SpectralConv
from opbench.residual import Residual
from opbench.solver import compute, pose

pytestmark = pytest.mark.usefixtures("one_thread")
TRAINED = [name for name in names("models") if name not in ("linear", "mean", "persistence")]


@pytest.mark.parametrize("batch", [1, 32])
@pytest.mark.parametrize("task", ["burgers_1d", "darcy_2d"])
@pytest.mark.parametrize("model", TRAINED)
def test_inference(benchmark, model, task, batch):
    if model == "fno" and importlib.util.find_spec("neuralop") is None:
        pytest.skip("neuraloperator is not installed")
    spec = problem(task).spec
    network = Normalized(build_model(model, spec, {})).eval()
    given, coords = torch.randn(batch, spec.in_channels, *spec.grid.shape), coordinates(spec.grid)
    benchmark.group = f"inference, {task}, batch {batch}"
    with torch.no_grad():
        benchmark(network, given, coords)


@pytest.mark.parametrize("transform", ["gemm", "fft"])
@pytest.mark.parametrize(("shape", "modes"), [((128,), (16,)), ((32, 32), (8, 8))])
def test_spectral_layer(benchmark, shape, modes, transform):
    layer = SpectralConv(32, 32, modes, transform)
    z = torch.randn(16, *shape, 32, requires_grad=True)
    benchmark.group = f"spectral layer, {len(shape)}-D"
    benchmark(lambda: layer(z).square().sum().backward())


@pytest.mark.parametrize("loss", ["data", "physics"])
@pytest.mark.parametrize("task", ["burgers_1d", "darcy_2d", "navier_stokes_2d"])
def test_loss(benchmark, task, loss):
    chosen = problem(task)
    given, reference = (torch.rand(16, c, *chosen.spec.grid.shape) + 0.5 for c in (chosen.spec.in_channels, chosen.spec.out_channels))
    batch = Samples(given, reference, coordinates(chosen.spec.grid))
    measure = DataLoss() if loss == "data" else PhysicsLoss(Residual(chosen))
    prediction = torch.rand_like(reference).requires_grad_()
    benchmark.group = f"loss, {task}"
    benchmark(lambda: measure(prediction, batch).backward())


@pytest.mark.parametrize("way", ["whole", "batches"])
def test_loader(benchmark, tmp_path, way):
    chosen = tiny(256, block=32, grid=64, frames=5)
    make(chosen, tmp_path, workers=1)
    split = StoredSplit(file(tmp_path / chosen.folder, chosen, "train"), "trajectory", problem("burgers_1d").spec)
    loader = DataLoader(split, batch_size=32, shuffle=True)
    benchmark.group = "loader, 256 samples"
    benchmark.pedantic((lambda: split.samples()) if way == "whole" else (lambda: list(loader)), rounds=9, warmup_rounds=1)


@pytest.mark.parametrize("scheme", ["finite_difference", "spectral"])
@pytest.mark.parametrize(("task", "tolerance"), [("burgers_1d", 1e-6), ("navier_stokes_2d", 1e-4)])
def test_solver(benchmark, task, tolerance, scheme):
    chosen = problem(task).plan
    assert chosen is not None
    given = draw(chosen, "test", range(4), chosen.grid)
    posed, _ = pose(chosen.recipe.pde, chosen.grid, {name: np.asarray(value) for name, value in given.items()}, None, "cpu")
    benchmark.group = f"solver, {task}"
    benchmark.pedantic(lambda: compute(posed, chosen.times, tolerance, scheme=scheme), rounds=5, warmup_rounds=1)
