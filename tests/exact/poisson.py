"""Poisson's equation by closed forms between every kind of end, and by the sine series of a loaded square."""

import numpy as np

from opbench.boundary import Dirichlet, Neumann, Robin
from opbench.grid import Grid
from opbench.solver.verification import Case

ENDS = ("dirichlet", "robin")  # Neumann ends alone fix it up to a constant: see the cases


def line(n: int) -> Grid:
    return Grid(("x",), (n,), (0.0,), (1.0,), (False,))


def square(n: int) -> Grid:
    return Grid(("x", "y"), (n, n), (0.0, 0.0), (1.0, 1.0), (False, False))


def torus(n: int) -> Grid:
    return Grid(("x", "y"), (n, n), (0.0, 0.0), (1.0, 2.0), (True, True))


def channel(n: int) -> Grid:
    return Grid(("x", "y"), (n, n), (0.0, 0.0), (1.0, 1.0), (True, False))


def loaded_square(grid: Grid) -> np.ndarray:
    """u = 0 on the edge of the unit square, f = 1: a parabola plus a sine series that meets the edge (terms fall like n^-3)."""
    x, y = grid.mesh()
    away = np.abs(y - 0.5)
    series = np.zeros_like(x)
    for n in range(1, 400, 2):
        ratio = (np.exp(n * np.pi * (away - 0.5)) + np.exp(-n * np.pi * (away + 0.5))) / (1 + np.exp(-n * np.pi))  # cosh / cosh
        series += np.sin(n * np.pi * x) * ratio / n**3
    solution = x * (1 - x) / 2 - 4 / np.pi**3 * series
    solution[[0, -1]] = solution[:, [0, -1]] = 0.0
    return solution


def harmonic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The real part of exp(z) + z^3: it has no source."""
    return np.exp(x) * np.cos(y) + x**3 - 3 * x * y**2


def flat(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Zero mean, and no slope at the ends of the unit square."""
    return np.cos(np.pi * x) + np.cos(2 * np.pi * x) * np.cos(np.pi * y) / 2


def wave(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.sin(2 * np.pi * x) * np.cos(np.pi * y) + np.cos(4 * np.pi * x)


CASES = (
    Case(
        name="a loaded square",
        source="Timoshenko and Goodier, Theory of Elasticity, section 109: torsion of a bar",
        grid=square,
        given=lambda grid: {"source": 1.0},
        exact=lambda grid: {"potential": loaded_square(grid)},
        sizes=(17, 33, 65),
        bound=5e-4,
        rate=2,
    ),
    Case(
        name="a cubic between a value and a flux",
        source="integrating -u'' = 6 x twice: u = 1 + 2 x - x^3",
        grid=line,
        given=lambda grid: {"source": lambda x: 6 * x},
        exact=lambda grid: {"potential": 1 + 2 * grid.mesh()[0] - grid.mesh()[0] ** 3},
        sizes=(9, 17, 33),
        bound=1e-11,
        boundary={"x": (Dirichlet(1.0), Neumann(-1.0))},
        options={"order": 4},
    ),
    Case(
        name="a harmonic function of given values, multigrid",
        source="the real part of an analytic function is harmonic",
        grid=square,
        given=lambda grid: {"source": 0.0},
        exact=lambda grid: {"potential": harmonic(*grid.mesh())},
        sizes=(17, 33, 65),
        bound=1e-5,
        rate=2,
        boundary={axis: Dirichlet(harmonic) for axis in "xy"},
        options={"tolerance": 1e-11},
    ),
    *(
        Case(
            name=f"a harmonic function between four kinds of end, order {order}",
            source="the real part of an analytic function is harmonic",
            grid=square,
            given=lambda grid: {"source": 0.0},
            exact=lambda grid: {"potential": harmonic(*grid.mesh())},
            sizes=(9, 17, 33),
            bound=10.0 ** (-order - 1),
            rate=order,
            boundary={
                "x": (Dirichlet(harmonic), Neumann(lambda x, y: np.exp(x) * np.cos(y) + 3 * x**2 - 3 * y**2)),
                "y": (
                    Robin(2.0, lambda x, y: 2 * harmonic(x, y) + np.exp(x) * np.sin(y) + 6 * x * y),
                    Neumann(lambda x, y: -np.exp(x) * np.sin(y) - 6 * x * y),
                ),
            },
            options={"order": order, "tolerance": 1e-10},
        )
        for order in (2, 4)
    ),
    *(
        Case(
            name=f"flat ends: the solution of zero mean, order {order}",
            source="eigenfunctions of the Laplacian without slopes at the ends; the source integrates to zero",
            grid=square,
            given=lambda grid: {"source": lambda x, y: np.pi**2 * (np.cos(np.pi * x) + 2.5 * np.cos(2 * np.pi * x) * np.cos(np.pi * y))},
            exact=lambda grid: {"potential": flat(*grid.mesh())},
            sizes=(17, 33, 65),
            bound=10.0 ** (-order - 0.5),
            rate=order,
            boundary={"x": Neumann(), "y": Neumann()},
            options={"order": order},
        )
        for order in (2, 4)
    ),
    *(
        Case(
            name=f"a wave on a torus, order {order}",
            source="eigenfunctions of the periodic Laplacian",
            grid=torus,
            given=lambda grid: {
                "source": lambda x, y: np.pi**2 * (5 * np.sin(2 * np.pi * x) * np.cos(np.pi * y) + 16 * np.cos(4 * np.pi * x))
            },
            exact=lambda grid: {"potential": wave(*grid.mesh())},
            sizes=(24, 48, 96),
            bound=3 * 10.0 ** (-order - 0.5),
            rate=order,
            options={"order": order},
        )
        for order in (2, 8)
    ),
    Case(
        name="a wave in a channel, order 4",
        source="sin(2 pi x) times the solution of v'' - 4 pi^2 v = 0 with v(0) = 0, v(1) = 1",
        grid=channel,
        given=lambda grid: {"source": 0.0},
        exact=lambda grid: {"potential": np.sin(2 * np.pi * grid.mesh()[0]) * np.sinh(2 * np.pi * grid.mesh()[1]) / np.sinh(2 * np.pi)},
        sizes=(16, 32, 64),
        bound=1e-4,
        rate=4,
        boundary={"y": (Dirichlet(0.0), Dirichlet(lambda x, y: np.sin(2 * np.pi * x)))},
        options={"order": 4},
    ),
)

INVARIANTS = ()
