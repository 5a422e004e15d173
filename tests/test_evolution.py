"""Time stepping: its order, its error control, and what it refuses."""

import numpy as np
import pytest
import torch

from opbench import Grid, solve
from opbench.derivatives.circulant import Circulant
from opbench.errors import SolverError
from opbench.field import Field
from opbench.pde import EvolutionPDE
from opbench.pdes.burgers import Burgers
from opbench.solver.evolution import Semidiscrete, _step, coefficients, phi

LINE = Grid(("x",), (64,), (0.0,), (1.0,), (True,))


class Heat(EvolutionPDE):
    """u_t = u_xx."""

    dims = (1, 2)
    inputs = ()
    outputs = (Field("temperature", "K"),)

    def linear(self, u, given, d):
        return d.laplacian(u)


class Oscillator(EvolutionPDE):
    """Two unknowns, u_t = v, v_t = -u, at every point."""

    dims = (1,)
    inputs = ()
    outputs = (Field("u"), Field("v"))

    def nonlinear(self, unknown, given, d):
        return {"u": unknown["v"], "v": -unknown["u"]}


def burgers(viscosity: float = 0.02) -> tuple[Semidiscrete, torch.Tensor]:
    initial = torch.sin(2 * torch.pi * torch.as_tensor(LINE.coordinates()[0]))[None]
    given = {"velocity": initial, "viscosity": torch.full((1, 1), viscosity, dtype=torch.float64)}
    return Semidiscrete(Burgers(), Circulant(LINE, 8), given), torch.fft.rfft(initial)[None]


def march(steps: int) -> torch.Tensor:
    system, state = burgers()
    c = coefficients(system.symbol, 0.2 / steps)
    rate = system.nonlinear(state)
    for _ in range(steps):
        state, rate, _ = _step(system, state, rate, c)
    return state


def test_fixed_steps_converge_at_fourth_order():
    best = march(640)
    errors = [float((march(n) - best).norm() / best.norm()) for n in (20, 40, 80)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (orders > 3.9).all(), f"errors {errors}, orders {orders}"


@pytest.mark.parametrize("z", [1e-9, -1e-3, -0.5, -0.999, -1.001, -30.0, -1e4, 0.7j, 3j, -200j])
def test_phi_functions_agree_with_long_arithmetic(z):
    from mpmath import mp, mpc, mpf

    mp.dps = 60
    exact = mpc(z) if isinstance(z, complex) else mpf(z)
    one = (mp.exp(exact) - 1) / exact
    two = (one - 1) / exact
    three = (two - mpf(1) / 2) / exact
    for ours, theirs in zip(phi(torch.tensor([z], dtype=torch.complex128)), (one, two, three), strict=True):
        assert abs(complex(ours[0]) - complex(theirs)) < 1e-13 * abs(complex(theirs))


class Coupled(Oscillator):
    """The same, with its coupling where it does not belong."""

    def linear(self, unknown, given, d):
        return {"u": unknown["v"], "v": -unknown["u"]}


class Varying(Heat):
    """u_t = k(x) u_xx, with its coefficient where it does not belong."""

    inputs = (Field("conductivity"),)

    def linear(self, u, given, d):
        return given["conductivity"] * d.laplacian(u)


@pytest.mark.parametrize(
    ("pde", "given"), [(Coupled, {"u": 1.0, "v": 0.0}), (Varying, {"temperature": 1.0, "conductivity": 2 + np.sin(np.arange(64))})]
)
def test_a_linear_part_that_no_symbol_can_hold_is_refused(pde, given):
    with pytest.raises(SolverError, match="move such terms to `nonlinear`"):
        solve(pde, LINE, given, times=[1.0])


def test_a_purely_linear_equation_is_exact_in_time():
    x = LINE.coordinates()[0]
    answer = solve(Heat, LINE, {"temperature": np.cos(2 * np.pi * x)}, times=[0.05], tolerance=1e-3)
    symbol = Circulant(LINE, 8)._laplacian[1].item()
    assert np.abs(answer.temperature.values[0] - np.exp(0.05 * symbol) * np.cos(2 * np.pi * x)).max() < 1e-12
    assert answer.attrs["steps"] == 1


def test_several_unknowns_are_passed_by_name():
    answer = solve(Oscillator, LINE, {"u": 1.0, "v": 0.0}, times=[0.0, 1.0, 2.5], tolerance=1e-10)
    assert np.abs(answer.u.values[:, 0] - np.cos([0, 1, 2.5])).max() < 1e-8
    assert np.abs(answer.v.values[:, 5] + np.sin([0, 1, 2.5])).max() < 1e-8


@pytest.mark.parametrize("tolerance", [1e-5, 1e-7, 1e-9])
def test_the_time_error_follows_the_tolerance(tolerance):
    x = LINE.coordinates()[0]
    given = {"velocity": np.sin(2 * np.pi * x), "viscosity": 0.02}
    best = solve("burgers", LINE, given, times=[0.5], tolerance=1e-13).velocity.values
    error = np.linalg.norm(solve("burgers", LINE, given, times=[0.5], tolerance=tolerance).velocity.values - best) / np.linalg.norm(best)
    assert error < 10 * tolerance, f"error {error:.1e} at tolerance {tolerance:.0e}"


def test_steps_adapt_to_the_front_and_relax_after_it():
    system, state = burgers(0.005)
    initial = torch.fft.irfft(state[0], n=64)
    from opbench.solver.evolution import evolve

    steps = [evolve(system, initial[None], [0.0, t], 1e-8)[1] for t in (0.25, 0.5, 4.0)]
    early, late = steps[0] / 0.25, (steps[2] - steps[1]) / 3.5
    assert late < early / 2, f"steps a time unit: {early} early, {late} late"


def test_uneven_output_times_do_not_change_the_answer():
    x = LINE.coordinates()[0]
    given = {"velocity": np.sin(2 * np.pi * x), "viscosity": 0.02}
    even = solve("burgers", LINE, given, times=[0.25, 0.5], tolerance=1e-10).velocity.values
    uneven = solve("burgers", LINE, given, times=[0.001, 0.25, 0.26, 0.5], tolerance=1e-10).velocity.values
    assert np.abs(even - uneven[[1, 3]]).max() < 1e-8


def test_an_unstable_solve_says_when_and_what_to_do():
    with pytest.raises(SolverError, match=r"unstable at t = .*refine the grid"):
        solve("burgers", LINE, {"velocity": np.sin(2 * np.pi * LINE.coordinates()[0]), "viscosity": -1.0}, times=[1.0])
