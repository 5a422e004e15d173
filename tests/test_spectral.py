"""Products without aliases: what every field type promises, and what the grid's own products do not."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from opbench.derivatives.spectral import Dealiased, Spectral
from opbench.grid import Grid

LINE = Grid(("x",), (32,), (0.0,), (2 * np.pi,), (True,))
ODD = Grid(("x", "y"), (15, 24), (0.0, 0.0), (2 * np.pi, 2 * np.pi), (True, True))


def noise(grid, seed):
    """A field with all waves of the grid but the sawtooth, which has no sign."""
    hat = torch.fft.rfftn(torch.randn(grid.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))
    for place, n in enumerate(grid.shape):
        if n % 2 == 0:
            hat.select(place, n // 2).zero_()
    return torch.fft.irfftn(hat, s=grid.shape)


def exact(grid, function, *fields):
    """The projection of a product onto the grid's waves, by eight times the points."""
    fine = tuple(8 * n for n in grid.shape)

    def moved(values, old, new):
        hat, out = torch.fft.fftn(values), torch.zeros(new, dtype=torch.complex128)
        kept = [list(range(-((min(a, b) - 1) // 2), (min(a, b) - 1) // 2 + 1)) for a, b in zip(old, new, strict=True)]
        out[np.ix_(*kept)] = hat[np.ix_(*kept)]
        return torch.fft.ifftn(out).real * np.prod(new) / np.prod(old)

    return moved(function(*(moved(field, grid.shape, fine) for field in fields)), fine, grid.shape)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), grid=st.sampled_from([LINE, ODD]))
def test_products_and_powers_are_those_of_the_trigonometric_polynomials(seed, grid):
    d = Dealiased(grid)
    a, b = noise(grid, seed), noise(grid, seed + 1)
    u, v = d.field(a), d.field(b)
    for made, expected in (
        (u * v, exact(grid, torch.mul, a, b)),
        (u * b, exact(grid, torch.mul, a, b)),
        (b * u, exact(grid, torch.mul, a, b)),
        (u**2, exact(grid, lambda x: x**2, a)),
        (u**3, exact(grid, lambda x: x**3, a)),
        (d.partial(u, "x") * v, exact(grid, torch.mul, d.partial(u, "x").values, b)),
    ):
        torch.testing.assert_close(made.values, expected, rtol=0, atol=1e-11)


def test_numbers_and_parameters_of_a_sample_scale_a_field_with_its_sawtooth():
    d, a = Dealiased(LINE), torch.randn(3, 32, dtype=torch.float64)
    factor = torch.tensor([[1.0], [2.0], [3.0]], dtype=torch.float64)
    torch.testing.assert_close((d.field(a) * factor).values, a * factor)
    torch.testing.assert_close((2.0 * d.field(a) - a).values, a)


def test_the_plain_product_of_two_short_waves_has_an_alias_and_the_dealiased_has_none():
    x = torch.as_tensor(LINE.coordinates()[0])
    u = torch.cos(12 * x)  # twice 12 is 24, which 32 points take for 8
    alias = torch.cos(8 * x) / 2
    torch.testing.assert_close((Spectral(LINE).field(u) ** 2).values, 0.5 + alias)
    torch.testing.assert_close((Dealiased(LINE).field(u) ** 2).values, torch.full_like(u, 0.5))


def test_quotients_of_smooth_fields_are_right():
    x = torch.as_tensor(LINE.coordinates()[0])
    d, u = Dealiased(LINE), 2 + torch.sin(x)
    torch.testing.assert_close((d.field(torch.cos(x)) / d.field(u)).values, torch.cos(x) / u, rtol=0, atol=1e-7)
    torch.testing.assert_close((d.field(u) ** 0.5).values, u**0.5, rtol=0, atol=1e-7)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_gradients_go_through_products(kind):
    d = Dealiased(LINE, dtype=kind)
    a = torch.randn(32, dtype=kind, requires_grad=True)
    (gradient,) = torch.autograd.grad((d.field(a) ** 2).values.square().sum(), a)
    assert gradient.isfinite().all()
    assert gradient.dtype == kind
