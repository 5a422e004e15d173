"""Weak form: what waits is moved onto the test function exactly, and no equation is written twice."""

import math

import pytest
import torch

from opbench.derivatives.autograd import Autograd
from opbench.derivatives.weak import Divergence, Mixed, Weak
from opbench.errors import OpbenchError
from opbench.losses import _wendland as wendland
from opbench.pdes.burgers import Burgers
from opbench.pdes.darcy import Darcy
from opbench.pdes.helmholtz import Helmholtz
from opbench.pdes.poisson import Poisson


class Ball:
    """Many nodes in the unit disc, all derivatives known, and integrals against phi that are exact to rounding."""

    def __init__(self, dims=2):
        places, self.volumes = wendland.gauss(dims, 24)
        self.coordinates = [x.clone().requires_grad_() for x in places.unbind(1)]
        self.strong = Autograd(dict(zip("xy"[:dims], self.coordinates, strict=True)))
        self.phi, self.gradient = wendland.phi(places), dict(zip("xy", wendland.gradient(places).unbind(1), strict=False))

    def integral(self, field, axis):
        return (field * (self.phi if axis is None else self.gradient[axis]) * self.volumes).sum(-1)

    def tested(self, expression):
        return expression.tested(self.integral) if isinstance(expression, Divergence) else self.integral(expression, None)


def fields(ball):
    """Two samples each: an unknown and a positive coefficient."""
    x, *rest = ball.coordinates
    y = rest[0] if rest else 0 * x
    return torch.stack((torch.sin(2 * x + y), x**3 - x * y + y)), torch.stack((torch.exp(x - y), 2 + x * y))


@pytest.mark.parametrize(
    ("equation", "given"),
    [(Darcy(), "permeability"), (Poisson(), None), (Helmholtz(), "wavenumber")],
    ids=["darcy", "poisson", "helmholtz"],
)
def test_a_steady_equations_weak_form_is_the_integral_of_its_strong_one(equation, given):
    ball = Ball()
    u, k = fields(ball)
    inputs = {"source": k + u.detach(), given: k} if given else {"source": k}
    strong = ball.tested(equation.residual(u, inputs, ball.strong))
    weak = ball.tested(equation.residual(u, inputs, Weak(ball.strong)))
    torch.testing.assert_close(weak, strong, rtol=1e-9, atol=1e-11)


def test_a_rates_weak_form_is_the_integral_of_its_strong_one():
    ball = Ball(1)
    u, _ = fields(ball)
    given = {"viscosity": torch.tensor([[0.1], [0.4]], dtype=torch.float64)}
    strong, weak = (ball.tested(Burgers().rate(u, given, d)) for d in (ball.strong, Weak(ball.strong)))
    torch.testing.assert_close(weak, strong, rtol=1e-9, atol=1e-11)


def test_the_outermost_derivative_is_not_taken():
    class Counting(Autograd):
        taken = 0

        def partial(self, field, axis, order=1):
            self.taken += order
            return super().partial(field, axis, order)

    ball = Ball()
    ball.strong = Counting(ball.strong.coordinates)
    u, k = fields(ball)
    ball.tested(Darcy().residual(u, {"permeability": k, "source": k}, Weak(ball.strong)))
    assert ball.strong.taken == 2  # p_x and p_y; a flux is differentiated by nobody
    ball.strong.taken = 0
    ball.tested(Burgers().rate(u, {"viscosity": 0.1}, Weak(ball.strong)))
    assert ball.strong.taken == 2  # u_x and u_y; the flux u^2 / 2 waits


def test_a_product_with_what_varies_takes_the_derivative():
    ball = Ball()
    u, k = fields(ball)
    d = Weak(ball.strong)
    u_x = ball.strong.partial(u, "x")
    for found, expected in (
        (k * d.partial(u, "x"), k * u_x),
        (d.partial(u, "x") / k, u_x / k),
        (k / d.partial(u, "x"), k / u_x),
        (d.partial(u, "x") ** 2, u_x**2),
        (d.partial(u, "x") * d.partial(u, "y"), u_x * ball.strong.partial(u, "y")),
    ):
        torch.testing.assert_close(found, expected)
    scaled = torch.full((2, 1), 3.0, dtype=torch.float64) * d.partial(u, "x")
    assert isinstance(scaled, Divergence)
    torch.testing.assert_close((2.0 - scaled / 3 + (k - d.partial(u, "y"))).values, 2 - u_x + k - ball.strong.partial(u, "y"))


def test_sums_keep_what_waits_apart_by_axis():
    ball = Ball()
    u, k = fields(ball)
    d = Weak(ball.strong)
    whole = d.partial(u, "x") + d.partial(k, "x") + d.partial(u * k, "y")
    assert set(whole.flux) == {"x", "y"}
    expected = ball.strong.partial(u + k, "x") + ball.strong.partial(u * k, "y")
    torch.testing.assert_close(ball.tested(whole), ball.tested(expected), rtol=1e-9, atol=1e-11)


def test_fluxes_that_are_unknowns_stand_for_k_grad_u_and_tell_what_they_miss():
    ball = Ball()
    u, k = fields(ball)
    own = [k * ball.strong.partial(u, axis) for axis in "xy"]
    plain = ball.tested(Darcy().residual(u, {"permeability": k, "source": k}, Weak(ball.strong)))
    d = Mixed(ball.strong, own)
    kept = ball.tested(Darcy().residual(u, {"permeability": k, "source": k}, d))
    torch.testing.assert_close(kept, plain)
    assert all(float((flux - a * gradient).detach().abs().max()) < 1e-12 for flux, a, gradient in d.terms)
    d = Mixed(ball.strong, [own[0] + 0.5, own[1] + ball.coordinates[1]])
    moved = ball.tested(Darcy().residual(u, {"permeability": k, "source": k}, d))
    misses = [(flux - a * gradient).detach() for flux, a, gradient in d.terms]
    torch.testing.assert_close(misses[0], torch.full_like(misses[0], 0.5))
    torch.testing.assert_close(misses[1], ball.coordinates[1].detach().expand_as(misses[1]))
    volume = float(ball.volumes @ ball.phi)
    torch.testing.assert_close(moved, plain - volume)  # -div (0, y) = -1
    assert math.isclose(volume, 0.3490658503988659, rel_tol=1e-9)  # pi / 9


def test_an_inverse_laplacian_is_refused():
    ball = Ball()
    with pytest.raises(OpbenchError, match="no inverse Laplacian"):
        Weak(ball.strong).inverse_laplacian(fields(ball)[0])
