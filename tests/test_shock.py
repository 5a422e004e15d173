"""Conservation laws with jumps: orders where smooth, honest rates at shocks, no oscillation, positive states, ends, and plain refusals."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from exact import euler, shallow_water
from opbench import Grid, OpbenchError, solve
from opbench.boundary import Dirichlet, Neumann, Outflow, Robin, Wall
from opbench.errors import SolverError
from opbench.field import Field
from opbench.find import find, names
from opbench.pde import PDE, ConservationLaw
from opbench.solver import pose, weno
from opbench.solver.shock import Balance, conserve

GAS = ("density", "velocity_x", "pressure")
SOD = ((1.0, 0.0, 1.0), (0.125, 0.0, 0.1))
LAWS = [name for name in names("pdes") if issubclass(find("pdes", name, PDE), ConservationLaw)]


@dataclass(frozen=True)
class Inviscid(ConservationLaw):
    """u_t + (u^2 / 2)_x = 0."""

    dims = (1,)
    inputs = ()
    outputs = (Field("velocity"),)

    def flux(self, u, /, given, axis):
        return u**2 / 2

    def speed(self, u, /, given, axis):
        return abs(u)


@dataclass(frozen=True)
class Traffic(ConservationLaw):
    """u_t + (a(x) u)_x = 0."""

    dims = (1,)
    inputs = (Field("limit"),)
    outputs = (Field("density", positive=True),)

    def flux(self, u, /, given, axis):
        return given["limit"] * u

    def speed(self, u, /, given, axis):
        return given["limit"]


def bounded(n: int) -> Grid:
    return Grid(("x",), (n,), (0.0,), (1.0,), (False,))


def tube(n: int, left=SOD[0], right=SOD[1]) -> dict[str, np.ndarray]:
    return {name: np.where(bounded(n).coordinates()[0] < 0.5, a, b) for name, a, b in zip(GAS, left, right, strict=True)}


def variation(values: np.ndarray) -> float:
    return float(np.abs(np.diff(values)).sum())


@pytest.mark.parametrize("order", [3, 5])
def test_a_density_wave_shows_the_order_where_steps_are_short(order):
    errors = []
    for n in (40, 80, 160):
        grid = euler.line(n)
        posed, _ = pose(find("pdes", "euler", PDE)(), grid, euler.DENSITY_WAVE.given(grid))
        values, _ = conserve(Balance(posed, order), (0.0, 0.1), courant=0.1)
        errors.append(np.abs(values[-1, 0, 0].numpy() - euler.wave(grid.coordinates()[0] - 0.1)).mean())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders[-1] > order - 0.1, f"errors {errors}, orders {orders}"


@pytest.mark.parametrize("order", [3, 5])
def test_a_diagonal_wave_shows_the_order_in_two_dimensions(order):
    errors = []
    for n in (16, 32, 64):
        grid = Grid(("x", "y"), (n, n), (0.0, 0.0), (1.0, 1.0), (True, True))
        x, y = grid.mesh()
        given = {"density": euler.wave(x + y), "velocity_x": 1.0, "velocity_y": -0.5, "pressure": 1.0}
        answer = solve("euler", grid, given, times=[0.1], order=order)
        errors.append(np.abs(answer.density.values[0] - euler.wave(x + y - 0.05)).mean())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders[-1] > order - 0.1, f"errors {errors}, orders {orders}"


@pytest.mark.parametrize(("order", "bound"), [(3, 2.5e-3), (5, 1.8e-3)])
def test_errors_of_sods_tube_fall_like_the_spacing_in_the_mean(order, bound):
    errors = []
    for n in (100, 200, 400):
        answer = solve("euler", bounded(n), tube(n), times=[0.2], boundary={"x": Outflow()}, order=order)
        exact = euler.riemann(*SOD, (bounded(n).coordinates()[0] - 0.5) / 0.2)
        errors.append(np.abs(answer.density.values[0] - exact["density"]).mean())
    rates = np.log2(np.array(errors[:-1]) / errors[1:])
    assert rates.min() > 0.85, f"errors {errors}, rates {rates}"
    assert errors[-1] < bound, errors


@pytest.mark.parametrize("order", [3, 5])
def test_sods_tube_oscillates_by_a_hundredth_at_most(order):
    answer = solve("euler", bounded(200), tube(200), times=[0.2], boundary={"x": Outflow()}, order=order)
    exact = euler.riemann(*SOD, (bounded(200).coordinates()[0] - 0.5) / 0.2)
    excess = {name: variation(answer[name].values[0]) / variation(exact[name]) - 1 for name in GAS}
    assert max(excess.values()) < 0.01, excess


def test_a_single_law_carries_its_shock_at_the_right_speed_and_opens_a_fan():
    grid = bounded(201)
    x = grid.coordinates()[0]
    block = np.where((x > 0.2025) & (x < 0.5025), 1.0, 0.0)  # jumps midway between nodes
    answer = solve(Inviscid, grid, {"velocity": block}, times=[0.3], boundary={"x": Outflow()}).velocity.values[0]
    exact = np.where(x < 0.6525, np.clip((x - 0.2025) / 0.3, 0, 1), 0.0)  # the shock runs with speed 1/2
    assert np.abs(answer - exact).mean() < grid.spacing[0]
    assert variation(answer) < 2 + 2e-3
    assert answer.min() > -1e-3


def test_a_sonic_rarefaction_holds_no_shock():
    grid = bounded(200)
    x = grid.coordinates()[0]
    answer = solve(Inviscid, grid, {"velocity": np.where(x < 0.5, -1.0, 1.0)}, times=[0.2], boundary={"x": Outflow()}).velocity.values[0]
    assert np.abs(answer - np.clip((x - 0.5) / 0.2, -1, 1)).max() < 0.05
    assert np.diff(answer).max() < 2 * grid.spacing[0] / 0.2


def test_a_coefficient_that_varies_holds_a_steady_state():
    errors = []
    for n in (20, 40, 80):
        x = euler.line(n).coordinates()[0]
        limit = 1 + 0.3 * np.sin(2 * np.pi * x)
        answer = solve(Traffic, euler.line(n), {"density": 1 / limit, "limit": limit}, times=[0.5])
        errors.append(np.abs(answer.density.values[0] - 1 / limit).max())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders[-1] > 4.9, f"errors {errors}, orders {orders}"


@pytest.mark.parametrize("order", [3, 5])
@pytest.mark.parametrize("speed", [2.0, 20.0])
def test_gas_that_is_torn_apart_keeps_positive_density_and_pressure(order, speed):
    given = tube(100, (1.0, -speed, 0.4), (1.0, speed, 0.4))
    answer = solve("euler", bounded(100), given, times=[0.3 / speed], boundary={"x": Outflow()}, order=order)
    assert 0 < float(answer.density.min()) < 0.1, float(answer.density.min())
    assert float(answer.pressure.min()) > 0


@pytest.mark.parametrize("order", [3, 5])
def test_a_blast_into_cold_gas_keeps_positive_pressure_mass_energy_and_symmetry(order):
    grid = Grid(("x", "y"), (25, 25), (0.0, 0.0), (1.0, 1.0), (False, False))
    given = {"density": 1.0, "velocity_x": 0.0, "velocity_y": 0.0, "pressure": np.where(np.hypot(*grid.mesh()) < 0.1, 1e6, 1e-8)}
    answer = solve("euler", grid, given, times=[0.0, 2e-4], boundary={"x": Wall(), "y": Wall()}, order=order)
    values = {str(name): array.values for name, array in answer.items()}
    assert values["pressure"].min() > 0
    assert values["density"][1].max() > 1.5, "no shock formed"
    for quantity in ("mass", "energy"):
        before, after = euler.total(quantity)(values, grid)
        assert abs(after / before - 1) < 1e-12, (quantity, before, after)
    assert np.abs(values["density"] - values["density"].swapaxes(1, 2)).max() < 1e-11
    assert np.abs(values["velocity_x"] - values["velocity_y"].swapaxes(1, 2)).max() < 1e-9 * np.abs(values["velocity_x"]).max()


@pytest.mark.parametrize("order", [3, 5])
def test_water_runs_onto_nearly_dry_ground(order):
    grid = bounded(100)
    given = {"depth": np.where(grid.coordinates()[0] < 0.3, 1.0, 1e-5), "velocity_x": 0.0}
    answer = solve("shallow_water", grid, given, times=[0.2], boundary={"x": Outflow()}, order=order)
    assert float(answer.depth.min()) > 0
    assert 1.5 < float(answer.velocity_x.max()) < 2.0, "the front of a dam break on dry ground runs at 2 sqrt(g h)"


def test_gas_between_walls_is_half_of_a_mirrored_periodic_gas(monkeypatch):
    monkeypatch.setattr(weno, "FLOORS", {5: 0.0})  # means over half and whole lines differ a little
    n = 40
    half, whole = bounded(n + 1), Grid(("x",), (2 * n,), (0.0,), (2.0,), (True,))
    x = half.coordinates()[0]
    wavy = {"density": 1 + 0.5 * np.cos(np.pi * x) * (x < 0.6), "velocity_x": np.sin(2 * np.pi * x), "pressure": 1 + (x > 0.3)}
    mirrored = {name: np.concatenate([v, (-1 if name == "velocity_x" else 1) * v[-2:0:-1]]) for name, v in wavy.items()}
    between = solve("euler", half, wavy, times=[0.3], boundary={"x": Wall()})
    around = solve("euler", whole, mirrored, times=[0.3])
    for name in GAS:
        assert np.abs(between[name].values[0] - around[name].values[0, : n + 1]).max() < 1e-12, name


def test_the_mirrored_and_the_turned_problem_have_the_mirrored_and_the_turned_answer():
    grid = Grid(("x", "y"), (24, 24), (0.0, 0.0), (1.0, 1.0), (False, False))
    x, y = grid.mesh()
    given = {"depth": np.where(x + 2 * y < 1, 2.0, 0.5), "velocity_x": 0.3 * x, "velocity_y": -0.2 * y * x}
    open_ends = {"x": Outflow(), "y": Outflow()}
    plain, turned, mirrored = (
        solve("shallow_water", grid, changed, times=[0.2], boundary=open_ends)
        for changed in (
            given,
            {"depth": given["depth"].T, "velocity_x": given["velocity_y"].T, "velocity_y": given["velocity_x"].T},
            {
                "depth": given["depth"][::-1].copy(),
                "velocity_x": -given["velocity_x"][::-1],
                "velocity_y": given["velocity_y"][::-1].copy(),
            },
        )
    )
    assert np.abs(plain.depth.values[0] - turned.depth.values[0].T).max() < 1e-13
    assert np.abs(plain.velocity_x.values[0] - turned.velocity_y.values[0].T).max() < 1e-13
    assert np.abs(plain.velocity_x.values[0] + mirrored.velocity_x.values[0, ::-1]).max() < 1e-13


def test_the_fastest_sample_is_solved_as_alone_and_a_slower_one_differs_by_shorter_steps_only():
    both = {name: np.stack([tube(100)[name], 0.2 * tube(100)[name] if name == "pressure" else tube(100)[name]]) for name in GAS}
    times, boundary = [0.05, 0.1], {"x": Outflow()}
    together = solve("euler", bounded(100), both, times, boundary=boundary)
    fast, slow = (solve("euler", bounded(100), {name: v[i] for name, v in both.items()}, times, boundary=boundary) for i in (0, 1))
    assert np.abs(together.density.values[0] - fast.density.values).max() < 1e-13
    assert np.abs(together.density.values[1] - slow.density.values).mean() < 2e-4
    assert together.attrs["steps"] == fast.attrs["steps"] > slow.attrs["steps"]


def test_what_a_dirichlet_end_holds_flows_in_and_what_meets_an_open_end_flows_out():
    grid = bounded(101)
    x = grid.coordinates()[0]
    inflow = {"density": Dirichlet(2.0), "velocity_x": Dirichlet("wind"), "pressure": Dirichlet(1.0)}
    given = {"density": 1.0, "velocity_x": 3.0, "pressure": 1.0, "wind": 3.0}
    answer = solve("euler", grid, given, times=[0.2, 1.0], boundary={"x": (inflow, Outflow())})
    assert np.abs(answer.density.values[0] - np.where(x < 0.6, 2.0, 1.0)).mean() < 0.02
    assert np.abs(answer.density.values[1] - 2.0).max() < 1e-3
    assert np.abs(answer.pressure.values - 1.0).max() < 1e-9


def test_little_of_a_sound_wave_comes_back_from_an_open_end_and_all_from_a_wall():
    grid = bounded(201)
    x = grid.coordinates()[0]
    pulse = 0.01 * np.exp(-(((x - 0.5) / 0.05) ** 2))
    given = {"depth": 1 + pulse, "velocity_x": 0.0}
    back = {}
    for name, end in {"open": Outflow(), "wall": Wall(), "even": {"depth": Neumann(), "velocity_x": Dirichlet()}}.items():
        back[name] = float(np.abs(solve("shallow_water", grid, given, times=[1.0], boundary={"x": end}).depth.values - 1).max())
    assert back["open"] < 0.02 * back["wall"], back
    assert back["wall"] == pytest.approx(0.01, rel=0.05)
    assert back["even"] == back["wall"]


@pytest.mark.parametrize("name", LAWS)
def test_still_and_uniform_states_stay(name):
    pde = find("pdes", name, PDE)()
    axes = ("x", "y")[: max(pde.dims)]
    grid = Grid(axes, *([value] * len(axes) for value in (12, 0.0, 1.0, False)))
    for wind in (0.0, 0.7):
        given = {field.name: 1.3 if field.positive else wind for field in pde.outputs}
        answer = solve(name, grid, given, times=[1.0], boundary=dict.fromkeys(axes, Outflow()))
        assert all(np.abs(answer[key].values - value).max() < 1e-13 for key, value in given.items())


@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize("name", [name for name in LAWS if len(find("pdes", name, PDE).outputs) > 1])
def test_waves_are_eigenvectors_of_the_flux_and_lead_back(name, axis):
    pde = find("pdes", name, PDE)()
    generator = torch.Generator().manual_seed(3)
    fields = pde.outputs_on(("x", "y"))
    state = {f.name: torch.rand(7, dtype=torch.float64, generator=generator) + (0.5 if f.positive else -0.5) for f in fields}
    given = {f.name: torch.tensor(f.default, dtype=torch.float64) for f in pde.inputs}
    conserved = pde.conserved(state, given)
    for key, value in pde.state(conserved, given).items():
        assert torch.allclose(value, state[key], rtol=1e-13, atol=1e-13)
    split, join = pde.waves(state, given, axis)
    fastest = pde.speed(state, given, axis)

    def flux(*quantities: torch.Tensor) -> tuple[torch.Tensor, ...]:
        flux = pde.flux(pde.state(dict(zip(conserved, quantities, strict=True)), given), given, axis)
        return tuple(flux[key] for key in conserved)

    for k in range(len(fields)):
        alone = [torch.full((7,), float(i == k), dtype=torch.float64) for i in range(len(fields))]
        wave = join(alone)
        assert all(torch.allclose(back, there, atol=1e-13) for back, there in zip(split(wave), alone, strict=True))
        changed = torch.autograd.functional.jvp(flux, tuple(conserved.values()), tuple(wave[key] for key in conserved))[1]
        amplitudes = split(dict(zip(conserved, changed, strict=True)))
        others = [float(amplitude.abs().max()) for i, amplitude in enumerate(amplitudes) if i != k]
        assert max(others) < 1e-12, (k, others)
        assert bool((amplitudes[k].abs() <= fastest + 1e-12).all())


def test_riemann_solvers_of_the_tests_satisfy_the_jump_conditions():
    """Across every jump of the exact solutions, the flux changes by the speed times what is conserved."""
    speed = np.linspace(-3, 3, 200001)
    for law, values in (
        ("euler", euler.riemann((1.0, 0.4, 1.0), (0.5, -1.0, 2.0), speed)),
        ("shallow_water", shallow_water.riemann((1.0, 0.0), (0.2, -0.5), speed)),
    ):
        pde = find("pdes", law, PDE)()
        given = {f.name: torch.tensor(f.default, dtype=torch.float64) for f in pde.inputs}
        state = {name: torch.as_tensor(v) for name, v in values.items()}
        conserved, flux = pde.conserved(state, given), pde.flux(state, given, "x")
        found = 0
        for i in np.nonzero(np.abs(np.diff(next(iter(values.values())))) > 0.01)[0]:
            found += 1
            for name in conserved:
                jump = float(flux[name][i + 1] - flux[name][i]) - speed[i] * float(conserved[name][i + 1] - conserved[name][i])
                assert abs(jump) < 1e-3, (law, name, speed[i], jump)
        assert found >= 1, law


@pytest.mark.parametrize(
    ("change", "options", "says"),
    [
        ({"density": -1.0}, {}, r"'density' must be positive, its smallest value is -1"),
        ({}, {"order": 4}, r"order 3 or 5, got order 4"),
        ({}, {"scheme": "spectral"}, r"conservation law"),
        (
            {},
            {"boundary": {"x": {**dict.fromkeys(GAS, Outflow()), "pressure": Robin(1.0)}}},
            r"'pressure' at the lower end of x.*got Robin",
        ),
        ({}, {"boundary": {"x": {**dict.fromkeys(GAS, Outflow()), "pressure": Neumann(2.0)}}}, r"Neumann\(0.0\).*got Neumann"),
        ({}, {"boundary": {"x": Dirichlet(0.0)}}, r"'density' must be positive"),
    ],
)
def test_what_cannot_be_solved_is_refused_in_one_line(change, options, says):
    with pytest.raises(OpbenchError, match=says) as caught:
        solve("euler", bounded(21), tube(21) | change, times=[0.1], **({"boundary": {"x": Outflow()}} | options))
    assert "\n" not in str(caught.value)


def test_a_grid_too_coarse_to_be_reflected_is_refused():
    with pytest.raises(OpbenchError, match="3 points, and the stencil needs 4 or more"):
        solve("euler", bounded(3), tube(3), times=[0.1], boundary={"x": Wall()})


def test_signals_that_run_away_are_told_of():
    x = bounded(400).coordinates()[0]
    given = {"depth": np.where(x < 0.3, 1.0, 1e-12), "velocity_x": 0.0}
    with pytest.raises(SolverError, match="signals run away at t ="):
        solve("shallow_water", bounded(400), given, times=[0.2], boundary={"x": Outflow()})


def test_burgers_without_viscosity_is_a_conservation_law_unless_an_even_order_is_asked_for():
    ring = Grid(("x",), (128,), (0.0,), (2.0,), (True,))
    block = {"velocity": lambda x: 1.0 * (x < 1)}
    still = solve("burgers", ring, block | {"viscosity": 0.0}, [0.4])
    np.testing.assert_array_equal(still.velocity, solve("inviscid_burgers", ring, block, [0.4]).velocity)
    assert -1e-3 < still.velocity.min() < still.velocity.max() < 1.001, "a fan and a shock between 0 and 1"
    wave = {"velocity": lambda x: 0.5 + 0.1 * np.sin(np.pi * x), "viscosity": 0.0}
    schemes = [solve("burgers", ring, wave, [0.4], order=order).scheme for order in (None, 5, 8)]
    assert ["WENO" in scheme for scheme in schemes] == [True, True, False], schemes
    some = solve("burgers", ring, wave | {"viscosity": [0.0, 0.01]}, [0.4]).scheme
    assert "WENO" not in some, "one sample is damped"
