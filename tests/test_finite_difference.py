"""FiniteDifference: orders of accuracy, and the laws that stencils keep."""

from itertools import pairwise
from math import log, pi

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from opbench.derivatives.finite_difference import FiniteDifference
from opbench.errors import OpbenchError
from opbench.grid import Grid

ORDERS = (2, 4, 6, 8)
quick = settings(deadline=None, max_examples=15)


def line(n: int, periodic: bool, upper: float = 1.0) -> Grid:
    return Grid(("x",), (n,), (0.0,), (upper,), (periodic,))


def plane(shape: tuple[int, int], periodic: bool) -> Grid:
    return Grid(("x", "y"), shape, (0.0, 0.0), (1.0, 1.5), (periodic, periodic))


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def orders_of_a_sine(sizes: tuple[int, ...], periodic: bool, wavenumber: float, order: int, derivative: int) -> list[float]:
    """Between neighbouring sizes, in the largest error on [0, 1]."""
    errors, spacings = [], []
    for n in sizes:
        grid = line(n, periodic)
        x = torch.as_tensor(grid.coordinates()[0])
        exact = wavenumber**derivative * torch.sin(wavenumber * x + 0.4 + derivative * pi / 2)
        found = FiniteDifference(grid, order).partial(torch.sin(wavenumber * x + 0.4), "x", derivative)
        errors.append(float((found - exact).abs().max()))
        spacings.append(grid.spacing[0])
    return [log(e / f) / log(h / g) for (e, f), (h, g) in zip(pairwise(errors), pairwise(spacings), strict=True)]


@pytest.mark.parametrize("derivative", [1, 2, 3, 4])
@pytest.mark.parametrize("order", ORDERS)
def test_a_periodic_derivative_converges_with_the_order_of_its_stencil(order, derivative):
    orders = orders_of_a_sine((48, 64, 80), True, 4 * pi, order, derivative)
    assert min(orders) >= order - 0.1, orders


@pytest.mark.parametrize("derivative", [1, 2])  # wide one-sided third and fourth ones meet rounding first; see the polynomials below
@pytest.mark.parametrize("order", ORDERS)
def test_a_bounded_derivative_keeps_its_order_up_to_the_ends(order, derivative):
    orders = orders_of_a_sine((24, 32, 40), False, 3.0, order, derivative)
    assert min(orders) >= order - 0.1, orders


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("derivative", [1, 2, 3, 4])
@quick
@given(data=st.data())
def test_polynomials_below_order_plus_derivative_are_exact_up_to_the_ends(order, derivative, data):
    degree = order + derivative - 1
    coefficients = data.draw(st.lists(st.floats(-1, 1), min_size=degree + 1, max_size=degree + 1))
    polynomial = np.polynomial.Polynomial(coefficients)
    grid = line(16, periodic=False, upper=2.0)
    (x,) = grid.coordinates()
    found = FiniteDifference(grid, order).partial(torch.as_tensor(polynomial(x)), "x", derivative).numpy()
    error = np.abs(found - polynomial.deriv(derivative)(x)).max()
    assert error <= 1e-11 * np.abs(polynomial(x)).max() / grid.spacing[0] ** derivative + 1e-12, error


@pytest.mark.parametrize("order", ORDERS)
@quick
@given(seed=st.integers(0, 10**6), factor=st.floats(-10, 10), periodic=st.booleans(), derivative=st.integers(1, 4))
def test_derivatives_are_linear(order, seed, factor, periodic, derivative):
    grid = plane((14, 13), periodic)
    d, u, v = FiniteDifference(grid, order), random(2, 14, 13, seed=seed), random(14, 13, seed=seed + 1)
    left = d.partial(u + factor * v, "y", derivative)
    right = d.partial(u, "y", derivative) + factor * d.partial(v, "y", derivative)
    assert torch.allclose(left, right, rtol=1e-10, atol=1e-10 * float(right.abs().max())), (left - right).abs().max()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("periodic", [True, False])
def test_a_constant_has_no_derivative(order, periodic):
    d = FiniteDifference(plane((14, 13), periodic), order)
    constant = torch.full((14, 13), 3.0, dtype=torch.float64)
    for found in (d.partial(constant, "x", 1), d.partial(constant, "y", 4), d.laplacian(constant), d.div_grad(1 + constant, constant)):
        assert float(found.abs().max()) < 1e-7  # the largest weight over h^4 is about 1e8


@pytest.mark.parametrize("order", ORDERS)
@quick
@given(seed=st.integers(0, 10**6))
def test_div_grad_on_a_periodic_grid_creates_nothing_and_is_symmetric(order, seed):
    d = FiniteDifference(plane((12, 9), periodic=True), order)
    u, v, k = random(12, 9, seed=seed), random(12, 9, seed=seed + 1), random(12, 9, seed=seed + 2).exp()
    flux = d.div_grad(k, u)
    scale = float(flux.abs().sum())
    assert abs(float(flux.sum())) < 1e-13 * scale
    assert abs(float((v * flux).sum() - (u * d.div_grad(k, v)).sum())) < 1e-12 * scale


def test_div_grad_of_a_constant_coefficient_is_the_compact_laplacian_ends_included():
    for periodic in (True, False):
        d, u = FiniteDifference(plane((9, 8), periodic)), random(9, 8, seed=1)
        expected = 2.5 * d.laplacian(u)
        for k in (2.5, torch.tensor(2.5), torch.full((9, 8), 2.5), torch.full((8, 7), 2.5)):
            assert torch.allclose(d.div_grad(k, u), expected, rtol=0, atol=1e-10), (periodic, k)
            if periodic and isinstance(k, torch.Tensor) and k.shape == (9, 8):
                break  # cells stand for themselves on bounded axes only


@pytest.mark.parametrize("order", [4, 6, 8])
def test_div_grad_of_one_number_is_its_multiple_of_the_compact_laplacian_at_high_orders(order):
    for periodic in (True, False):
        d, u = FiniteDifference(plane((14, 13), periodic), order), random(14, 13, seed=1)
        for k in (2.5, torch.full((1, 1), 2.5, dtype=torch.float64)):
            assert torch.allclose(d.div_grad(k, u), 2.5 * d.laplacian(u), rtol=1e-13), (periodic, k)


@pytest.mark.parametrize("order", [2, 4])
def test_div_grad_between_ends_makes_no_wave_grow(order):
    """Of u_tt = div_grad(k, u) with u = 0 at both ends: waves keep their height where all eigenvalues are real and negative."""
    d, x = FiniteDifference(line(65, periodic=False), order), torch.linspace(0, 1, 65, dtype=torch.float64)
    inner = torch.eye(65, dtype=torch.float64)[1:-1]
    rates = torch.linalg.eigvals(d.div_grad(1 + torch.sin(5 * x) / 2, inner)[:, 1:-1])
    assert float(rates.real.max()) < 0
    assert float(rates.imag.abs().max()) < 1e-9 * float(rates.abs().max())


def test_the_flux_through_a_jump_between_nodes_is_that_of_two_resistances_in_series():
    d = FiniteDifference(line(6, periodic=False, upper=5.0))
    k = torch.tensor([4.0, 4.0, 4.0, 1.0, 1.0, 1.0], dtype=torch.float64)
    p = torch.tensor([0.0, 1.0, 2.0, 4.5, 8.5, 12.5], dtype=torch.float64)  # flux 4 everywhere, 1.6 at the jump's face
    assert float(d.div_grad(k, p)[1:-1].abs().max()) < 1e-14


def test_a_jump_on_nodes_is_exact_with_the_coefficient_in_cells():
    d = FiniteDifference(line(5, periodic=False, upper=4.0))
    p = torch.tensor([0.0, 1.0, 2.0, 6.0, 10.0], dtype=torch.float64)
    assert float(d.div_grad(torch.tensor([4.0, 4.0, 1.0, 1.0], dtype=torch.float64), p).abs().max()) < 1e-14


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("periodic", [True, False])
def test_a_coefficient_may_lack_axes_it_does_not_vary_along(order, periodic):
    d, u = FiniteDifference(plane((14, 13), periodic), order), random(2, 14, 13, seed=3)
    k = random(2, 1, 13, seed=4).exp()
    assert torch.allclose(d.div_grad(k, u), d.div_grad(k.expand(2, 14, 13), u), rtol=1e-12, atol=1e-9)
    assert torch.allclose(d.partial(k, "x"), torch.zeros_like(k))


@pytest.mark.parametrize("periodic", [True, False])
def test_each_sample_is_differentiated_alone(periodic):
    d, u = FiniteDifference(plane((14, 13), periodic), 4), random(3, 14, 13, seed=5)
    assert torch.equal(d.partial(u, "y", 2)[1], d.partial(u[1], "y", 2))


@pytest.mark.parametrize("order", ORDERS)
def test_inverse_laplacian_undoes_laplacian_up_to_the_mean(order):
    for shape in ((12, 9), (9, 12)):
        d, u = FiniteDifference(plane(shape, periodic=True), order), random(2, *shape, seed=6)
        back = d.inverse_laplacian(d.laplacian(u))
        assert torch.allclose(back, u - u.mean((1, 2), keepdim=True), rtol=0, atol=1e-12)


@pytest.mark.parametrize("periodic", [True, False])
def test_gradients_pass_through_every_operator(periodic):
    grid = plane((6, 5), periodic)
    d, u, k = FiniteDifference(grid), random(6, 5, seed=7).requires_grad_(), random(6, 5, seed=8).exp().requires_grad_()
    assert torch.autograd.gradcheck(lambda u, k: d.div_grad(k, u) + d.partial(u, "x") ** 2, (u, k))


def test_single_precision_stays_single():
    d, u = FiniteDifference(plane((9, 8), periodic=False)), random(9, 8, seed=9).float()
    assert {d.partial(u, "x").dtype, d.div_grad(2.0, u).dtype, d.laplacian(u).dtype} == {torch.float32}


def test_mistakes_are_told_in_a_line():
    with pytest.raises(OpbenchError, match="order 3 is not offered"):
        FiniteDifference(line(9, True), 3)
    with pytest.raises(OpbenchError, match="unknown axis 'z'"):
        FiniteDifference(line(9, True)).partial(torch.zeros(9), "z")
    with pytest.raises(OpbenchError, match="axis x has 6 points, order 8 needs 9 here"):
        FiniteDifference(line(6, True), 8).partial(torch.zeros(6), "x")
    with pytest.raises(OpbenchError, match="axis x has 3 points, order 2 needs 4 here"):
        FiniteDifference(line(3, False)).div_grad(1.0, torch.zeros(3))
    with pytest.raises(OpbenchError, match="no inverse Laplacian"):
        FiniteDifference(line(9, False)).inverse_laplacian(torch.zeros(9))
