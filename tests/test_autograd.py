"""Autograd: derivatives of closed formulas, exact to rounding."""

import pytest
import torch

from opbench.derivatives.autograd import Autograd
from opbench.errors import OpbenchError, UnknownName


@pytest.fixture
def points() -> dict[str, torch.Tensor]:
    values = torch.rand(3, 2, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return {name: value.clone().requires_grad_() for name, value in zip(("x", "y", "t"), values, strict=True)}


def close(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return torch.allclose(found, expected, rtol=1e-12, atol=1e-13)


def test_derivatives_of_every_order_match_the_formula(points):
    x, t = points["x"], points["t"]
    u = torch.sin(2 * x) * torch.exp(-t)
    d = Autograd(points)
    assert close(d.partial(u, "x"), 2 * torch.cos(2 * x) * torch.exp(-t))
    assert close(d.partial(u, "x", 2), -4 * u)
    assert close(d.partial(u, "x", 3), -8 * torch.cos(2 * x) * torch.exp(-t))
    assert close(d.partial(d.partial(u, "x"), "t"), -2 * torch.cos(2 * x) * torch.exp(-t))


def test_time_is_no_axis_of_space(points):
    u = points["x"] ** 2 + points["y"] ** 3 + points["t"] ** 4
    d = Autograd(points)
    assert d.axes == ("x", "y")
    assert close(d.laplacian(u), 2 + 6 * points["y"])
    assert close(d.partial(u, "t"), 4 * points["t"] ** 3)


def test_div_grad_takes_the_coefficients_own_gradient_along(points):
    x, y = points["x"], points["y"]
    assert close(Autograd(points).div_grad(1 + x * y, x**2 * y), 2 * y + 4 * x * y**2 + x**3)


def test_what_does_not_depend_on_a_coordinate_has_no_derivative_along_it(points):
    d = Autograd(points)
    linear = 3 * points["x"]
    for found in (d.partial(linear, "y"), d.partial(linear, "x", 2), d.partial(linear, "x", 3), d.partial(torch.ones(2, 7), "x")):
        assert torch.equal(found, torch.zeros_like(found))
        assert found.shape == (2, 7)


def test_a_derivative_can_be_trained_on(points):
    weight = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    residual = Autograd(points).partial(torch.sin(weight * points["x"]), "x", 2)
    residual.sum().backward()
    x = points["x"].detach()
    expected = (-2 * 0.7 * torch.sin(0.7 * x) - 0.49 * x * torch.cos(0.7 * x)).sum()
    assert close(weight.grad, expected)


def test_mistakes_are_told_in_a_line(points):
    with pytest.raises(UnknownName, match="unknown axis 'z'"):
        Autograd(points).partial(points["x"], "z")
    with pytest.raises(OpbenchError, match=r"the field is \(7,\), coordinate x is \(2, 7\)"):
        Autograd(points).partial(points["x"].sum(0), "x")
