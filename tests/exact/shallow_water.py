"""Shallow water by Toro's exact Riemann solver, a simple wave by its characteristics, and a radial dam break by a fine radial solve."""

from functools import cache
from typing import Any

import numpy as np
from scipy.optimize import brentq

from opbench.boundary import Outflow, Wall
from opbench.grid import Grid
from opbench.solver.verification import Case, Invariant

GRAVITY = 1.0
State = tuple[float, float]  # depth, velocity


def riemann(left: State, right: State, speed: np.ndarray, gravity: float = GRAVITY) -> dict[str, np.ndarray]:
    """The solution of a jump at x = 0, t = 0 where x / t = speed; the ground stays wet.

    Source: Toro, Shock-Capturing Methods for Free-Surface Shallow Flows (2001), chapter 5; with still water on both sides it is
    Stoker's dam break.
    """
    ends = [(-1, *left), (1, *right)]

    def change(depth: float, own: float) -> float:
        """Of the velocity across a wave that leads from `own` to `depth`."""
        if depth > own:
            return (depth - own) * np.sqrt(gravity / 2 * (depth + own) / (depth * own))
        return 2 * (np.sqrt(gravity * depth) - np.sqrt(gravity * own))

    def gap(depth: float) -> float:
        return sum(side * velocity + change(depth, own) for side, own, velocity in ends)

    middle = float(brentq(gap, 1e-12, 1e3 * max(left[0], right[0]), xtol=1e-14, rtol=1e-14))  # pyright: ignore[reportArgumentType]
    between = right[1] + change(middle, right[0])
    sides = [_wave(side, own, velocity, middle, between, speed, gravity) for side, own, velocity in ends]
    return dict(zip(("depth", "velocity_x"), np.where(speed < between, *sides), strict=True))


def _wave(side, own, velocity, middle, between, speed, gravity):
    """The wave that runs to the left (side -1) or right (1), as if it ran to the right; (2, *speed.shape)."""
    speed, velocity, between = side * speed, side * velocity, side * between
    celerity, outer, inner = np.sqrt(gravity * own), np.array([[own], [velocity]]), np.array([[middle], [between]])
    if middle > own:
        bore = velocity + celerity * np.sqrt(middle * (middle + own) / 2) / own
        values = np.where(speed > bore, outer, inner)
    else:
        tail = between + np.sqrt(gravity * middle)
        inside = np.clip(speed, tail, velocity + celerity)
        slowed = (inside - velocity + 2 * celerity) / 3  # celerity inside the fan
        values = np.where(speed > velocity + celerity, outer, np.where(speed < tail, inner, [slowed**2 / gravity, inside - slowed]))
    return values * np.array([[1], [side]])


def dam(name: str, left: State, right: State, time: float, bound: float) -> Case:
    """A jump in the middle of [0, 1], midway between two nodes where their number is even.

    In relative L2 errors at a bore fall like h^(1/2), whatever the scheme's order: one node of it is wrong.
    """

    def given(grid: Grid) -> dict[str, np.ndarray]:
        return {key: np.where(grid.coordinates()[0] < 0.5, a, b) for key, a, b in zip(("depth", "velocity_x"), left, right, strict=True)}

    return Case(
        name=f"in 1-D, {name}",
        source="Toro, Shock-Capturing Methods for Free-Surface Shallow Flows (2001), chapter 5: an exact Riemann solver",
        grid=lambda n: Grid(("x",), (n,), (0.0,), (1.0,), (False,)),
        given=given,
        exact=lambda grid: {key: v[None] for key, v in riemann(left, right, (grid.coordinates()[0] - 0.5) / time).items()},
        sizes=(100, 200, 400),
        bound=bound,
        times=(time,),
        rate=0.5,
        boundary={"x": Outflow()},
    )


DAMS = (
    dam("a dam break onto shallow water (Stoker)", (1.0, 0.0), (0.1, 0.0), 0.3, bound=0.035),
    dam("two streams that collide", (1.0, 1.0), (0.6, -1.5), 0.2, bound=0.035),
)


def line(n: int) -> Grid:
    return Grid(("x",), (n,), (0.0,), (1.0,), (True,))


def celerity(x: np.ndarray) -> np.ndarray:
    return 1 + 0.1 * np.sin(2 * np.pi * x)


def simple_wave(grid: Grid, time: float) -> dict[str, np.ndarray]:
    """A wave that runs to the right into water that was at rest, before it breaks: velocity - 2 celerity is one number everywhere.

    Its celerity c is constant along lines of speed velocity + c = 3 c - 2 (Whitham, Linear and Nonlinear Waves, 1974, chapter 13.10).
    It breaks at t = 1 / (3 0.1 2 pi) = 0.53.
    """
    x = grid.coordinates()[0]
    foot = np.array([brentq(lambda a, x=x: a + (3 * celerity(a) - 2) * time - x, x - 2 * time, x, xtol=1e-15) for x in x])
    c = celerity(foot)
    return {"depth": c**2 / GRAVITY, "velocity_x": 2 * (c - 1)}


SIMPLE_WAVE = Case(
    name="in 1-D, a wave that steepens, where steps bound by stability show their fourth order",
    source="characteristics, by root finding: Whitham (1974), chapter 13.10",
    grid=line,
    given=lambda grid: simple_wave(grid, 0.0),
    exact=lambda grid: {name: values[None] for name, values in simple_wave(grid, 0.2).items()},
    sizes=(50, 100, 200),
    bound=5e-7,
    times=(0.2,),
    rate=4.0,
)

RADIUS, INSIDE, OUTSIDE, EDGE = 0.5, 2.0, 1.0, 2.5  # PDEBench's radial dam break
RINGS = 1600


@cache
def radial(time: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Radius, depth and outward velocity of the radial dam break: second-order finite volumes on rings, another scheme than the solver's.

    (r h)_t + (r h u)_r = 0,  (r h u)_t + (r (h u^2 + g h^2 / 2))_r = g h^2 / 2; minmod slopes, fluxes of Harten,
    Lax and van Leer (SIAM Review 25, 1983), Heun's steps.
    """
    spacing = EDGE * np.sqrt(2) / RINGS
    faces = spacing * np.arange(RINGS + 1)
    r = (faces[1:] + faces[:-1]) / 2
    depth, velocity, t = np.where(r < RADIUS, INSIDE, OUTSIDE), np.zeros(RINGS), 0.0

    def rate(depth, velocity):
        inner, outer = (_edges(values, parity) for values, parity in ((depth, 1), (velocity, -1)))
        fluxes = faces * _hll(inner, outer)
        change = -np.diff(fluxes) / spacing
        change[1] += GRAVITY * depth**2 / 2
        return change / r

    while t < time:
        step = min(0.4 * spacing / float(np.max(np.abs(velocity) + np.sqrt(GRAVITY * depth))), time - t)
        start = np.stack([depth, depth * velocity])
        first = start + step * rate(depth, velocity)
        second = first + step * rate(first[0], first[1] / first[0])
        depth, momentum = (start + second) / 2
        velocity, t = momentum / depth, t + step
    return r, depth, velocity


def _edges(values: np.ndarray, parity: int) -> tuple[np.ndarray, np.ndarray]:
    """Values on the inner and the outer side of every face; mirrored at r = 0, constant beyond the last ring."""
    padded = np.concatenate([[parity * values[1], parity * values[0]], values, [values[-1], values[-1]]])
    jump = np.diff(padded)
    slope = np.where(jump[1:] * jump[:-1] > 0, np.sign(jump[1:]) * np.minimum(np.abs(jump[1:]), np.abs(jump[:-1])), 0.0)
    middle = padded[1:-1]
    return (middle + slope / 2)[:-1], (middle - slope / 2)[1:]


def _hll(depths: tuple[np.ndarray, np.ndarray], velocities: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    conserved = [np.stack([h, h * u]) for h, u in zip(depths, velocities, strict=True)]
    fluxes = [np.stack([h * u, h * u**2 + GRAVITY * h**2 / 2]) for h, u in zip(depths, velocities, strict=True)]
    speeds = [np.sqrt(GRAVITY * h) for h in depths]
    slow = np.minimum(np.minimum(velocities[0] - speeds[0], velocities[1] - speeds[1]), 0.0)
    fast = np.maximum(np.maximum(velocities[0] + speeds[0], velocities[1] + speeds[1]), 0.0)
    return (fast * fluxes[0] - slow * fluxes[1] + fast * slow * (conserved[1] - conserved[0])) / (fast - slow)


def quarter(n: int) -> Grid:
    return Grid(("x", "y"), (n, n), (0.0, 0.0), (EDGE, EDGE), (False, False))


def disc(grid: Grid) -> dict[str, Any]:
    depth = np.where(np.hypot(*grid.mesh()) <= RADIUS, INSIDE, OUTSIDE)
    return {"depth": depth, "velocity_x": 0.0, "velocity_y": 0.0}


def spread(grid: Grid, time: float) -> dict[str, np.ndarray]:
    x, y = grid.mesh()
    distance = np.hypot(x, y)
    r, depth, velocity = radial(time)
    outward = np.interp(distance, r, velocity) / np.maximum(distance, r[0])
    return {"depth": np.interp(distance, r, depth), "velocity_x": outward * x, "velocity_y": outward * y}


RADIAL = Case(
    name="in 2-D, a radial dam break",
    source="finite volumes on 1600 rings, written beside this case; a quarter of the plane, walls for its symmetry",
    grid=quarter,
    given=disc,
    exact=lambda grid: {name: values[None] for name, values in spread(grid, 1.0).items() if name == "depth"},
    sizes=(25, 50, 100),
    bound=0.01,
    times=(1.0,),
    rate=0.5,
    boundary={axis: (Wall(), Outflow()) for axis in ("x", "y")},
)

CASES = (*DAMS, SIMPLE_WAVE, RADIAL)


def total(name: str):
    """The sum of a conserved quantity, half a spacing for each end node: what reflecting walls keep."""

    def quantity(values, grid: Grid) -> np.ndarray:
        field = values["depth"] if name == "volume" else values["depth"] * values["velocity_x"]
        for axis, wraps in enumerate(grid.periodic):
            field = field.copy()
            if not wraps:
                np.moveaxis(field, axis + 1, 0)[[0, -1]] /= 2
        return field.sum(axis=tuple(range(1, field.ndim)))

    return quantity


def bump(grid: Grid) -> dict[str, Any]:
    high = np.hypot(*(z - 0.4 for z in grid.mesh())) < 0.2
    return {"depth": np.where(high, 2.0, 0.5), "velocity_x": 0.0, "velocity_y": 0.0}


def bores(grid: Grid) -> dict[str, np.ndarray]:
    inside = np.abs(grid.coordinates()[0] - 0.4) < 0.2
    return {"depth": np.where(inside, 2.0, 0.5), "velocity_x": np.where(inside, 1.0, 0.3)}


TIMES = (0.0, 0.3, 0.6)
BOX = Grid(("x", "y"), (33, 25), (0.0, 0.0), (1.0, 1.0), (False, False))
INVARIANTS = (
    *(Invariant(f"in 1-D with bores, periodic: {name}", line(64), bores, total(name), TIMES, 1e-13) for name in ("volume", "momentum")),
    Invariant("in 2-D with bores, between walls: volume", BOX, bump, total("volume"), TIMES, 1e-13, boundary={"x": Wall(), "y": Wall()}),
)
ENDS = ()
