"""Fisher-KPP by closed forms: Ablowitz and Zeppetella's front, and logistic growth of a uniform population."""

import numpy as np

from opbench.boundary import Dirichlet, Neumann
from opbench.grid import Grid
from opbench.solver.verification import Case

DIFFUSIVITY, GROWTH = 0.013, 2.6
RATES = {"diffusivity": DIFFUSIVITY, "growth": GROWTH}
STEEPNESS = np.sqrt(GROWTH / (6 * DIFFUSIVITY))
SPEED = 5 * np.sqrt(GROWTH * DIFFUSIVITY / 6)
TIMES = (0.5, 2.0)


def interval(n: int) -> Grid:
    return Grid(("x",), (n,), (-5.5,), (5.5,), (False,))


def strip(n: int) -> Grid:
    """The front crosses it along y."""
    return Grid(("x", "y"), (12, n), (0.0, -5.5), (1.0, 5.5), (True, False))


def front(x: np.ndarray, t: float) -> np.ndarray:
    """u = (1 + exp(s (x - c t)))^-2, s = sqrt(r / (6 D)), c = 5 sqrt(r D / 6): 1 behind it, 0 ahead."""
    return (1 + np.exp(STEEPNESS * (x - SPEED * t))) ** -2


CASES = (
    Case(
        name="a front between given values",
        source="Ablowitz and Zeppetella, Bull. Math. Biol. 41 (1979)",
        grid=interval,
        given=lambda grid: {"population": front(grid.mesh()[0], 0.0), **RATES},
        exact=lambda grid: {"population": np.stack([front(grid.mesh()[0], t) for t in TIMES])},
        sizes=(129, 257, 385),
        bound=1e-5,
        times=TIMES,
        rate=4,
        boundary={"x": (Dirichlet(1.0), Dirichlet(0.0))},
        options={"tolerance": 1e-9},
    ),
    Case(
        name="a front along the second axis",
        source="Ablowitz and Zeppetella, Bull. Math. Biol. 41 (1979)",
        grid=strip,
        given=lambda grid: {"population": front(grid.mesh()[1], 0.0), **RATES},
        exact=lambda grid: {"population": np.stack([front(grid.mesh()[1], t) for t in TIMES[:1]])},
        sizes=(129, 257, 513),
        bound=1e-5,
        times=TIMES[:1],
        rate=4,
        boundary={"y": Neumann(0.0)},
        options={"order": 4, "tolerance": 1e-9},
    ),
)

INVARIANTS = ()
ENDS = ("dirichlet", "neumann", "robin")
