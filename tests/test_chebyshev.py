"""Stabilised steps: their polynomial, their order, when they are taken, and what they cost."""

import numpy as np
import pytest
import torch

from opbench import Grid, solve
from opbench.boundary import Dirichlet, Neumann, Outflow, Robin
from opbench.derivatives.finite_difference import FiniteDifference
from opbench.field import Field
from opbench.pde import EvolutionPDE
from opbench.solver import affine
from opbench.solver.chebyshev import Chebyshev, fastest_decay
from opbench.solver.explicit import Lines
from opbench.solver.posed import pose

ENDS = {"x": (Dirichlet(1.0), Dirichlet(2.0))}


class Reaction(EvolutionPDE):
    """u_t = k u_xx - r u^2 - c u_x."""

    dims = (1,)
    inputs = (Field("k", default=1.0), Field("r", default=0.0, uniform=True), Field("c", default=0.0, uniform=True))
    outputs = (Field("u"),)

    def linear(self, u, given, d):
        return given["k"] * d.partial(u, "x", 2) - given["c"] * d.partial(u, "x")

    def nonlinear(self, u, given, d):
        return -given["r"] * u**2


def line(n: int) -> Grid:
    return Grid(("x",), (n,), (0.0,), (1.0,), (False,))


def step(z: torch.Tensor, stages: int) -> torch.Tensor:
    """One step of length 1 of y' = z y from y = 1, in exactly that many stages."""
    method = Chebyshev((stages**2 - 1) / 1.54 - 1e-9)
    one = torch.ones_like(z)[None]
    return method.step(lambda y: z * y, lambda y: y, one, z * one, 1.0)[0][0]


@pytest.mark.parametrize("stages", [2, 3, 5, 20, 200])
def test_the_polynomial_is_of_second_order_and_bounded_as_far_as_is_claimed(stages):
    small = torch.tensor([-1e-2, -5e-3], dtype=torch.float64)
    missed = (step(small, stages) - torch.exp(small)).abs()
    assert float(missed[0] / missed[1]) == pytest.approx(8, rel=0.05)
    z = -torch.linspace(0.01, (stages**2 - 1) / 1.54, 20000, dtype=torch.float64)
    assert float(step(z, stages).abs().max()) < 1


def lines(n: int, **given) -> tuple[Lines, torch.Tensor]:
    posed, _ = pose(Reaction(), line(n), {"u": lambda x: 1 + x + np.sin(np.pi * x)} | given, ENDS)
    assert posed.initial is not None
    system = Lines(posed, FiniteDifference(posed.grid, 4), 4)
    return system, system.impose(posed.initial)


def test_fixed_steps_converge_at_second_order():
    system, initial = lines(33, r=3.0)
    method = Chebyshev(2e4)

    def march(steps: int) -> torch.Tensor:
        state, rate = initial, system.rate(initial)
        for _ in range(steps):
            state, rate, _ = method.step(system.rate, system.impose, state, rate, 0.1 / steps)
        return state

    best = march(1280)
    errors = [float((march(steps) - best).norm()) for steps in (20, 40, 80)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (orders > 1.9).all(), (errors, orders)


@pytest.mark.parametrize("k", [0.3, lambda x: 0.1 + np.sin(3 * x) ** 4])
def test_the_fastest_decay_is_found_a_little_too_large(k):
    system, state = lines(65, k=k)
    found = fastest_decay(system.rate, system.impose, state, system.rate(state))
    unit = torch.eye(65, dtype=torch.float64)
    jacobian = system.rate(unit[None]) * 1.0
    inside = jacobian[0, :, 1:-1][1:-1]
    true = float(torch.linalg.eigvals(inside).abs().max())
    assert found is not None
    assert true < found < 1.25 * true, (found, true)


def test_waves_that_travel_have_none():
    system, state = lines(65, k=1e-6, c=1.0)
    assert fastest_decay(system.rate, system.impose, state, system.rate(state)) is None


def test_stiff_decay_between_given_ends_is_stepped_in_few_evaluations(monkeypatch):
    count, rate = [0], Lines.rate

    def counted(self, state):
        count[0] += 1
        return rate(self, state)

    monkeypatch.setattr(Lines, "rate", counted)
    monkeypatch.setattr(affine, "MOST", 0)
    errors = []
    for tolerance in (1e-5, 1e-6, 1e-7):
        count[0] = 0
        given = {"u": lambda x: 1 + x + np.sin(np.pi * x)}
        answer = solve(Reaction, line(257), given, times=[0.05], boundary=ENDS, order=4, tolerance=tolerance)
        x = line(257).coordinates()[0]
        errors.append(float(np.abs(answer.u.values[0] - 1 - x - np.exp(-0.05 * np.pi**2) * np.sin(np.pi * x)).max()))
        assert "Chebyshev" in answer.attrs["scheme"]
        assert count[0] < 6 * (16 / 3 * 256**2 * 0.05 / 3.3) / 4, count[0]  # a quarter of what Dormand and Prince's stability costs
    assert errors[0] > 3 * errors[1] > 9 * errors[2], errors
    assert errors[2] < 3e-7, errors


def test_the_answer_is_that_of_the_pair():
    given = {"u": lambda x: 1 + x + np.sin(np.pi * x), "r": 5.0, "k": lambda x: 1 + x}
    grid = line(129)
    many = solve(Reaction, grid, given, times=[0.01, 0.1], boundary=ENDS, order=2, tolerance=1e-7)
    pair = solve(Reaction, grid, given, times=[0.01, 0.1], boundary=ENDS, order=2, tolerance=1e-11)
    assert "Chebyshev" in many.attrs["scheme"]
    assert "Dormand-Prince" in pair.attrs["scheme"]
    assert np.abs(many.u.values - pair.u.values).max() < 1e-6


def test_an_end_with_a_slope_counts_as_little_of_a_steps_error_as_the_nodes_inside(monkeypatch):
    """Where the equation does not hold, the estimate would see the whole change of the end node: steps as short as the tolerance."""
    monkeypatch.setattr(affine, "MOST", 0)
    given = {"u": lambda x: 1 + np.cos(np.pi * x / 2), "k": lambda x: 1 + x}
    answer = solve(Reaction, line(65), given, times=[1.0], boundary={"x": (Neumann(0.0), Robin(2.0, 1.0))}, tolerance=1e-4)
    assert "Chebyshev" in answer.attrs["scheme"]
    assert answer.attrs["steps"] < 300  # it was 155,000


def test_what_is_not_stiff_is_left_to_the_pair(monkeypatch):
    monkeypatch.setattr(affine, "MOST", 0)
    answer = solve(Reaction, line(33), {"u": 1.0}, times=[0.01], boundary={"x": Outflow()})
    assert "Dormand-Prince" in answer.attrs["scheme"]
