"""Inviscid Burgers by Riemann's shock and fan, and by characteristics until a wave breaks."""

import numpy as np
from scipy.optimize import brentq

from opbench.boundary import Outflow
from opbench.grid import Grid
from opbench.solver.verification import Case, Invariant

TIME = 0.4


def circle(n: int) -> Grid:
    return Grid(("x",), (n,), (0.0,), (1.0,), (True,))


def channel(n: int) -> Grid:
    return Grid(("x",), (n,), (0.0,), (1.0,), (False,))


def riemann(x: np.ndarray, t: float, left: float, right: float) -> np.ndarray:
    """From a jump at x = 0.4: a shock of speed (left + right) / 2 where left > right, else a fan u = x / t."""
    if left > right:
        return np.where(x < 0.4 + (left + right) / 2 * t, left, right)
    return np.clip((x - 0.4) / t, left, right) if t else np.where(x < 0.4, left, right)


def start(a: np.ndarray) -> np.ndarray:
    return 0.5 + 0.2 * np.sin(2 * np.pi * a)


def wave(x: np.ndarray, t: float) -> np.ndarray:
    """The start's values along x = a + u t, until it breaks at t = 1 / (0.4 pi) = 0.8."""
    feet = [brentq(lambda a, place=place: a + start(a) * t - place, place - t, place + t, xtol=1e-15) for place in x] if t else x
    return start(np.array(feet))


def case(name: str, grid, formula, sizes: tuple[int, ...], rate: float, bound: float, **changes) -> Case:
    return Case(
        name=name,
        source="characteristics and Rankine's and Hugoniot's condition (LeVeque, Finite Volume Methods, 2002, chapter 11)",
        grid=grid,
        given=lambda grid: {"velocity": formula(grid.mesh()[0], 0.0)},
        exact=lambda grid: {"velocity": formula(grid.mesh()[0], TIME)[None]},
        sizes=sizes,
        bound=bound,
        times=(TIME,),
        rate=rate,
        **changes,
    )


OPEN = {"boundary": {"x": Outflow()}}
CASES = (
    case("a wave that steepens", circle, wave, (50, 100, 200), 4, 1e-6),
    case("a shock", channel, lambda x, t: riemann(x, t, 1.0, 0.2), (100, 200, 400), 0.5, 0.05, **OPEN),
    case("a fan about still water", channel, lambda x, t: riemann(x, t, -0.4, 0.8), (100, 200, 400), 0.7, 0.02, **OPEN),
)

INVARIANTS = (
    Invariant(
        name="the momentum, through a shock",
        grid=circle(100),
        given=lambda grid: {"velocity": 0.3 + np.sin(2 * np.pi * grid.mesh()[0])},
        quantity=lambda values, grid: values["velocity"].mean(-1),
        times=(0.0, 0.2, 0.6),
        bound=1e-13,
    ),
)
ENDS = ()
