"""Euler's equations by Toro's exact Riemann solver, an advected density wave and an isentropic vortex."""

from typing import Any

import numpy as np
from scipy.optimize import brentq

from opbench.boundary import Outflow, Wall
from opbench.grid import Grid
from opbench.solver.verification import Case, Invariant

GAMMA = 1.4
TORO = "Toro, Riemann Solvers and Numerical Methods for Fluid Dynamics (2009)"
State = tuple[float, float, float]  # density, velocity, pressure


def riemann(left: State, right: State, speed: np.ndarray, gamma: float = GAMMA) -> dict[str, np.ndarray]:
    """The solution of a jump at x = 0, t = 0 where x / t = speed; no vacuum may open.

    Source: Toro, chapter 4: the pressure between the waves is the root of equation 4.5; each wave is a shock (4.50 to 4.53) or a
    rarefaction (4.53 to 4.56).
    """
    ends = [(-1, *left), (1, *right)]

    def change(pressure: float, density: float, own: float) -> float:
        """Of the velocity across a wave that leads from `own` to `pressure`."""
        if pressure > own:
            return (pressure - own) * np.sqrt(2 / density / ((gamma + 1) * pressure + (gamma - 1) * own))
        return 2 * np.sqrt(gamma * own / density) / (gamma - 1) * ((pressure / own) ** ((gamma - 1) / (2 * gamma)) - 1)

    def gap(pressure: float) -> float:
        return sum(side * velocity + change(pressure, density, own) for side, density, velocity, own in ends)

    middle = float(brentq(gap, 1e-12, 1e3 * max(left[2], right[2]), xtol=1e-14, rtol=1e-14))  # pyright: ignore[reportArgumentType]
    contact = right[1] + change(middle, right[0], right[2])
    sides = [_wave(side, density, velocity, own, middle, contact, speed, gamma) for side, density, velocity, own in ends]
    values = np.where(speed < contact, *sides)
    return dict(zip(("density", "velocity_x", "pressure"), values, strict=True))


def _wave(side, density, velocity, own, middle, contact, speed, gamma):
    """The wave that runs to the left (side -1) or right (1), as if it ran to the right; (3, *speed.shape)."""
    speed, velocity, contact = side * speed, side * velocity, side * contact
    sound, ratio, k = np.sqrt(gamma * own / density), middle / own, (gamma - 1) / (gamma + 1)
    outer = np.array([density, velocity, own])
    if middle > own:
        inner = np.array([density * (ratio + k) / (k * ratio + 1), contact, middle])
        shock = velocity + sound * np.sqrt((gamma + 1) / (2 * gamma) * ratio + (gamma - 1) / (2 * gamma))
        values = np.where(speed > shock, outer[:, None], inner[:, None])
    else:
        inner = np.array([density * ratio ** (1 / gamma), contact, middle])
        tail = contact + sound * ratio ** ((gamma - 1) / (2 * gamma))
        inside = np.clip(speed, tail, velocity + sound)
        cooling = 2 / (gamma + 1) - k / sound * (velocity - inside)  # of the speed of sound, from the head on
        fan = [density * cooling ** (2 / (gamma - 1)), 2 / (gamma + 1) * (-sound + (gamma - 1) / 2 * velocity + inside)]
        fan = np.stack([*fan, own * cooling ** (2 * gamma / (gamma - 1))])
        values = np.where(speed > velocity + sound, outer[:, None], np.where(speed < tail, inner[:, None], fan))
    return values * np.array([1, side, 1])[:, None]


def tube(name: str, left: State, right: State, time: float, bound: float, rate: float | None) -> Case:
    """A jump in the middle of [0, 1], midway between two nodes where their number is even.

    In relative L2 errors at a shock fall like h^(1/2), whatever the scheme's order: one node of it is wrong.
    """

    def given(grid: Grid) -> dict[str, np.ndarray]:
        names = ("density", "velocity_x", "pressure")
        return {name: np.where(grid.coordinates()[0] < 0.5, a, b) for name, a, b in zip(names, left, right, strict=True)}

    return Case(
        name=f"in 1-D, {name}",
        source=f"{TORO}, section 4.3.3: an exact Riemann solver, the jump in the middle",
        grid=lambda n: Grid(("x",), (n,), (0.0,), (1.0,), (False,)),
        given=given,
        exact=lambda grid: {key: v[None] for key, v in riemann(left, right, (grid.coordinates()[0] - 0.5) / time).items()},
        sizes=(100, 200, 400),
        bound=bound,
        times=(time,),
        rate=rate,
        boundary={"x": Outflow()},
    )


TUBES = (
    tube("Sod's tube", (1.0, 0.0, 1.0), (0.125, 0.0, 0.1), 0.2, bound=0.035, rate=0.5),
    tube("two rarefactions, near vacuum (Toro 2)", (1.0, -2.0, 0.4), (1.0, 2.0, 0.4), 0.15, bound=0.03, rate=None),
    tube("half a blast wave (Toro 3)", (1.0, 0.0, 1000.0), (1.0, 0.0, 0.01), 0.012, bound=0.15, rate=0.5),
    tube("two colliding shocks (Toro 4)", (5.99924, 19.5975, 460.894), (5.99242, -6.19633, 46.0950), 0.035, bound=0.07, rate=0.5),
)


def line(n: int) -> Grid:
    return Grid(("x",), (n,), (0.0,), (1.0,), (True,))


def wave(x: np.ndarray) -> np.ndarray:
    return 1 + 0.5 * np.sin(2 * np.pi * x)


DENSITY_WAVE = Case(
    name="in 1-D, a density wave carried once around",
    source="closed form: with one velocity and pressure everywhere the density is carried along unchanged",
    grid=line,
    given=lambda grid: {"density": wave(grid.coordinates()[0]), "velocity_x": 1.0, "pressure": 1.0},
    exact=lambda grid: {"density": wave(grid.coordinates()[0])[None]},
    sizes=(25, 50, 100),
    bound=1e-7,
    times=(1.0,),
    rate=5.0,
)

STRENGTH = 5.0


def torus(n: int) -> Grid:
    return Grid(("x", "y"), (n, n), (-5.0, -5.0), (5.0, 5.0), (True, True))


def vortex(grid: Grid, time: float) -> dict[str, np.ndarray]:
    """A vortex of uniform entropy, carried along the diagonal with velocity (1, 1).

    Source: Shu, in Advanced Numerical Approximation of Nonlinear Hyperbolic Equations, Springer (1998).
    """
    x, y = (np.mod(z - time + 5, 10) - 5 for z in grid.mesh())
    turn = STRENGTH / (2 * np.pi) * np.exp((1 - x**2 - y**2) / 2)
    temperature = 1 - (GAMMA - 1) / (2 * GAMMA) * turn**2
    density = temperature ** (1 / (GAMMA - 1))
    return {"density": density, "velocity_x": 1 - turn * y, "velocity_y": 1 + turn * x, "pressure": density * temperature}


VORTEX = Case(
    name="in 2-D, an isentropic vortex",
    source="closed form: Shu, in Advanced Numerical Approximation of Nonlinear Hyperbolic Equations (1998)",
    grid=torus,
    given=lambda grid: vortex(grid, 0.0),
    exact=lambda grid: {name: values[None] for name, values in vortex(grid, 1.0).items()},
    sizes=(24, 48, 96),
    bound=2e-5,
    times=(1.0,),
    rate=4.8,
)

CASES = (*TUBES, DENSITY_WAVE, VORTEX)


def total(name: str):
    """The sum of a conserved quantity over the domain, half a spacing for each end node: what reflecting walls keep."""

    def quantity(values, grid: Grid) -> np.ndarray:
        velocity = {key: value for key, value in values.items() if key.startswith("velocity")}
        energy = values["pressure"] / (GAMMA - 1) + values["density"] * sum(v**2 for v in velocity.values()) / 2
        summed = {"mass": values["density"], "energy": energy} | {
            f"momentum{key[8:]}": values["density"] * v for key, v in velocity.items()
        }
        field = summed[name]
        for axis, wraps in enumerate(grid.periodic):
            field = field.copy()
            if not wraps:
                np.moveaxis(field, axis + 1, 0)[[0, -1]] /= 2
        return field.sum(axis=tuple(range(1, field.ndim)))

    return quantity


def blast(grid: Grid) -> dict[str, Any]:
    """Strong shocks that are no symmetry of the grid."""
    x, y = grid.mesh()
    hot = np.hypot(x - 0.3, y - 0.4) < 0.15
    return {"density": np.where(hot, 2.0, 1.0), "velocity_x": 0.0, "velocity_y": 0.0, "pressure": np.where(hot, 10.0, 0.1)}


def jumps(grid: Grid) -> dict[str, np.ndarray]:
    x = grid.coordinates()[0]
    inside = np.abs(x - 0.4) < 0.2
    return {"density": np.where(inside, 1.0, 0.125), "velocity_x": np.where(inside, 0.5, -0.2), "pressure": np.where(inside, 1.0, 0.1)}


TIMES = (0.0, 0.1, 0.2)
BOX = Grid(("x", "y"), (33, 25), (0.0, 0.0), (1.0, 1.0), (False, False))
WALLS = {"x": Wall(), "y": Wall()}
INVARIANTS = (
    *(Invariant(f"in 1-D with jumps, periodic: {q}", line(64), jumps, total(q), TIMES, 1e-13) for q in ("mass", "momentum_x", "energy")),
    *(Invariant(f"in 2-D with jumps, between walls: {q}", BOX, blast, total(q), TIMES, 1e-12, boundary=WALLS) for q in ("mass", "energy")),
)
ENDS = ()
