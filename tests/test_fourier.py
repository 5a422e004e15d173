"""A stencil's symbol is the stencil, and a field in Fourier space is the field."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from opbench.derivatives.circulant import Circulant
from opbench.derivatives.finite_difference import FiniteDifference
from opbench.derivatives.spectral import Spectral
from opbench.errors import OpbenchError
from opbench.grid import Grid

LINE = Grid(("x",), (48,), (-1.0,), (2.0,), (True,))
TORUS = Grid(("x", "y"), (17, 24), (0.0, 0.0), (2 * np.pi, 1.0), (True, True))


def noise(grid: Grid, seed: int = 0) -> torch.Tensor:
    return torch.randn(2, *grid.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("order", [2, 4, 6, 8])
@pytest.mark.parametrize("derivative", [1, 2, 3, 4])
@pytest.mark.parametrize("grid", [LINE, TORUS], ids=["line", "torus"])
def test_circulant_derivatives_are_the_stencils(grid, order, derivative):
    for axis in grid.axes:
        field = noise(grid)
        ours = Circulant(grid, order).partial(field, axis, derivative).values
        stencil = FiniteDifference(grid, order).partial(field, axis, derivative)
        assert float((ours - stencil).abs().max() / stencil.abs().max()) < 1e-12


@pytest.mark.parametrize("grid", [LINE, TORUS], ids=["line", "torus"])
def test_spectral_derivatives_of_a_wave_are_exact(grid):
    length = [high - low for low, high in zip(grid.lower, grid.upper, strict=True)]
    for axis, x, size in zip(grid.axes, grid.mesh(), length, strict=True):
        k = 2 * np.pi * 3 / size
        field = torch.as_tensor(np.sin(k * x))[None]
        first = Spectral(grid).partial(field, axis).values[0].numpy()
        second = Spectral(grid).partial(field, axis, 2).values[0].numpy()
        assert np.abs(first - k * np.cos(k * x)).max() < 1e-11 * k
        assert np.abs(second + k**2 * np.sin(k * x)).max() < 1e-11 * k**2


@pytest.mark.parametrize("d", [Circulant(TORUS, 2), Circulant(TORUS, 8), Spectral(TORUS)], ids=["order 2", "order 8", "spectral"])
def test_the_laplacian_undoes_its_inverse(d):
    field = noise(TORUS)
    field = field - field.mean(dim=(-2, -1), keepdim=True)
    assert float((d.laplacian(d.inverse_laplacian(field)).values - field).abs().max()) < 1e-10
    assert float(d.inverse_laplacian(field).values.mean().abs()) < 1e-12


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), number=st.floats(-3, 3))
def test_arithmetic_in_fourier_space_is_arithmetic(seed, number):
    d = Circulant(TORUS, 4)
    a, b, scale = noise(TORUS, seed), noise(TORUS, seed + 1), torch.full((2, 1, 1), number, dtype=torch.float64)
    f, g = d.field(a), d.partial(d.field(b), "x")
    plain = g.values
    for ours, expected in (
        (f + g, a + plain),
        (g - f, plain - a),
        (number - g, number - plain),
        (f * g, a * plain),
        (g * scale, plain * number),
        (g * a, plain * a),
        (f**2 / 2, a**2 / 2),
        (-g, -plain),
        (g + scale, plain + number),
        (-f - g, -a - plain),
        (number * g - 3 * f, number * plain - 3 * a),
        ((number * f) * (-g) / 2, -number * a * plain / 2),
        ((3 * f) ** 2, 9 * a**2),
        ((2 + f * f) ** 0.3, (2 + a**2) ** 0.3),
        (3 / (2 + f * f), 3 / (2 + a**2)),
        (f / (2 + f * f), a / (2 + a**2)),
        (d.partial(f / 4, "x") * -4, -d.partial(a, "x").values),
        (d.partial(number * d.partial(2 * f, "x"), "y"), 2 * number * d.partial(d.partial(a, "x").values, "y").values),
    ):
        assert float((ours.values - expected).abs().max()) < 1e-10
        assert float((ours.hat - torch.fft.rfft2(expected)).abs().max()) < 1e-8


def test_a_bounded_axis_is_refused_by_name():
    with pytest.raises(OpbenchError, match="axis y is bounded"):
        Circulant(Grid(("x", "y"), (8, 8), (0, 0), (1, 1), (True, False)))
