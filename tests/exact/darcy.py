"""Darcy flow by closed forms: a smooth medium, a loaded square, layers along and across the flow; tests/test_darcy.py adds blocks."""

import numpy as np

from opbench.boundary import Dirichlet, Neumann, Robin
from opbench.grid import Grid
from opbench.solver.verification import Case

ENDS = ("dirichlet",)  # Robin ends show their order late here: see the cases
LEFT, RIGHT = 12.0, 3.0  # permeabilities of two layers that meet at x = 1/2


def line(n: int) -> Grid:
    return Grid(("x",), (n,), (0.0,), (1.0,), (False,))


def square(n: int) -> Grid:
    return Grid(("x", "y"), (n, n), (0.0, 0.0), (1.0, 1.0), (False, False))


def smooth_permeability(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A log-normal medium's likeness: the exponential of a wave."""
    return np.exp(np.sin(3 * x + 1) * np.cos(4 * y))


def smooth_pressure(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.sin(np.pi * x) * np.sin(2 * np.pi * y)


def smooth_source(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """-k (grad log k . grad p + lap p)."""
    p_x = np.pi * np.cos(np.pi * x) * np.sin(2 * np.pi * y)
    p_y = 2 * np.pi * np.sin(np.pi * x) * np.cos(2 * np.pi * y)
    along = 3 * np.cos(3 * x + 1) * np.cos(4 * y) * p_x - 4 * np.sin(3 * x + 1) * np.sin(4 * y) * p_y
    return -smooth_permeability(x, y) * (along - 5 * np.pi**2 * smooth_pressure(x, y))


def layered(x: np.ndarray, source: float, flux: float | None) -> np.ndarray:
    """p(0) = 0, k p' = c - source x, and p(1) = 0 or k p'(1) = flux, integrated layer by layer."""

    def integral(power: int) -> np.ndarray:
        """Of x^power / k from 0 to x."""
        left = np.minimum(x, 0.5) ** (power + 1) / LEFT
        return (left + (np.maximum(x, 0.5) ** (power + 1) - 0.5 ** (power + 1)) / RIGHT) / (power + 1)

    c = source * integral(1)[-1] / integral(0)[-1] if flux is None else flux + source
    return c * integral(0) - source * integral(1)


def loaded_square(grid: Grid) -> np.ndarray:
    """k = 2, f = 1, p = 0 on the edge: a parabola plus a sine series that meets the edge (terms fall like n^-3)."""
    x, y = grid.mesh()
    away = np.abs(y - 0.5)
    series = np.zeros_like(x)
    for n in range(1, 400, 2):
        ratio = (np.exp(n * np.pi * (away - 0.5)) + np.exp(-n * np.pi * (away + 0.5))) / (1 + np.exp(-n * np.pi))  # cosh / cosh
        series += np.sin(n * np.pi * x) * ratio / n**3
    solution = (x * (1 - x) / 2 - 4 / np.pi**3 * series) / 2
    solution[[0, -1]] = solution[:, [0, -1]] = 0.0
    return solution


def two_layers(x: np.ndarray, *_: np.ndarray) -> np.ndarray:
    return np.where(x < 0.5, LEFT, RIGHT)


CASES = (
    *(
        Case(
            name=f"a smooth medium, order {order}",
            source="a permeability and a pressure put into the equation",
            grid=square,
            given=lambda grid: {"permeability": smooth_permeability(*grid.mesh()), "source": smooth_source(*grid.mesh())},
            exact=lambda grid: {"pressure": smooth_pressure(*grid.mesh())},
            sizes=(17, 33, 65),
            bound={2: 4e-3, 4: 1e-4}[order],
            rate=order - 0.1,
            options={"order": order},
        )
        for order in (2, 4)
    ),
    *(
        Case(
            name=f"a smooth medium that leaks at two ends, order {order}",
            source="a permeability and a pressure put into the equation",
            grid=square,
            given=lambda grid: {"permeability": smooth_permeability(*grid.mesh()), "source": smooth_source(*grid.mesh())},
            exact=lambda grid: {"pressure": smooth_pressure(*grid.mesh())},
            sizes=(33, 65, 129),
            bound={2: 1e-3, 4: 1e-5}[order],
            rate=order,
            boundary={
                "x": tuple(Robin(2.0, lambda x, y: -np.pi * np.sin(2 * np.pi * y)) for _ in range(2)),
                "y": Dirichlet(0.0),
            },
            options={"order": order},
        )
        for order in (2, 4)
    ),
    Case(
        name="a loaded square",
        source="Timoshenko and Goodier, Theory of Elasticity, section 109: torsion of a bar",
        grid=square,
        given=lambda grid: {"permeability": 2.0},
        exact=lambda grid: {"pressure": loaded_square(grid)},
        sizes=(17, 33, 65),
        bound=5e-4,
        rate=2,
    ),
    Case(
        name="two layers that meet midway between nodes",
        source="integrating (k p')' = -1 layer by layer",
        grid=line,
        given=lambda grid: {"permeability": two_layers(*grid.mesh())},
        exact=lambda grid: {"pressure": layered(grid.mesh()[0], 1.0, None)},
        sizes=(16, 32, 64),
        bound=1e-3,
        rate=2,
    ),
    Case(
        name="two layers that meet on a node, and a flux through the end",
        source="integrating (k p')' = -1 layer by layer",
        grid=line,
        given=lambda grid: {"permeability": two_layers},
        exact=lambda grid: {"pressure": layered(grid.mesh()[0], 1.0, 6.0)},
        sizes=(17, 33, 65),
        bound=1e-11,
        boundary={"x": (Dirichlet(0.0), Neumann(6.0 / RIGHT))},
    ),
    Case(
        name="two layers across the flow between two pressures, sealed sides",
        source="one flux through both layers: the pressure is linear in each, and known at the nodes",
        grid=square,
        given=lambda grid: {"permeability": two_layers, "source": 0.0},
        exact=lambda grid: {"pressure": 1 - layered(grid.mesh()[0][:, 0], 0.0, 4.8)[:, None] * np.ones(grid.shape)},
        sizes=(9, 17, 33),
        bound=1e-11,
        boundary={"x": (Dirichlet(1.0), Dirichlet(0.0)), "y": Neumann()},
    ),
    Case(
        name="a layer that leaks at one end",
        source="integrating p'' = -1 with p(0) = 0 and p'(1) + 2 p(1) = 0",
        grid=line,
        given=lambda grid: {"permeability": 1.0},
        exact=lambda grid: {"pressure": grid.mesh()[0] * (4 / 3 - grid.mesh()[0]) / 2},
        sizes=(9, 17, 33),
        bound=1e-11,
        boundary={"x": (Dirichlet(0.0), Robin(2.0, 0.0))},
    ),
)

INVARIANTS = ()
