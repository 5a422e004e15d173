"""Ends by reflection: the extension, when it is taken, and that it is the same problem."""

import itertools

import numpy as np
import pytest
import torch

from opbench import Grid, OpbenchError, solve
from opbench.boundary import Dirichlet, Neumann
from opbench.field import Field
from opbench.pde import EvolutionPDE
from opbench.solver.mirror import mirrored
from opbench.solver.posed import pose

LINE = Grid(("x",), (33,), (0.0,), (1.0,), (False,))
X = LINE.coordinates()[0]
ENDS = {"odd": Dirichlet(), "even": Neumann()}


class Reaction(EvolutionPDE):
    """u_t = k u_xx + r u^power."""

    dims = (1, 2)
    inputs = (Field("diffusivity", default=0.1), Field("rate", uniform=True, default=1.0))
    outputs = (Field("u"),)
    power = 3

    def linear(self, u, given, d):
        return d.div_grad(given["diffusivity"], u)

    def nonlinear(self, u, given, d):
        return -given["rate"] * u**self.power


class Quadratic(Reaction):
    """u_t = k u_xx - r u^2, which an odd reflection does not suit."""

    power = 2


class Linear(EvolutionPDE):
    """u_t = u_xx."""

    dims = (1,)
    inputs = ()
    outputs = (Field("u"),)

    def linear(self, u, given, d):
        return d.laplacian(u)


class Wave(EvolutionPDE):
    """u_t = v, v_t = (c u_x)_x."""

    dims = (1,)
    inputs = (Field("stiffness"),)
    outputs = (Field("u"), Field("v"))
    dissipative = False

    def linear(self, state, given, d):
        return {"u": state["v"], "v": d.div_grad(given["stiffness"], state["u"])}


def scheme(equation, given, ends, **options) -> str:
    return solve(equation, LINE, given, times=[0.01], boundary={"x": ends}, **options).attrs["scheme"]


@pytest.mark.parametrize(("lower", "upper"), list(itertools.product(ENDS, ENDS)))
def test_the_extension_is_odd_or_even_about_each_end(lower, upper):
    posed, _ = pose(Reaction(), LINE, {"u": np.random.default_rng(0).standard_normal(33)}, {"x": (ENDS[lower], ENDS[upper])})
    mirror = mirrored(posed)
    assert mirror is not None
    whole = mirror.whole(posed)
    u = whole.initial[0, 0]
    assert len(u) == (64 if lower == upper else 128)
    for end, node in ((lower, 0), (upper, 32)):
        around = [u[(node + j) % len(u)] for j in range(1, 33)], [u[(node - j) % len(u)] for j in range(1, 33)]
        assert torch.equal(torch.stack(around[0]), (-1 if end == "odd" else 1) * torch.stack(around[1]))
    assert torch.equal(mirror.restrict(whole.initial)[..., 1:-1], posed.initial[..., 1:-1])


def test_reflection_is_taken_where_it_is_exact_and_only_there():
    u = np.sin(np.pi * X)
    assert "reflection" in scheme(Reaction, {"u": u}, Dirichlet())
    assert "reflection" in scheme(Quadratic, {"u": u}, Neumann())
    assert "one-sided" in scheme(Quadratic, {"u": u}, Dirichlet())
    assert "one-sided" in scheme(Reaction, {"u": 1 + X}, (Dirichlet(1.0), Dirichlet(2.0)))
    assert "one-sided" in scheme(Reaction, {"u": u, "diffusivity": 1 + X}, Dirichlet())


@pytest.mark.parametrize("ends", [Dirichlet(), Neumann(), (Neumann(), Dirichlet())], ids=repr)
def test_reflection_and_one_sided_stencils_converge_to_the_same_solution(ends):
    u = np.cos(np.pi * X / 2) ** 2 * X**2 * (1 - X)
    errors = []
    for cells in (32, 64, 128):
        grid = Grid(("x",), (cells + 1,), (0.0,), (1.0,), (False,))
        x = grid.coordinates()[0]
        u = np.cos(np.pi * x / 2) * x**2 * (1 - x) ** 2 * (1 + x)
        reflected = solve(Reaction, grid, {"u": u}, times=[0.5], boundary={"x": ends}, tolerance=1e-10)
        given = {"u": u, "diffusivity": 0.1 + 0.0 * x}  # a field, though it does not vary: so no reflection
        one_sided = solve(Reaction, grid, given, times=[0.5], boundary={"x": ends}, tolerance=1e-10, order=4)
        assert "reflection" in reflected.attrs["scheme"]
        assert "one-sided" in one_sided.attrs["scheme"]
        errors.append(float(np.abs(reflected.u - one_sided.u).max()))
    assert errors[2] < 1e-7, errors
    assert errors[2] < errors[1] / 12 < errors[0] / 100, errors


class Medium(EvolutionPDE):
    """u_t = D lap u - u^3 + g |grad u|^2."""

    dims = (1, 2)
    inputs = (Field("diffusivity", uniform=True, default=0.01), Field("growth", default=0.0))
    outputs = (Field("u"),)

    def linear(self, u, given, d):
        return given["diffusivity"] * d.laplacian(u)

    def nonlinear(self, u, given, d):
        slopes = [d.partial(u, axis) ** 2 for axis in d.axes]
        return given["growth"] * sum(slopes[1:], slopes[0]) - u**3


class Nested(Medium):
    """The same, but for a derivative of a derivative."""

    def linear(self, u, given, d):
        return given["diffusivity"] * d.partial(d.partial(u, "x"), "x")


@pytest.mark.parametrize("order", [2, 8])
@pytest.mark.parametrize("growth", [0.0, 0.3])
def test_explicit_steps_on_the_nodes_solve_what_exponential_ones_on_the_extension_do(order, growth):
    grid = Grid(("x", "y"), (17, 20), (0.0, 0.0), (1.0, 1.0), (False, True))
    x, y = grid.mesh()
    given = {"u": np.cos(np.pi * x) + 0.5 * np.sin(2 * np.pi * y) * np.cos(2 * np.pi * x), "growth": growth}
    ends = {"x": Neumann()}
    close = solve(Medium, grid, given, times=np.linspace(0, 1, 11), boundary=ends, order=order, tolerance=1e-10)
    far = solve(Medium, grid, given, times=[0.0, 1.0], boundary=ends, order=order, tolerance=1e-10)
    assert "Dormand-Prince" in close.attrs["scheme"]
    assert "ETDRK4" in far.attrs["scheme"]
    assert np.abs(close.u.values[-1] - far.u.values[-1]).max() < 1e-8


def test_nodes_are_taken_only_between_mirrors_for_close_times_and_where_something_is_not_linear():
    times = np.linspace(0, 0.01, 11)
    u = {"u": np.cos(np.pi * X)}

    def taken(equation, ends) -> str:
        return solve(equation, LINE, u, times=times, boundary={"x": ends}).attrs["scheme"]

    assert "Dormand-Prince" in taken(Medium, Neumann())
    assert "ETDRK4" in taken(Nested, Neumann())
    assert "ETDRK4" in taken(Medium, Dirichlet())
    assert "ETDRK4" in taken(Linear, Neumann())


def test_a_wave_keeps_its_energy_between_walls_where_its_speed_varies():
    grid = Grid(("x",), (65,), (0.0,), (1.0,), (False,))
    x = grid.coordinates()[0]
    given = {"u": np.sin(np.pi * x) ** 3, "v": 0.0, "stiffness": 2 + np.cos(np.pi * x)}
    answer = solve(Wave, grid, given, times=np.linspace(0, 5, 5), boundary={"x": Dirichlet()}, tolerance=1e-7)
    slope = np.diff(answer.u.values, axis=-1) / np.diff(x)
    stiffness = 2 + np.cos(np.pi * (x[1:] + x[:-1]) / 2)
    energy = (answer.v.values**2).sum(-1) / 64 + (stiffness * slope**2).sum(-1) / 64
    assert np.ptp(energy) < 1e-2 * energy[0], energy


def test_a_wave_between_ends_that_no_reflection_gives_is_solved_at_second_order_and_never_above_the_fourth():
    ends = {"u": Dirichlet(1.0), "v": Dirichlet()}
    given = {"u": 1 + np.sin(np.pi * X), "v": 0.0, "stiffness": 1.0}
    answer = solve(Wave, LINE, given, times=[2.0], boundary={"x": ends}, tolerance=1e-8)
    assert np.abs(answer.u.values[0] - given["u"]).max() < 0.02
    assert "order 2, one-sided" in answer.attrs["scheme"]
    fourth = solve(Wave, LINE, given, times=[2.0], boundary={"x": ends}, tolerance=1e-8, order=4)
    assert np.abs(fourth.u.values[0] - given["u"]).max() < 2e-4
    with pytest.raises(OpbenchError, match="order 6 is unstable between these ends"):
        solve(Wave, LINE, given, times=[2.0], boundary={"x": ends}, order=6)
