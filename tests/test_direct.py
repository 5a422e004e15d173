"""The direct solver of steady equations: any ends, any number of unknowns, linear or not, sample by sample, or a refusal in one line."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
import scipy.sparse.linalg
import torch
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from opbench import Grid, OpbenchError, solve
from opbench.boundary import Dirichlet, Neumann, Robin
from opbench.errors import SolverError
from opbench.field import Field
from opbench.find import find
from opbench.pde import SteadyPDE
from opbench.solver import compute, direct, pose


class Reaction(SteadyPDE):
    """-lap u + rate u^3 = f."""

    dims = (1, 2)
    inputs = (Field("rate", uniform=True, default=1.0), Field("source", default=0.0))
    outputs = (Field("concentration"),)

    def residual(self, u, given, d):
        return -d.laplacian(u) + given["rate"] * u**3 - given["source"]


class Ignition(SteadyPDE):
    """-u'' = heat exp(u): without a solution on [0, 1] where heat exceeds 3.514 (Frank-Kamenetskii; Bratu)."""

    dims = (1,)
    inputs = (Field("heat", uniform=True),)
    outputs = (Field("temperature"),)

    def residual(self, u, given, d):
        return -d.laplacian(u) - given["heat"] * u.exp()


class Pair(SteadyPDE):
    """-lap u + v = f, -lap v - u v = g."""

    dims = (1, 2)
    inputs = (Field("f"), Field("g"))
    outputs = (Field("u"), Field("v"))

    def residual(self, state, given, d):
        u, v = state["u"], state["v"]
        return {"u": -d.laplacian(u) + v - given["f"], "v": -d.laplacian(v) - u * v - given["g"]}


@dataclass(frozen=True)
class Memory(SteadyPDE):
    """-u'' + mean(u) = f: every point is coupled to every other."""

    dims = (1,)
    inputs = (Field("source"),)
    outputs = (Field("u"),)

    def residual(self, u, given, d):
        return -d.laplacian(u) + u.mean(-1, keepdim=True) - given["source"]


def line(n: int, wraps: bool = False) -> Grid:
    return Grid(("x",), (n,), (0.0,), (1.0,), (wraps,))


def square(n: int) -> Grid:
    return Grid(("x", "y"), (n, n), (0.0, 0.0), (1.0, 1.0), (False, False))


def relative(ours, exact) -> float:
    return float(np.linalg.norm(ours - exact) / np.linalg.norm(exact))


def ends(kind: str, value, slope):
    """The condition of a kind at both ends of a line, that `value` and its derivative `slope` satisfy."""
    return {
        "dirichlet": (Dirichlet(value(0.0)), Dirichlet(value(1.0))),
        "neumann": (Neumann(-slope(0.0)), Neumann(slope(1.0))),
        "robin": (Robin(0.7, 0.7 * value(0.0) - slope(0.0)), Robin(2.0, 2 * value(1.0) + slope(1.0))),
    }[kind]


@pytest.mark.parametrize("kind", ["dirichlet", "neumann", "robin", "periodic"])
@pytest.mark.parametrize("order", [2, 4, 6, 8])
def test_a_nonlinear_equation_is_solved_to_the_stencils_order_between_any_ends(order, kind):
    """u = 1 + sin(2 pi x + 0.4) / 2."""
    phase = 0.4
    exact = lambda x: 1 + np.sin(2 * np.pi * x + phase) / 2  # noqa: E731
    slope = lambda x: np.pi * np.cos(2 * np.pi * x + phase)  # noqa: E731
    source = lambda x: 2 * np.pi**2 * np.sin(2 * np.pi * x + phase) + exact(x) ** 3  # noqa: E731
    errors = []
    sizes = (16, 32, 64)
    for cells in sizes:
        wraps = kind == "periodic"
        grid = line(cells if wraps else cells + 1, wraps)
        boundary = None if wraps else {"x": ends(kind, exact, slope)}
        answer = solve(Reaction, grid, {"source": source, "concentration": 1.0}, boundary=boundary, order=order, tolerance=1e-12)
        errors.append(relative(answer.concentration.values, exact(answer.x.values)))
    orders = [np.log2(a / b) for a, b in itertools.pairwise(errors) if b > 1e-11]
    assert orders, errors
    assert orders[-1] > order - 0.15, (orders, errors)


def test_two_unknowns_have_conditions_of_their_own():
    """u = sin(pi x), v = 1 + x^2: u by its values, v by its slopes."""
    errors = []
    for n in (17, 33, 65):
        grid = line(n)
        u, v = (lambda x: np.sin(np.pi * x)), (lambda x: 1 + x**2)
        sources = {"f": lambda x: np.pi**2 * u(x) + v(x), "g": lambda x: -2 - u(x) * v(x)}  # noqa: B023
        boundary = {
            "x": ({"u": Dirichlet(0.0), "v": Neumann(0.0)}, {"u": Dirichlet(0.0), "v": Neumann(2.0)}),
        }
        answer = solve(Pair, grid, sources | {"u": 1.0}, boundary=boundary)
        x = answer.x.values
        errors.append(max(relative(answer.u.values, u(x)), relative(answer.v.values, v(x))))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders[-1] > 1.9, (orders, errors)


def test_newtons_iteration_converges_quadratically(monkeypatch):
    monkeypatch.setattr(direct, "CHORD", 0.0)  # a Jacobian for every step
    left = []

    class Watched(direct.Trial):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            left.append(self.left)

    monkeypatch.setattr(direct, "Trial", Watched)
    answer = solve(Reaction, line(65), {"rate": 10.0, "source": 300.0}, tolerance=1e-14)
    assert answer.attrs["steps"] >= 4
    tail = [error for error in left if 1e-12 < error < 0.1]
    assert len(tail) >= 2, left
    assert all(b < 10 * a**2 for a, b in itertools.pairwise(tail)), left


def test_a_linear_equation_takes_one_step():
    answer = solve("helmholtz", square(17), {"wavenumber": 3.0, "source": lambda x, y: np.sin(3 * x + y)}, order=4)
    assert answer.attrs["steps"] == 1
    assert "sparse LU" in answer.attrs["scheme"]


def test_one_factorisation_serves_samples_that_differ_in_their_sources_only(monkeypatch):
    count = []
    plain = scipy.sparse.linalg.splu
    monkeypatch.setattr(scipy.sparse.linalg, "splu", lambda *args, **kwargs: count.append(1) or plain(*args, **kwargs))
    rng = np.random.default_rng(0)
    source, wavenumber = rng.standard_normal((5, 17, 17)), np.linspace(1, 2, 5)[:, None, None] * np.ones((5, 17, 17))
    solve("helmholtz", square(17), {"wavenumber": 3.0, "source": source}, order=4)
    assert len(count) == 1
    solve("helmholtz", square(17), {"wavenumber": wavenumber, "source": source}, order=4)
    assert len(count) == 6


@pytest.mark.parametrize("order", [2, 4])
def test_a_sample_is_solved_as_it_would_be_alone(order):
    rng = np.random.default_rng(1)
    rate, source, edge = np.array([0.5, 1.0, 40.0, 1.0]), 30 * rng.standard_normal((4, 25)), rng.standard_normal(4)
    together = solve(Reaction, line(25), {"rate": rate, "source": source}, boundary={"x": (Dirichlet(edge), Neumann(0.3))}, order=order)
    for i in range(4):
        given = {"rate": rate[i], "source": source[i]}
        alone = solve(Reaction, line(25), given, boundary={"x": (Dirichlet(edge[i]), Neumann(0.3))}, order=order)
        assert relative(together.concentration.values[i], alone.concentration.values) < 1e-10


def test_values_at_the_ends_are_solved_by_multigrid_as_by_factorisation():
    rng = np.random.default_rng(2)
    given = {"permeability": np.exp(rng.standard_normal((3, 33, 33))), "source": rng.standard_normal((3, 33, 33))}
    boundary = {"x": (Dirichlet(lambda x, y: np.sin(5 * y)), Dirichlet(2.0)), "y": Dirichlet(rng.standard_normal((3, 33)))}
    multigrid = solve("darcy", square(33), given, boundary=boundary, tolerance=1e-12)
    assert "multigrid" in multigrid.attrs["scheme"]
    posed, _ = pose(_darcy(), square(33), given, boundary)
    factored = direct.solve_direct(posed, 2, 1e-12)[0][0]
    inside = (slice(None), slice(1, -1), slice(1, -1))
    assert relative(multigrid.pressure.values[inside], factored.numpy()[inside]) < 1e-9


def _darcy():
    from opbench.pdes.darcy import Darcy

    return Darcy()


def test_multigrid_gives_way_where_the_matrix_is_indefinite():
    answer = solve("helmholtz", square(33), {"wavenumber": 20.0, "source": 1.0})
    assert "sparse LU" in answer.attrs["scheme"]


def test_the_factors_of_an_earlier_call_serve_again_where_the_matrix_is_the_same_and_change_no_answer(monkeypatch):
    count = []
    splu = scipy.sparse.linalg.splu
    monkeypatch.setattr(scipy.sparse.linalg, "splu", lambda matrix: count.append(1) or splu(matrix))
    rng = np.random.default_rng(3)
    factors = None
    for wavenumber, factorised in ((20.0, 1), (20.0, 0), (30.0, 1)):
        given = {"wavenumber": wavenumber, "source": rng.standard_normal((33, 33))}
        posed, _ = pose(find("pdes", "helmholtz", SteadyPDE)(), square(33), given, {"x": Dirichlet(0.0), "y": Dirichlet(0.0)})
        factors = factors or direct.Factors(posed)
        alone = direct.solve_direct(posed, 4, 1e-12)[0]
        count.clear()
        kept = direct.solve_direct(posed, 4, 1e-12, factors)[0]
        assert len(count) == factorised
        assert relative(kept.numpy(), alone.numpy()) < 1e-10


def test_what_couples_all_points_is_solved_too():
    """u = x (1 - x), whose mean over the nodes is known."""
    x = line(33).coordinates()[0]
    exact = x * (1 - x)
    answer = solve(Memory, line(33), {"source": 2.0 + exact.mean()}, order=4)
    assert relative(answer.u.values, exact) < 1e-10


def test_a_solution_that_is_fixed_up_to_a_constant_has_zero_mean_and_none_else_is_touched():
    for order in (2, 4):
        flat = solve("poisson", line(33), {"source": lambda x: np.cos(np.pi * x)}, boundary={"x": Neumann()}, order=order)
        u = flat.potential.values
        assert abs((u[1:] + u[:-1]).mean() / 2) < {2: 1e-15, 4: 1e-5}[order]
        assert relative(u, np.cos(np.pi * line(33).coordinates()[0]) / np.pi**2) < {2: 4e-3, 4: 3e-5}[order]
    held = solve("poisson", line(33), {"source": 0.0}, boundary={"x": (Neumann(), Dirichlet(7.0))})
    assert np.abs(held.potential.values - 7).max() < 1e-12


def test_no_source_has_no_solution_but_zero():
    for order in (2, 4):
        answer = solve("poisson", square(17), {"source": np.zeros((2, 17, 17)) + np.array([0.0, 1.0])[:, None, None]}, order=order)
        assert np.abs(answer.potential.values[0]).max() == 0.0
        assert answer.potential.values[1].max() > 0


@settings(deadline=None, max_examples=10)
@drawn(seed=st.integers(0, 10**6))
def test_a_potential_without_sources_takes_its_extremes_at_the_ends(seed):
    rng = np.random.default_rng(seed)
    boundary = {axis: (Dirichlet(rng.standard_normal(17)), Dirichlet(rng.standard_normal(17))) for axis in "xy"}
    for law, given in (("poisson", {"source": 0.0}), ("darcy", {"permeability": np.exp(rng.standard_normal((17, 17))), "source": 0.0})):
        u = next(iter(solve(law, square(17), given, boundary=boundary).values())).values
        inside, edge = u[1:-1, 1:-1], np.concatenate([u[0], u[-1], u[:, 0], u[:, -1]])
        assert edge.min() <= inside.min()
        assert inside.max() <= edge.max()


@pytest.mark.parametrize("order", [2, 4])
def test_swapping_the_axes_of_everything_swaps_those_of_the_solution(order):
    rng = np.random.default_rng(3)
    k, f, g = rng.uniform(1, 2, (21, 21)), rng.standard_normal((21, 21)), rng.standard_normal(21)
    sides = (Dirichlet(g), Neumann(0.4)), Robin(1.0)
    one = solve("helmholtz", square(21), {"wavenumber": k, "source": f}, boundary=dict(zip("xy", sides, strict=True)), order=order)
    other = solve("helmholtz", square(21), {"wavenumber": k.T, "source": f.T}, boundary=dict(zip("yx", sides, strict=True)), order=order)
    inside = slice(1, -1)  # at a corner of Neumann and Robin sides one of them holds
    assert relative(one.amplitude.values[inside, inside], other.amplitude.values.T[inside, inside]) < 1e-9


def resonance(n: int) -> float:
    """The wavenumber of the square's lowest mode, as stencils of order 2 see it."""
    return float(np.sqrt(8) * (n - 1) * np.sin(np.pi / 2 / (n - 1)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"equation": "poisson", "grid": line(33), "given": {"source": 1.0}, "boundary": {"x": Neumann()}}, "do not balance"),
        ({"equation": "poisson", "grid": line(32, True), "given": {"source": 1.0}}, "do not balance"),
        (
            {"equation": "poisson", "grid": square(9), "given": {"source": 0.0}, "boundary": {"x": Neumann(1.0), "y": Neumann()}},
            "do not balance, and no condition fixes it",
        ),
        ({"equation": "helmholtz", "grid": square(17), "given": {"wavenumber": resonance(17), "source": 1.0}}, "singular"),
        ({"equation": Ignition, "grid": line(65), "given": {"heat": 4.0}}, "Newton's iteration .* refine the grid"),
        ({"equation": Reaction, "grid": line(32, True), "given": {"source": 1.0}}, "give a first guess"),
        ({"equation": Reaction, "grid": line(65), "given": {"source": 1.0}, "order": 3}, "order 3 is not offered"),
        ({"equation": Reaction, "grid": line(5), "given": {"source": 1.0}, "order": 8}, "5 points, order 8 needs"),
        (
            {"equation": "darcy", "grid": line(33), "given": {"permeability": -1.0}, "boundary": {"x": (Neumann(), Dirichlet())}},
            "permeability must be > 0",
        ),
    ],
    ids=["flat", "periodic", "flux", "resonance", "ignition", "guess", "order", "few points", "negative"],
)
def test_what_has_no_solution_is_told_in_one_line(call, message):
    with pytest.raises(OpbenchError, match=message) as told:
        solve(**call)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("bracket", "guess"), [((1.0, 4.0), 0.0), ((4.0, 12.0), 3.0)], ids=["cool", "hot"])
def test_a_first_guess_chooses_between_solutions(bracket, guess):
    """Bratu's two, u = 2 log(cosh(t / 4) / cosh((1 / 2 - x) t / 2)) with t = sqrt(2 heat) cosh(t / 4)."""
    heat = 3.0
    t = brentq(lambda t: t - np.sqrt(2 * heat) * np.cosh(t / 4), *bracket)
    x = line(129).coordinates()[0]
    exact = 2 * np.log(np.cosh(t / 4) / np.cosh((0.5 - x) * t / 2))
    given = {"heat": heat, "temperature": lambda x: guess * np.sin(np.pi * x)}
    assert relative(solve(Ignition, line(129), given, order=4).temperature.values, exact) < 1e-5


def test_a_solution_that_is_not_finite_is_refused():
    class Broken(Reaction):
        def residual(self, u, given, d):
            return -d.laplacian(u) + (u - 1).log()

    with pytest.raises(SolverError, match="not finite at the first guess"):
        solve(Broken, line(17), {})


def test_compute_gives_all_unknowns_by_name_in_double_precision():
    posed, _ = pose(Pair(), line(9), {"f": np.ones((3, 9)), "g": 1.0})
    values = compute(posed, None, 1e-8).values
    assert set(values) == {"u", "v"}
    assert all(value.shape == (3, 9) and value.dtype == torch.float64 for value in values.values())
