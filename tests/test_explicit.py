"""The explicit pairs: their orders and error control, what it refuses, and samples that see nothing of each other but the size of steps."""

import numpy as np
import pytest

from opbench import Grid, solve
from opbench.boundary import Dirichlet, Outflow
from opbench.derivatives.finite_difference import FiniteDifference
from opbench.errors import SolverError
from opbench.field import Field
from opbench.pde import EvolutionPDE
from opbench.solver import compute, pose
from opbench.solver.explicit import BOGACKI_SHAMPINE, Lines

LINE = Grid(("x",), (33,), (0.0,), (1.0,), (False,))


class Growth(EvolutionPDE):
    """u_t = rate u^2, which blows up at t = 1 / (rate u0); an Outflow lets every node obey it."""

    dims = (1,)
    inputs = (Field("rate", uniform=True, default=1.0),)
    outputs = (Field("u"),)

    def nonlinear(self, u, given, d):
        return given["rate"] * u**2


class Diffusion(EvolutionPDE):
    """u_t = u_xx."""

    dims = (1,)
    inputs = ()
    outputs = (Field("u"),)

    def linear(self, u, given, d):
        return d.laplacian(u)


FREE = {"x": Outflow()}


def test_fixed_steps_converge_at_fifth_order():
    posed, _ = pose(Growth(), LINE, {"u": 1.0}, FREE)
    errors = []
    for steps in (32, 64, 128):
        values = compute(posed, np.linspace(0, 0.9, steps + 1), float("inf")).values["u"]
        errors.append(abs(float(values[0, -1, 0]) - 10.0))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (orders > 4.8).all(), (errors, orders)


def test_fixed_steps_of_the_loose_pair_converge_at_third_order():
    posed, _ = pose(Growth(), LINE, {"u": 1.0}, FREE)
    assert posed.initial is not None
    lines, errors = Lines(posed, FiniteDifference(LINE), 2), []
    for steps in (64, 128, 256):
        state = posed.initial
        rate = lines.rate(state)
        for _ in range(steps):
            state, rate, _ = BOGACKI_SHAMPINE.step(lines.rate, lines.impose, state, rate, 0.9 / steps)
        errors.append(abs(float(state[0, 0, 0]) - 10.0))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (orders > 2.8).all(), (errors, orders)


@pytest.mark.parametrize(("tolerance", "reach"), [(1e-4, 2.51), (1e-6, 3.31)])
def test_steps_settle_at_the_stability_limit(tolerance, reach):
    fastest = 4 * 32**2
    given = {"u": np.random.default_rng(0).standard_normal(33)}
    steps = solve(Diffusion, LINE, given, times=[1.0], boundary={"x": Outflow()}, order=2, tolerance=tolerance).attrs["steps"]
    assert steps < 1.25 * fastest / reach, (steps, fastest / reach)


def test_the_error_falls_with_the_tolerance():
    errors = [abs(float(solve(Growth, LINE, {"u": 1.0}, times=[0.9], boundary=FREE, tolerance=t).u[0, 0]) - 10) for t in (1e-4, 1e-6, 1e-8)]
    assert errors[0] > 10 * errors[1] > 100 * errors[2], errors
    assert errors[2] < 1e-5, errors


def test_a_solution_that_blows_up_is_told_with_its_time():
    with pytest.raises(SolverError, match=r"unstable at t = (0\.999\d*|1): no step"):
        solve(Growth, LINE, {"u": 1.0}, times=[2.0], boundary=FREE)


def test_all_output_times_are_met_exactly_and_do_not_move_the_answer():
    times = [0.1, 0.1000001, 0.35, 0.5]
    several = solve(Growth, LINE, {"u": 1.0}, times=times, boundary=FREE, tolerance=1e-10).u.values[:, 5]
    assert np.abs(several - 1 / (1 - np.array(times))).max() < 1e-8


def test_a_zero_state_stays_zero():
    answer = solve(Growth, LINE, {"u": 0.0}, times=[1.0], boundary={"x": Dirichlet(0.0)})
    assert np.array_equal(answer.u.values, np.zeros((1, 33)))


def test_samples_are_solved_as_they_would_be_alone():
    together = solve(Growth, LINE, {"u": np.ones((2, 33)) * [[1.0], [0.5]]}, times=[0.5], boundary=FREE, tolerance=1e-10).u.values[:, 0, 0]
    assert np.abs(together - [2.0, 2 / 3]).max() < 1e-8
