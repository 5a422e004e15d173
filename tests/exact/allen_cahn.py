"""Allen-Cahn by closed forms: an interface at rest, and a front that invades the unstable state u = 0."""

import numpy as np

from opbench.boundary import Dirichlet, Neumann
from opbench.grid import Grid
from opbench.solver.verification import Case

DIFFUSIVITY, REACTION = 0.013, 2.6
RATES = {"diffusivity": DIFFUSIVITY, "reaction": REACTION}
STEEPNESS = np.sqrt(REACTION / (2 * DIFFUSIVITY))
SPEED = 3 * np.sqrt(REACTION * DIFFUSIVITY / 2)
TIMES = (0.5, 2.0)


def interval(n: int) -> Grid:
    return Grid(("x",), (n,), (-3.5,), (4.5,), (False,))


def strip(n: int) -> Grid:
    """The front crosses it along y."""
    return Grid(("x", "y"), (12, n), (0.0, -3.5), (1.0, 4.5), (True, False))


def front(x: np.ndarray, t: float) -> np.ndarray:
    """u = 1 / (1 + exp(s (x - c t))), s = sqrt(r / (2 D)), c = 3 sqrt(r D / 2): 1 behind it, 0 ahead."""
    return 1 / (1 + np.exp(STEEPNESS * (x - SPEED * t)))


def interface(x: np.ndarray) -> np.ndarray:
    """u = tanh(s (x - 0.5)) stays as it is."""
    return np.tanh(STEEPNESS * (x - 0.5))


CASES = (
    Case(
        name="a front between given values",
        source="closed form, by differentiation",
        grid=interval,
        given=lambda grid: {"phase": front(grid.mesh()[0], 0.0), **RATES},
        exact=lambda grid: {"phase": np.stack([front(grid.mesh()[0], t) for t in TIMES])},
        sizes=(129, 257, 385),
        bound=1e-5,
        times=TIMES,
        rate=4,
        boundary={"x": (Dirichlet(1.0), Dirichlet(0.0))},
        options={"tolerance": 1e-9},
    ),
    Case(
        name="a front along the second axis",
        source="closed form, by differentiation",
        grid=strip,
        given=lambda grid: {"phase": front(grid.mesh()[1], 0.0), **RATES},
        exact=lambda grid: {"phase": np.stack([front(grid.mesh()[1], t) for t in TIMES[:1]])},
        sizes=(129, 257, 513),
        bound=1e-5,
        times=TIMES[:1],
        rate=4,
        boundary={"y": Neumann(0.0)},
        options={"order": 4, "tolerance": 1e-9},
    ),
    Case(
        name="an interface at rest",
        source="Allen and Cahn, Acta Metall. 27 (1979): the profile in which diffusion and reaction cancel",
        grid=interval,
        given=lambda grid: {"phase": interface(grid.mesh()[0]), **RATES},
        exact=lambda grid: {"phase": np.stack([interface(grid.mesh()[0])] * 2)},
        sizes=(129, 257, 513),
        bound=1e-5,
        times=TIMES,
        rate=4,
        boundary={"x": Neumann(0.0)},
        options={"order": 4, "tolerance": 1e-9},
    ),
)

INVARIANTS = ()
ENDS = ("dirichlet", "neumann", "robin")
