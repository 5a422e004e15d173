"""fast_fno is the paper's network: its formula, its parameter count, one function at every resolution and precision."""

import pytest
import torch
from torch.nn.functional import gelu

from opbench.config import build
from opbench.errors import ModelError
from opbench.grid import Grid
from opbench.model import Channel, Spec
from opbench.models.fast_fno import FastFNO, FastFNOConfig


def make_spec(shape, c_in=1, c_out=1):
    d = len(shape)
    grid = Grid(("x", "y", "z")[:d], shape, (0.0,) * d, (2.0,) * d, (True,) * d)
    return Spec(tuple(Channel(f"a{i}") for i in range(c_in)), tuple(Channel(f"u{i}") for i in range(c_out)), grid)


def coordinates(spec, dtype=torch.float32):
    return torch.stack([torch.as_tensor(x, dtype=dtype) for x in spec.grid.mesh()], -1)


def make_model(spec, **settings):
    torch.manual_seed(0)
    return FastFNO(spec, FastFNOConfig(**settings))


def wave(spec, dtype=torch.float32):
    """A smooth periodic field, the same function on every grid; (1, 1, *s)."""
    return sum((torch.pi * x).sin() + (2 * torch.pi * x).cos() for x in coordinates(spec, dtype).unbind(-1))[None, None]


@pytest.mark.parametrize("layers", [1, 3])
def test_the_output_is_the_formula_with_no_activation_after_the_last_layer(layers):
    spec = make_spec((12, 9), c_in=2, c_out=3)
    model = make_model(spec, width=6, layers=layers, projection=10)
    given, coords = torch.randn(4, 2, 12, 9), coordinates(spec)
    z = model.lifting(given, coords)
    for layer in range(layers - 1):
        z = gelu(model.pointwise[layer](z) + model.spectral[layer](z))
    z = model.pointwise[-1](z) + model.spectral[-1](z)
    expected = model.projection.second(gelu(model.projection.first(z))).permute(0, 3, 1, 2)
    torch.testing.assert_close(model(given, coords), expected)


def test_the_parameter_count_is_the_papers():
    spec = make_spec((32, 32), c_in=2, c_out=3)
    model = make_model(spec, modes=5, width=8, layers=4, projection=16)
    spectral, pointwise = 2 * (10 * 5) * 8 * 8, 8 * 8 + 8
    expected = (2 + 2 + 1) * 8 + 4 * (spectral + pointwise) + (8 + 1) * 16 + (16 + 1) * 3
    assert sum(p.numel() for p in model.parameters()) == expected
    assert {p.dtype for p in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("shape", [(30,), (31,), (16, 16), (17, 15), (6, 7, 8)])
def test_both_transforms_give_one_function(shape):
    spec = make_spec(shape)
    gemm, fft = make_model(spec, transform="gemm"), make_model(spec, transform="fft")
    given = torch.randn(2, 1, *shape)
    expected = gemm(given, coordinates(spec))
    assert ((fft(given, coordinates(spec)) - expected).norm() / expected.norm()).item() < 1e-5


@pytest.mark.parametrize(("coarse", "fine"), [((64,), (128,)), ((63,), (126,)), ((32, 32), (64, 96)), ((33, 31), (66, 62))])
def test_a_finer_grid_gives_the_same_function(coarse, fine):
    coarse, fine = make_spec(coarse), make_spec(fine)
    model = make_model(coarse, modes=6, layers=3)
    with torch.no_grad():
        model.lifting.linear.weight[:, 1:] = 0  # coordinates jump at the period, which no two grids sample alike
        expected = model(wave(coarse), coordinates(coarse))
        got = model(wave(fine), coordinates(fine))
    for axis, (n, m) in enumerate(zip(coarse.grid.shape, fine.grid.shape, strict=True), start=2):
        got = got.index_select(axis, torch.arange(0, m, m // n))
    assert ((got - expected).norm() / expected.norm()).item() < 1e-3


def test_without_coordinates_a_shifted_input_gives_the_shifted_output():
    spec = make_spec((15, 16))
    model = make_model(spec).double()
    with torch.no_grad():
        model.lifting.linear.weight[:, 1:] = 0
    given, coords = torch.randn(2, 1, 15, 16, dtype=torch.float64), coordinates(spec, torch.float64)
    shifted = model(given.roll((4, -3), (2, 3)), coords)
    torch.testing.assert_close(shifted, model(given, coords).roll((4, -3), (2, 3)), rtol=0, atol=1e-12)


def test_double_computes_in_double():
    spec = make_spec((16, 15))
    single, double = make_model(spec), make_model(spec).double()
    given = torch.randn(2, 1, 16, 15)
    expected = double(given.double(), coordinates(spec, torch.float64))
    error = (single(given, coordinates(spec)) - expected).norm() / expected.norm()
    assert expected.dtype == torch.float64
    assert 0 < error.item() < 1e-5


def test_one_grid_after_the_other_leaves_no_trace_in_the_weights():
    spec = make_spec((16,))
    model = make_model(spec)
    names = set(model.state_dict())
    finer = make_spec((31,))
    assert model(wave(finer), coordinates(finer)).shape == (1, 1, 31)
    assert set(model.state_dict()) == names == {name for name, _ in model.named_parameters()}


def test_modes_that_the_grid_cannot_hold_are_refused():
    with pytest.raises(ModelError, match=r"^fast_fno: modes \(9\) exceed half the cells \(8\); lower modes or refine$"):
        make_model(make_spec((32, 16)), modes=9)
    coarse = make_spec((8,))
    with pytest.raises(ModelError, match=r"^fast_fno: modes \(16\) exceed half the cells \(4\)"):
        make_model(make_spec((64,)))(wave(coarse), coordinates(coarse))


def test_settings_are_read_strictly():
    assert build(FastFNOConfig, {"modes": 8, "transform": "fft"}, "fast_fno").modes == 8
    assert build(FastFNOConfig, {}, "fast_fno").modes is None
