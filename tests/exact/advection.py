"""Linear advection by its closed form: every profile moves on unchanged, u(x, t) = u(x - v t, 0)."""

import numpy as np

from opbench.boundary import Dirichlet, Outflow
from opbench.grid import Grid
from opbench.solver.verification import Case, Invariant

SOURCE = "closed form, by differentiation"
VELOCITY = {"velocity_x": 0.7, "velocity_y": -1.3}
TIMES = (0.3, 1.1)


def line(n: int) -> Grid:
    return Grid(("x",), (n,), (-1.0,), (2.0,), (True,))


def torus(n: int) -> Grid:
    return Grid(("x", "y"), (n, n), (0.0, -1.0), (2.0, 2.0), (True, True))


def bounded(n: int) -> Grid:
    return Grid(("x",), (n,), (0.0,), (1.0,), (False,))


def waves(x: np.ndarray) -> np.ndarray:
    """Of period 3."""
    angle = 2 * np.pi * x / 3
    return np.exp(np.sin(angle)) + 0.3 * np.cos(2 * angle)


def waves_2d(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of periods 2 and 3."""
    return np.exp(np.sin(np.pi * x)) * np.cos(2 * np.pi * y / 3 + 0.4) + np.sin(np.pi * x + 4 * np.pi * y / 3)


def bump(x: np.ndarray) -> np.ndarray:
    """Below 1e-13 where |x| > 0.45."""
    return np.exp(-150 * x**2)


def given(grid: Grid) -> dict:
    return {"concentration": waves(*grid.mesh()), "velocity_x": VELOCITY["velocity_x"]}


CASES = (
    Case(
        name="a profile on a periodic line",
        source=SOURCE,
        grid=line,
        given=given,
        exact=lambda grid: {"concentration": np.stack([waves(grid.mesh()[0] - VELOCITY["velocity_x"] * t) for t in TIMES])},
        sizes=(32, 64, 128),
        bound=1e-8,
        times=TIMES,
        rate=8,
    ),
    Case(
        name="a profile on a torus",
        source=SOURCE,
        grid=torus,
        given=lambda grid: {"concentration": waves_2d(*grid.mesh()), **VELOCITY},
        exact=lambda grid: {
            "concentration": np.stack([waves_2d(*(x - v * t for x, v in zip(grid.mesh(), VELOCITY.values(), strict=True))) for t in TIMES])
        },
        sizes=(24, 48, 96),
        bound=1e-4,
        times=TIMES,
        rate=4,
        options={"order": 4},
    ),
    Case(
        name="a bump that leaves through an open end, and nothing that comes in",
        source=SOURCE,
        grid=bounded,
        given=lambda grid: {"concentration": bump(grid.mesh()[0] - 0.5), "velocity_x": 0.7},
        exact=lambda grid: {"concentration": np.stack([bump(grid.mesh()[0] - 0.5 - 0.7 * t) for t in TIMES[:1]])},
        sizes=(65, 129, 257),
        bound=2e-5,
        times=TIMES[:1],
        rate=4,
        boundary={"x": (Dirichlet(0.0), Outflow())},
        options={"order": 4},
    ),
)

INVARIANTS = (
    Invariant(
        name="the mean square of an advected profile",
        grid=line(64),
        given=given,
        quantity=lambda values, grid: (values["concentration"] ** 2).mean(-1),
        times=(0.0, 0.3, 1.1),
        bound=1e-12,
    ),
)

ENDS = ()
