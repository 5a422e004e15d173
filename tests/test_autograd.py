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


def test_samples_that_share_the_points_have_derivatives_of_their_own(points):
    """The derivative is pushed forward, of every order, and can be trained on."""
    x, y = (points[name][0] for name in ("x", "y"))
    weight = torch.tensor([0.7, -1.3, 2.0], dtype=torch.float64, requires_grad=True)
    w = weight[:, None, None]
    u, d = torch.sin(w * x) * y**2, Autograd({"x": x, "y": y})
    assert u.shape == (3, 1, 7)
    assert close(d.partial(u, "x"), w * torch.cos(w * x) * y**2)
    assert close(d.partial(u, "x", 3), -(w**3) * torch.cos(w * x) * y**2)
    assert close(d.laplacian(u), -(w**2) * u + 2 * torch.sin(w * x))
    assert close(d.div_grad(x * y, u), x * y * d.laplacian(u) + y * d.partial(u, "x") + x * d.partial(u, "y"))
    assert torch.equal(d.partial(w * x, "y"), torch.zeros(3, 1, 7))
    assert torch.equal(d.partial(w * x, "x", 2), torch.zeros(3, 1, 7))
    d.laplacian(u).sum().backward()
    expected = (-2 * w * torch.sin(w * x) * y**2 - w**2 * x * torch.cos(w * x) * y**2 + 2 * x * torch.cos(w * x)).sum((1, 2))
    assert close(weight.grad, expected)


def test_mistakes_are_told_in_a_line(points):
    with pytest.raises(UnknownName, match="unknown axis 'z'"):
        Autograd(points).partial(points["x"], "z")
    with pytest.raises(OpbenchError, match=r"the field is \(7,\), coordinate x is \(2, 7\)"):
        Autograd(points).partial(points["x"].sum(0), "x")
