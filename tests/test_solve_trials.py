"""Problems as a user would pose them, against what is computed here by other means: collocation in Fourier's and Chebyshev's waves, stepped
by scipy, and closed forms. Axes differ in length and points, begin anywhere, and ends hold what they like."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest
from numpy import cos, exp, pi, sin
from scipy.integrate import solve_ivp
from scipy.interpolate import BarycentricInterpolator

from opbench import Grid, OpbenchError, solve
from opbench.boundary import Dirichlet, Neumann, Outflow, Robin, Wall
from opbench.solver import affine

State = dict[str, np.ndarray]


@dataclass(frozen=True)
class Waves:
    """A periodic axis of n points and then a bounded one, or the bounded one alone: points, and matrices that differentiate."""

    counts: tuple[int, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]

    @cached_property
    def axes(self) -> list[tuple[np.ndarray, np.ndarray]]:
        return [self._axis(place) for place in range(len(self.counts))]

    def _axis(self, place: int) -> tuple[np.ndarray, np.ndarray]:
        n, low, high = self.counts[place], self.lower[place], self.upper[place]
        if place == len(self.counts) - 1:  # Chebyshev's points; Trefethen, Spectral Methods in MATLAB, chapter 6
            x = -cos(pi * np.arange(n) / (n - 1))
            scale = np.where((np.arange(n) % (n - 1)) == 0, 2.0, 1.0) * (-1.0) ** np.arange(n)
            matrix = np.outer(scale, 1 / scale) / (x[:, None] - x + np.eye(n))
            return (low + high) / 2 + (high - low) / 2 * x, (matrix - np.diag(matrix.sum(1))) * 2 / (high - low)
        waves = 2j * pi / (high - low) * np.fft.fftfreq(n, 1 / n) * (np.arange(n) != n // 2)
        matrix = np.fft.ifft(waves[:, None] * np.fft.fft(np.eye(n), axis=0), axis=0).real
        return low + (high - low) * np.arange(n) / n, matrix

    def mesh(self) -> list[np.ndarray]:
        return list(np.meshgrid(*(x for x, _ in self.axes), indexing="ij"))

    def partial(self, u: np.ndarray, place: int) -> np.ndarray:
        return np.moveaxis(np.tensordot(self.axes[place][1], u, (1, place)), 0, place)

    def diffusion(self, k, u: np.ndarray) -> np.ndarray:
        return sum(self.partial(k * self.partial(u, place), place) for place in range(len(self.counts)))

    def impose(self, u: np.ndarray, ends) -> np.ndarray:
        """factor u + slope du/dn = value, ends as (factor, slope, value), at both ends of the last axis."""
        matrix, rows = self.axes[-1][1], np.zeros((2, self.counts[-1]))
        for row, end, (factor, slope, _) in zip(rows, (0, -1), ends, strict=True):
            row += slope * (1 if end else -1) * matrix[end]
            row[end] += factor
        values = np.stack([np.broadcast_to(value, u.shape[:-1]) for *_, value in ends], -1)
        u = u.copy()
        u[..., [0, -1]] = (values - u[..., 1:-1] @ rows[:, 1:-1].T) @ np.linalg.inv(rows[:, [0, -1]]).T
        return u

    def evolve(self, initial: State, rate: Callable[[State], State], ends: Mapping[str, tuple], start: float, stop: float) -> State:
        shape, names = self.mesh()[0].shape, list(initial)

        def state(y: np.ndarray) -> State:
            return {name: self.impose(u, ends[name]) for name, u in zip(names, y.reshape(-1, *shape), strict=True)}

        def change(_: float, y: np.ndarray) -> np.ndarray:
            found = rate(state(y))
            return np.stack([np.pad(found[name][..., 1:-1], [(0, 0)] * (len(shape) - 1) + [(1, 1)]) for name in names]).ravel()

        begin = np.stack([initial[name] * np.ones(shape) for name in names]).ravel()
        answer = solve_ivp(change, (start, stop), begin, method="LSODA", rtol=1e-10, atol=1e-12)
        assert answer.success, answer.message
        return state(answer.y[:, -1])

    def at(self, u: np.ndarray, grid: Grid) -> np.ndarray:
        *along, last = grid.coordinates()
        u = np.moveaxis(BarycentricInterpolator(self.axes[-1][0], np.moveaxis(u, -1, 0))(last), 0, -1)
        for x in along:
            n = self.counts[0]
            phase = 2j * pi * np.outer((x - self.lower[0]) / (self.upper[0] - self.lower[0]), np.fft.fftfreq(n, 1 / n))
            u = (exp(phase) @ np.fft.fft(u, axis=0) / n).real
        return u


def relative(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def agree(equation, waves: Waves, sizes, given, names, rate, ends, boundary, bound, start=0.0, stop=0.3, **options) -> None:
    """Errors of the unknowns, `names`, fall with the grid to below the bound."""
    mesh = waves.mesh()
    values = {name: value(*mesh) if callable(value) else value for name, value in given.items()}
    exact = waves.evolve({name: values[name] for name in names}, lambda state: rate(state, values, mesh), ends, start, stop)
    errors = []
    for shape in sizes:
        periodic = (True, False)[-len(shape) :]
        grid = Grid(("x", "y")[: len(shape)], shape, waves.lower, waves.upper, periodic)
        times = [start + (stop - start) / 7, stop]
        answer = solve(equation, grid, given, times, start=start, boundary=boundary, **options)
        errors.append(max(relative(answer[name].values[-1], waves.at(exact[name], grid)) for name in names))
    assert errors[1] < errors[0] / 6, errors
    assert errors[1] < bound, errors


ROD = Waves((30,), (-0.7,), (1.9,))
CHANNEL = Waves((24, 20), (-1.0, 0.5), (2.0, 1.3))
TURN = 2 * pi / 3
RODS, CHANNELS = ((41,), (81,)), ((24, 17), (48, 33))


def across(y):
    """From 0 to 1 across the channel."""
    return (y - 0.5) / 0.8


def test_heat_of_varying_diffusivity_between_a_flux_and_a_loss_that_starts_late():
    loss = 2 * 1.9**2 + 3.8
    agree(
        "heat",
        ROD,
        RODS,
        {"temperature": lambda x: x**2, "diffusivity": lambda x: 0.3 + 0.1 * sin(x), "source": lambda x: cos(3 * x)},
        ["temperature"],
        lambda state, g, mesh: {"temperature": ROD.diffusion(g["diffusivity"], state["temperature"]) + g["source"]},
        {"temperature": ((0, 1, 1.4), (2, 1, loss))},
        {"x": (Neumann(1.4), Robin(2.0, loss))},
        3e-6,
        start=2.0,
        stop=2.5,
    )


def test_heat_in_a_channel_whose_ends_vary_along_it():
    def loss(x):
        return 2 * (sin(TURN * x) * cos(2.6) + 1.3) + 1 - 2 * sin(TURN * x) * sin(2.6)

    x = CHANNEL.axes[0][0]
    agree(
        "heat",
        CHANNEL,
        CHANNELS,
        {
            "temperature": lambda x, y: sin(TURN * x) * cos(2 * y) + y,
            "diffusivity": lambda x, y: 0.2 + 0.05 * sin(TURN * x) * y,
            "source": lambda x, y: cos(TURN * x) + y,
        },
        ["temperature"],
        lambda state, g, mesh: {"temperature": CHANNEL.diffusion(g["diffusivity"], state["temperature"]) + g["source"]},
        {"temperature": ((1, 0, sin(TURN * x) * cos(1.0) + 0.5), (2, 1, loss(x)))},
        {"y": (Dirichlet(lambda x, y: sin(TURN * x) * cos(2 * y) + y), Robin(2.0, lambda x, y: loss(x)))},
        3e-6,
    )


def test_vector_burgers_in_a_channel_with_walls_and_under_a_lid():
    def rate(state, g, mesh):
        u, v = state["velocity_x"], state["velocity_y"]

        def change(w):
            return g["viscosity"] * CHANNEL.diffusion(1.0, w) - u * CHANNEL.partial(w, 0) - v * CHANNEL.partial(w, 1)

        return {"velocity_x": change(u), "velocity_y": change(v)}

    held, free, names = ((1, 0, 0),) * 2, ((0, 1, 0),) * 2, ["velocity_x", "velocity_y"]
    between = {
        "velocity_x": lambda x, y: 0.5 + 0.5 * sin(TURN * x) * cos(pi * across(y)),
        "velocity_y": lambda x, y: 0.4 * sin(TURN * x) * sin(pi * across(y)),
        "viscosity": 0.05,
    }
    agree("vector_burgers", CHANNEL, CHANNELS, between, names, rate, {"velocity_x": free, "velocity_y": held}, {"y": Wall()}, 1e-6)
    lid = 1 + 0.5 * cos(TURN * CHANNEL.axes[0][0])
    under = {
        "velocity_x": lambda x, y: across(y) ** 2 * (1 + 0.5 * cos(TURN * x)),
        "velocity_y": lambda x, y: 0.4 * sin(TURN * x) * sin(pi * across(y)) ** 2,
        "viscosity": 0.05,
    }
    still = {"velocity_x": Dirichlet(), "velocity_y": Dirichlet()}
    moving = still | {"velocity_x": Dirichlet(lambda x, y: 1 + 0.5 * cos(TURN * x))}
    ends = {"velocity_x": ((1, 0, 0), (1, 0, lid)), "velocity_y": held}
    agree("vector_burgers", CHANNEL, CHANNELS, under, names, rate, ends, {"y": (still, moving)}, 3e-4)


def test_gray_scott_of_varying_feed_in_a_closed_channel():
    def rate(state, g, mesh):
        u, v = state["concentration_u"], state["concentration_v"]
        return {
            "concentration_u": g["diffusivity_u"] * CHANNEL.diffusion(1.0, u) - u * v**2 + g["feed"] * (1 - u),
            "concentration_v": g["diffusivity_v"] * CHANNEL.diffusion(1.0, v) + u * v**2 - (g["feed"] + g["kill"]) * v,
        }

    given = {
        "concentration_u": lambda x, y: 1 - 0.5 * sin(TURN * x) * cos(pi * across(y)),
        "concentration_v": lambda x, y: 0.3 + 0.2 * cos(pi * across(y)),
        "feed": lambda x, y: 0.3 + 0.1 * sin(TURN * x),
        "kill": 0.1,
        "diffusivity_u": 0.02,
        "diffusivity_v": 0.05,
    }
    names = ["concentration_u", "concentration_v"]
    ends = dict.fromkeys(names, ((0, 1, 0),) * 2)
    agree("gray_scott", CHANNEL, CHANNELS, given, names, rate, ends, {"y": Neumann(0.0)}, 3e-6, stop=0.9)


def test_waves_of_varying_speed_between_walls():
    def ramp(x):
        return pi * (x + 0.7) / 2.6

    def rate(state, g, mesh):
        return {"displacement": state["velocity"], "velocity": ROD.diffusion(g["speed"] ** 2, state["displacement"])}

    given = {"displacement": lambda x: sin(2 * ramp(x)), "velocity": 0.0, "speed": lambda x: 1 + 0.3 * cos(ramp(x))}
    names = ["displacement", "velocity"]
    ends = dict.fromkeys(names, ((1, 0, 0),) * 2)
    agree("wave", ROD, RODS, given, names, rate, ends, {"x": Dirichlet(0.0)}, 3e-6, stop=0.9, order=4)


@pytest.mark.parametrize("speed", [1.3, -1.3])
def test_what_is_carried_either_way_leaves_through_the_open_end(speed):
    def bump(x):
        return exp(-8 * (x - 0.6) ** 2)

    grid = Grid(("x",), (161,), (-1.0,), (2.2,), (False,))
    ends = (Dirichlet(0.0), Outflow()) if speed > 0 else (Outflow(), Dirichlet(0.0))
    answer = solve("advection", grid, {"concentration": bump, "velocity_x": speed}, [0.2, 1.1], boundary={"x": ends}, order=4)
    assert relative(answer.concentration.values[-1], bump(grid.coordinates()[0] - speed * 1.1)) < 1e-4


@pytest.mark.parametrize(("steepening", "dispersion"), [(6.0, 1.0), (-6.0, 1.0), (6.0, -1.0), (-6.0, -1.0)])
def test_solitons_of_every_sign_keep_their_shape(steepening, dispersion):
    """u = 3 c / a sech(sqrt(c / b) (x - c t) / 2)^2, c of the sign of b."""
    grid = Grid(("x",), (255,), (-17.0,), (23.0,), (True,))
    speed = np.copysign(1.0, dispersion)

    def soliton(x, t):
        return 3 * speed / steepening / np.cosh((x - speed * t) / 2) ** 2

    given = {"elevation": lambda x: soliton(x, 0.0), "steepening": steepening, "dispersion": dispersion}
    answer = solve("kdv", grid, given, [0.3, 3.0])
    assert relative(answer.elevation.values[-1], soliton(grid.coordinates()[0], 3.0)) < 2e-6


@pytest.mark.parametrize("axis", ["x", "y"])
def test_a_pressure_drives_a_parabola_along_either_axis(axis):
    grid = Grid(("x", "y"), (13, 17), (-1.0, 0.5), (2.0, 1.3), (False, False))
    place = "xy".index(axis)
    length, width = ((high - low) for low, high in ((grid.lower[i], grid.upper[i]) for i in (place, 1 - place)))
    along, other = f"velocity_{axis}", f"velocity_{'yx'[place]}"
    still = {"velocity_x": Dirichlet(), "velocity_y": Dirichlet()}
    sides = tuple({along: Neumann(), other: Dirichlet(), "pressure": Dirichlet(p)} for p in (3.0, 1.0))
    answer = solve("stokes", grid, {"viscosity": 0.7}, boundary={axis: sides, "yx"[place]: still})
    from_wall = grid.mesh()[1 - place] - grid.lower[1 - place]
    assert relative(answer[along].values, 2 / length / 1.4 * from_wall * (width - from_wall)) < 1e-12
    assert np.abs(answer[other].values).max() < 1e-12


@pytest.mark.parametrize("order", [2, 4])
def test_poissons_equation_between_ends_of_all_kinds(order):
    def u(x, y):
        return sin(TURN * x) * exp(y) + y**2

    def u_y(x, y):
        return sin(TURN * x) * exp(y) + 2 * y

    errors = []
    for shape in ((24, 33), (48, 65)):
        grid = Grid(("x", "y"), shape, (-1.0, 0.5), (2.0, 1.3), (True, False))
        for ends in (
            (Dirichlet(u), Robin(3.0, lambda x, y: 3 * u(x, y) + u_y(x, y))),
            (Neumann(lambda x, y: -u_y(x, y)), Dirichlet(u)),
        ):
            given = {"source": lambda x, y: (TURN**2 - 1) * sin(TURN * x) * exp(y) - 2}
            errors.append(relative(solve("poisson", grid, given, boundary={"y": ends}, order=order).potential.values, u(*grid.mesh())))
    assert np.log2(errors[0] / errors[2]) > order - 0.2, errors
    assert np.log2(errors[1] / errors[3]) > order - 0.2, errors


def test_a_shock_reflected_by_a_wall_leaves_the_gas_at_rest():
    """Gas that comes at Mach 0.845 is stopped by a shock of the strength that Rankine and Hugoniot ask for."""
    gamma, speed = 1.4, -1.0
    sound = np.sqrt(gamma)
    mach = (gamma + 1) / 4 / sound + np.sqrt(((gamma + 1) / 4 / sound) ** 2 + 1)  # 1 = 2 / (gamma + 1) (M - 1 / M) c
    pressure = 1 + 2 * gamma / (gamma + 1) * (mach**2 - 1)
    density = (gamma + 1) * mach**2 / ((gamma - 1) * mach**2 + 2)
    grid = Grid(("x",), (201,), (0.0,), (1.0,), (False,))
    given = {"density": 1.0, "velocity_x": speed, "pressure": 1.0}
    answer = solve("euler", grid, given, [0.5], boundary={"x": (Wall(), Outflow())})
    behind = grid.coordinates()[0] < 0.5 * (mach * sound + speed)
    for name, value, ahead in (("density", density, 1.0), ("pressure", pressure, 1.0)):
        exact = np.where(behind, value, ahead)
        assert np.abs(answer[name].values[0] - exact).sum() / exact.sum() < 0.005, name


def test_errors_fall_with_the_tolerance(monkeypatch):
    monkeypatch.setattr(affine, "MOST", 0)
    grid = Grid(("x",), (65,), (0.0,), (1.0,), (False,))
    given = {"temperature": lambda x: x**2, "diffusivity": lambda x: 1 + x}
    ends = {"x": (Dirichlet(0.0), Neumann(2.0))}
    exact = solve("heat", grid, given, [0.02, 0.05], boundary=ends, tolerance=1e-11).temperature.values
    tolerances = (1e-3, 1e-5, 1e-7)
    errors = [relative(solve("heat", grid, given, [0.02, 0.05], boundary=ends, tolerance=t).temperature.values, exact) for t in tolerances]
    assert errors[0] > 5 * errors[1] > 25 * errors[2], errors
    assert errors[0] < 1e-3, errors


def rod(n: int) -> Grid:
    return Grid(("x",), (n,), (0.0,), (1.0,), (False,))


@pytest.mark.parametrize("n", [40, 80])
def test_heat_through_two_layers_stays_at_its_steady_state(n):
    x = rod(n).coordinates()[0]
    exact = np.where(x < 0.5, 1.5 * x, 1 - 0.5 * (1 - x))  # 0.3 times its slope left of the middle is 0.9 times that right of it
    given = {"temperature": exact, "diffusivity": lambda x: np.where(x < 0.5, 0.3, 0.9)}
    answer = solve("heat", rod(n), given, [0.2, 1.0], boundary={"x": (Dirichlet(0.0), Dirichlet(1.0))})
    assert np.abs(answer.temperature.values - exact).max() < 1e-7


@pytest.mark.parametrize("ends", [Neumann(0.0), (Dirichlet(0.0), Dirichlet(1.0)), (Dirichlet(0.0), Robin(1.0))])
@pytest.mark.parametrize("jump", [5.0, 10.0, 100.0])
def test_heat_across_a_jump_never_leaves_what_it_starts_between(ends, jump):
    given = {"temperature": lambda x: x, "diffusivity": lambda x: np.where(abs(x - 0.5) < 0.2, 1.0, 1 / jump)}
    values = solve("heat", rod(41), given, [0.05, 0.2], boundary={"x": ends}).temperature.values
    assert -1e-9 <= values.min() <= values.max() <= 1 + 1e-9


def test_heat_keeps_its_accuracy_where_the_diffusivity_is_smooth():
    given = {"temperature": lambda x: np.sin(3 * x), "diffusivity": lambda x: 1 + 0.5 * np.sin(4 * x)}
    boundary = {"x": (Dirichlet(0.0), Robin(1.0, 0.5))}
    coarse, fine = (solve("heat", rod(n), given, [0.05], boundary=boundary).temperature.values[0] for n in (41, 161))
    assert np.abs(coarse - fine[::4]).max() < 1e-4
    assert "order 4" in solve("heat", rod(41), given, [0.05], boundary=boundary).attrs["scheme"]


STEP = {"temperature": 1.0, "diffusivity": lambda x: 1.0 + (x > 0.5)}
WARM = {"temperature": 1.0, "diffusivity": 1.0}
STRING = {"displacement": lambda x: x, "velocity": 0.0, "speed": 1.0}
SLOPE = {"velocity": lambda x: x}


@pytest.mark.parametrize(
    ("equation", "given", "options", "message"),
    [
        ("heat", STEP, {"order": 4}, "order 4 is wrong between ends where a coefficient jumps"),
        ("wave", STRING, {"boundary": {"x": Outflow()}}, "Outflow would send its waves back"),
        ("kuramoto_sivashinsky", SLOPE, {"boundary": {"x": Neumann(0.0)}}, "derivatives of order 4, which one condition"),
        ("kdv", {"elevation": lambda x: x}, {}, "derivatives of order 3, which one condition"),
        ("heat", WARM, {"boundary": {"x": Dirichlet(np.ones(33))}}, "an end of a line is a point"),
        ("heat", WARM, {"times": np.ones((2, 2))}, "times must be a sequence of numbers"),
    ],
)
def test_what_the_ends_do_not_determine_is_refused_in_a_line(equation, given, options, message):
    with pytest.raises(OpbenchError, match=message) as told:
        solve(equation, rod(33), given, **({"times": [0.1], "boundary": {"x": (Dirichlet(1.0), Neumann(0.5))}} | options))
    assert "\n" not in str(told.value)


def test_a_periodic_source_must_balance():
    ring = Grid(("x",), (64,), (0.0,), (1.0,), (True,))
    wave = (2 * pi) ** 2 * sin(2 * pi * ring.coordinates()[0])
    assert np.abs(solve("poisson", ring, {"source": wave}).potential.values).max() == pytest.approx(1.0, rel=1e-2)
    with pytest.raises(OpbenchError, match="do not balance"):
        solve("poisson", ring, {"source": wave + 1.0})
