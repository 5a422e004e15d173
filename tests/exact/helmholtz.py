"""The Helmholtz equation by closed forms: waves in a box, a radiating line, a layered medium."""

import numpy as np

from opbench.boundary import Dirichlet, Neumann, Robin
from opbench.grid import Grid
from opbench.solver.verification import Case

ENDS = ("dirichlet", "neumann", "robin")


def line(n: int) -> Grid:
    return Grid(("x",), (n,), (0.0,), (1.0,), (False,))


def square(n: int) -> Grid:
    return Grid(("x", "y"), (n, n), (0.0, 0.0), (1.0, 1.0), (False, False))


def torus(n: int) -> Grid:
    return Grid(("x", "y"), (n, n), (0.0, 0.0), (1.0, 1.0), (True, True))


K = 6.0  # the square resonates at pi sqrt(2) = 4.4 and pi sqrt(5) = 7.0, the line of the third case at none near
ANGLE = 0.7


def plane(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A plane wave: no source."""
    return np.cos(K * (np.cos(ANGLE) * x + np.sin(ANGLE) * y) + 0.3)


def airy(x: np.ndarray) -> np.ndarray:
    """u'' + k(x)^2 u = 0, k^2 = 100 (1 + x): Airy functions of -(100)^(1/3) (1 + x)."""
    from scipy.special import airy as functions

    return functions(-(100.0 ** (1 / 3)) * (1 + x))[0]


CASES = (
    *(
        Case(
            name=f"a plane wave, given at the edge, order {order}",
            source="cos(k . x + c), |k| = 6",
            grid=square,
            given=lambda grid: {"wavenumber": K},
            exact=lambda grid: {"amplitude": plane(*grid.mesh())},
            sizes=(33, 65, 129),
            bound={2: 2e-2, 4: 1e-4}[order],
            rate=order,
            boundary={axis: Dirichlet(plane) for axis in "xy"},
            options={"order": order},
        )
        for order in (2, 4)
    ),
    Case(
        name="a driven line with an absorbing end, order 4",
        source="u'' + k^2 u = 0 with u(0) = 0, u'(1) + 2 u(1) = 1: u = sin(k x) / (k cos k + 2 sin k)",
        grid=line,
        given=lambda grid: {"wavenumber": K},
        exact=lambda grid: {"amplitude": np.sin(K * grid.mesh()[0]) / (K * np.cos(K) + 2 * np.sin(K))},
        sizes=(65, 129, 257),
        bound=1e-5,
        rate=4,
        boundary={"x": (Dirichlet(0.0), Robin(2.0, 1.0))},
        options={"order": 4},
    ),
    Case(
        name="a rising wavenumber, order 4",
        source="Airy's equation (Abramowitz and Stegun, section 10.4)",
        grid=line,
        given=lambda grid: {"wavenumber": lambda x: 10 * np.sqrt(1 + x)},
        exact=lambda grid: {"amplitude": airy(grid.mesh()[0])},
        sizes=(65, 129, 257),
        bound=1e-4,
        rate=4,
        boundary={"x": Dirichlet(airy)},
        options={"order": 4},
    ),
    Case(
        name="a forced wave between flat ends",
        source="cos(2 pi x) cos(pi y), an eigenfunction of the Laplacian with eigenvalue -5 pi^2",
        grid=square,
        given=lambda grid: {
            "wavenumber": 4.0,
            "source": lambda x, y: (16 - 5 * np.pi**2) * np.cos(2 * np.pi * x) * np.cos(np.pi * y),
        },
        exact=lambda grid: {"amplitude": np.cos(2 * np.pi * grid.mesh()[0]) * np.cos(np.pi * grid.mesh()[1])},
        sizes=(17, 33, 65),
        bound=1e-2,
        rate=2,
        boundary={"x": Neumann(), "y": Neumann()},
    ),
    Case(
        name="a forced wave on a torus, order 8",
        source="sin(2 pi (x + 2 y)), an eigenfunction of the Laplacian with eigenvalue -20 pi^2",
        grid=torus,
        given=lambda grid: {"wavenumber": 3.0, "source": lambda x, y: (9 - 20 * np.pi**2) * np.sin(2 * np.pi * (x + 2 * y))},
        exact=lambda grid: {"amplitude": np.sin(2 * np.pi * (grid.mesh()[0] + 2 * grid.mesh()[1]))},
        sizes=(16, 32, 64),
        bound=1e-7,
        rate=8,
        options={"order": 8},
    ),
)

INVARIANTS = ()
