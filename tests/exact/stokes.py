"""Stokes flow by closed forms: polynomials, vortices in a box and on a torus, channels driven by a force and by a pressure."""

import numpy as np

from opbench.boundary import Dirichlet, Neumann
from opbench.grid import Grid
from opbench.solver.verification import Case

ENDS = ()  # a pressure is fixed up to a constant: see the cases
MU = 0.7


def square(n: int) -> Grid:
    return Grid(("x", "y"), (n, n), (0.0, 0.0), (1.0, 1.0), (False, False))


def channel(n: int) -> Grid:
    return Grid(("x", "y"), (n, n), (0.0, 0.0), (2.0, 1.0), (True, False))


def torus(n: int) -> Grid:
    return Grid(("x", "y"), (n, n), (0.0, 0.0), (2 * np.pi, 2 * np.pi), (True, True))


def polynomial(grid: Grid) -> dict[str, np.ndarray]:
    """For mu = 1, without a force; the pressure has zero mean."""
    x, y = grid.mesh()
    return {"velocity_x": 20 * x * y**3, "velocity_y": 5 * x**4 - 5 * y**4, "pressure": 60 * x**2 * y - 20 * y**3 - 5}


def vortices(grid: Grid) -> dict[str, np.ndarray]:
    """Stream function sin(pi x)^2 sin(pi y)^2, at rest on the edge, and a pressure of zero mean."""
    x, y = (np.pi * axis for axis in grid.mesh())
    return {
        "velocity_x": np.pi * np.sin(x) ** 2 * np.sin(2 * y),
        "velocity_y": -np.pi * np.sin(2 * x) * np.sin(y) ** 2,
        "pressure": np.cos(x) * np.cos(2 * y),
    }


def force_of_vortices(grid: Grid) -> dict[str, np.ndarray]:
    x, y = (np.pi * axis for axis in grid.mesh())
    return {
        "force_x": -MU * np.pi**3 * np.sin(2 * y) * (4 * np.cos(2 * x) - 2) - np.pi * np.sin(x) * np.cos(2 * y),
        "force_y": MU * np.pi**3 * np.sin(2 * x) * (4 * np.cos(2 * y) - 2) - 2 * np.pi * np.cos(x) * np.sin(2 * y),
    }


def on_torus(grid: Grid) -> dict[str, np.ndarray]:
    x, y = grid.mesh()
    return {"velocity_x": np.sin(x) * np.cos(y), "velocity_y": -np.cos(x) * np.sin(y), "pressure": np.sin(2 * x + y)}


def force_on_torus(grid: Grid) -> dict[str, np.ndarray]:
    x, y = grid.mesh()
    flow = on_torus(grid)
    wave = np.cos(2 * x + y)
    return {"force_x": 2 * MU * flow["velocity_x"] + 2 * wave, "force_y": 2 * MU * flow["velocity_y"] + wave}


def poiseuille(drop: float, grid: Grid) -> dict[str, np.ndarray]:
    _, y = grid.mesh()
    return {"velocity_x": drop / (2 * MU) * y * (1 - y), "velocity_y": 0 * y}


POLYNOMIAL = {
    axis: {"velocity_x": Dirichlet(lambda x, y: 20 * x * y**3), "velocity_y": Dirichlet(lambda x, y: 5 * x**4 - 5 * y**4)} for axis in "xy"
}
REST = {"velocity_x": Dirichlet(), "velocity_y": Dirichlet()}
PASSING = {"velocity_x": Neumann(), "velocity_y": Dirichlet()}

CASES = (
    *(
        Case(
            name=f"vortices in a box, order {order}",
            source="a stream function and a pressure put into the equation",
            grid=square,
            given=lambda grid: {"viscosity": MU, **force_of_vortices(grid)},
            exact=vortices,
            sizes=(17, 33, 65),
            bound={2: 1e-2, 4: 1e-4}[order],
            rate=order,
            options={"order": order},
        )
        for order in (2, 4)
    ),
    Case(
        name="a polynomial flow through the edge, order 2",
        source="Dohrmann and Bochev, Int. J. Numer. Meth. Fluids 46 (2004), section 5: u = 20 x y^3, v = 5 x^4 - 5 y^4",
        grid=square,
        given=lambda grid: {"viscosity": 1.0},
        exact=polynomial,
        sizes=(17, 33, 65),
        bound=1e-2,
        rate=2,
        boundary=POLYNOMIAL,
    ),
    Case(
        name="the same, which stencils of order 4 know exactly",
        source="Dohrmann and Bochev, Int. J. Numer. Meth. Fluids 46 (2004), section 5",
        grid=square,
        given=lambda grid: {"viscosity": 1.0},
        exact=polynomial,
        sizes=(9, 17, 33),
        bound=1e-8,
        boundary=POLYNOMIAL,
        options={"order": 4},
    ),
    Case(
        name="a channel driven by a force",
        source="Poiseuille's parabola",
        grid=channel,
        given=lambda grid: {"viscosity": MU, "force_x": 3.0},
        exact=lambda grid: poiseuille(3.0, grid),
        sizes=(8, 16, 32),
        bound=1e-10,
        boundary={"y": REST},
    ),
    Case(
        name="a channel driven by a pressure",
        source="Poiseuille's parabola, and a pressure that falls evenly",
        grid=square,
        given=lambda grid: {"viscosity": MU},
        exact=lambda grid: poiseuille(3.0, grid) | {"pressure": 3 * (1 - grid.mesh()[0])},
        sizes=(9, 17, 33),
        bound=1e-10,
        boundary={"x": (PASSING | {"pressure": Dirichlet(3.0)}, PASSING | {"pressure": Dirichlet(0.0)}), "y": REST},
    ),
    Case(
        name="vortices on a torus, order 4",
        source="Taylor and Green's flow, an eigenfunction of the Laplacian, with a pressure wave",
        grid=torus,
        given=lambda grid: {"viscosity": MU, **force_on_torus(grid)},
        exact=on_torus,
        sizes=(16, 32, 64),
        bound=1e-4,
        rate=4,
        options={"order": 4},
    ),
)

INVARIANTS = ()
