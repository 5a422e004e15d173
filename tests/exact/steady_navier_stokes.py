"""Steady Navier-Stokes flow: Kovasznay's wake, vortices in a box, a channel, a cavity by independent Chebyshev collocation."""

from functools import cache

import numpy as np

from opbench.boundary import Dirichlet
from opbench.grid import Grid
from opbench.solver.verification import Case

ENDS = ()  # a pressure is fixed up to a constant: see the cases
RE = 40.0
NU = 0.05
CAVITY_NU = 0.01


def square(n: int) -> Grid:
    return Grid(("x", "y"), (n, n), (0.0, 0.0), (1.0, 1.0), (False, False))


def behind_a_grid(n: int) -> Grid:
    return Grid(("x", "y"), (n, n), (-0.5, -0.5), (1.0, 0.5), (False, False))


def channel(n: int) -> Grid:
    return Grid(("x", "y"), (n, n), (0.0, 0.0), (2.0, 1.0), (True, False))


DECAY = RE / 2 - np.sqrt(RE**2 / 4 + 4 * np.pi**2)


def wake_x(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 1 - np.exp(DECAY * x) * np.cos(2 * np.pi * y)


def wake_y(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return DECAY / (2 * np.pi) * np.exp(DECAY * x) * np.sin(2 * np.pi * y)


def kovasznay(grid: Grid) -> dict[str, np.ndarray]:
    """Viscosity 1 / Re, no force; the pressure has zero mean."""
    x, y = grid.mesh()
    mean = np.diff(np.exp(2 * DECAY * np.array([grid.lower[0], grid.upper[0]])))[0] / (2 * DECAY * (grid.upper[0] - grid.lower[0]))
    return {"velocity_x": wake_x(x, y), "velocity_y": wake_y(x, y), "pressure": (mean - np.exp(2 * DECAY * x)) / 2}


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
    u, v, _ = vortices(grid).values()
    u_x, u_y = np.pi**2 * np.sin(2 * x) * np.sin(2 * y), 2 * np.pi**2 * np.sin(x) ** 2 * np.cos(2 * y)
    v_x = -2 * np.pi**2 * np.cos(2 * x) * np.sin(y) ** 2
    return {
        "force_x": u * u_x + v * u_y - NU * np.pi**3 * np.sin(2 * y) * (4 * np.cos(2 * x) - 2) - np.pi * np.sin(x) * np.cos(2 * y),
        "force_y": u * v_x - v * u_x + NU * np.pi**3 * np.sin(2 * x) * (4 * np.cos(2 * y) - 2) - 2 * np.pi * np.cos(x) * np.sin(2 * y),
    }


def smooth_lid(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Regularised: without speed and shear at the corners (Bourcier and Francois, Rech. Aerosp. 131, 1969)."""
    return 16 * x**2 * (1 - x) ** 2


@cache
def collocated(viscosity: float, degree: int = 32) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Chebyshev points on [0, 1], and u and v on their tensor product, of the cavity with a smooth lid at y = 1.

    nu lap lap psi = u . grad lap psi for the stream function, u = psi_y, v = -psi_x, collocated and solved by Newton's iteration on a dense
    matrix; the two outermost rings of points carry psi = 0 and its slopes. Between degree 32 and 40 the flow at viscosity 0.01 changes by
    1e-7 (differentiation matrix: Trefethen, Spectral Methods in Matlab, 2000, chapter 6).
    """
    n = degree + 1
    points = np.cos(np.pi * np.arange(n) / degree)
    weight = np.r_[2, np.ones(degree - 1), 2] * (-1.0) ** np.arange(n)
    slope = np.outer(weight, 1 / weight) / (points[:, None] - points + np.eye(n))
    slope = 2 * (slope - np.diag(slope.sum(axis=1)))
    x, one = (points + 1) / 2, np.eye(n)
    d_x, d_y = np.kron(slope, one), np.kron(one, slope)
    laplacian = np.kron(slope @ slope, one) + np.kron(one, slope @ slope)
    number = np.arange(n * n).reshape(n, n)  # x and y fall from 1 to 0
    ends = np.zeros((n * n, n * n))
    ends[number[[0, -1]], number[[0, -1]]] = ends[number[:, [0, -1]], number[:, [0, -1]]] = 1.0
    inner = slice(1, -1)
    ends[number[inner, 1]], ends[number[inner, -2]] = d_y[number[inner, 0]], d_y[number[inner, -1]]
    ends[number[1, 2:-2]], ends[number[-2, 2:-2]] = d_x[number[0, 2:-2]], d_x[number[-1, 2:-2]]
    values = np.zeros(n * n)
    values[number[inner, 1]] = smooth_lid(x[inner], x[inner])
    fixed = ends.any(axis=1)
    stream = np.zeros(n * n)
    for _ in range(20):
        u, v, w = d_y @ stream, -d_x @ stream, laplacian @ stream
        w_x, w_y = d_x @ w, d_y @ w
        missed = np.where(fixed, ends @ stream - values, viscosity * laplacian @ w - u * w_x - v * w_y)
        matrix = (viscosity * laplacian - u[:, None] * d_x - v[:, None] * d_y) @ laplacian - w_x[:, None] * d_y + w_y[:, None] * d_x
        matrix[fixed] = ends[fixed]
        step = np.linalg.solve(matrix, missed)
        stream -= step
        if np.abs(step).max() < 1e-11:
            return x, (d_y @ stream).reshape(n, n), -(d_x @ stream).reshape(n, n)
    raise ArithmeticError("the collocated cavity has not converged")


def barycentric(nodes: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The matrix that interpolates from Chebyshev points to x (Berrut and Trefethen, SIAM Rev. 46, 2004, section 5)."""
    weight = np.r_[0.5, np.ones(len(nodes) - 2), 0.5] * (-1.0) ** np.arange(len(nodes))
    apart = x[:, None] - nodes
    met = np.abs(apart) < 1e-14
    matrix = weight / np.where(met, 1.0, apart)
    matrix = matrix / matrix.sum(axis=1, keepdims=True)
    matrix[met.any(axis=1)] = met[met.any(axis=1)]
    return matrix


def cavity(grid: Grid) -> dict[str, np.ndarray]:
    nodes, u, v = collocated(CAVITY_NU)
    to_x, to_y = (barycentric(nodes, x) for x in grid.coordinates())
    return {"velocity_x": to_x @ u @ to_y.T, "velocity_y": to_x @ v @ to_y.T}


REST = {"velocity_x": Dirichlet(), "velocity_y": Dirichlet()}

CASES = (
    *(
        Case(
            name=f"a wake behind a grid, order {order}",
            source="Kovasznay, Proc. Camb. Phil. Soc. 44 (1948), at Re = 40",
            grid=behind_a_grid,
            given=lambda grid: {"viscosity": 1 / RE},
            exact=kovasznay,
            sizes=(17, 33, 65),
            bound={2: 1e-2, 4: 3e-4}[order],
            rate={2: 2, 4: 3.9}[order],
            boundary={axis: {"velocity_x": Dirichlet(wake_x), "velocity_y": Dirichlet(wake_y)} for axis in "xy"},
            options={"order": order},
        )
        for order in (2, 4)
    ),
    *(
        Case(
            name=f"vortices in a box, order {order}",
            source="a stream function and a pressure put into the equation",
            grid=square,
            given=lambda grid: {"viscosity": NU, **force_of_vortices(grid)},
            exact=vortices,
            sizes=(17, 33, 65),
            bound={2: 1e-2, 4: 1e-4}[order],
            rate=order,
            options={"order": order},
        )
        for order in (2, 4)
    ),
    *(
        Case(
            name=f"a cavity under a smooth lid, order {order}",
            source="Chebyshev collocation of the stream function, here; Re = 100",
            grid=square,
            given=lambda grid: {"viscosity": CAVITY_NU},
            exact=cavity,
            sizes=(33, 65, 129) if order == 2 else (17, 33, 65),
            bound={2: 3e-3, 4: 2e-4}[order],
            rate={2: 1.9, 4: 3.8}[order],
            boundary={"x": REST, "y": (REST, {"velocity_x": Dirichlet(smooth_lid), "velocity_y": Dirichlet()})},
            options={"order": order},
        )
        for order in (2, 4)
    ),
    Case(
        name="a channel driven by a force",
        source="Poiseuille's parabola",
        grid=channel,
        given=lambda grid: {"viscosity": NU, "force_x": 0.3},
        exact=lambda grid: {"velocity_x": 3 * grid.mesh()[1] * (1 - grid.mesh()[1]), "velocity_y": np.zeros(grid.shape)},
        sizes=(8, 16, 32),
        bound=1e-9,
        boundary={"y": REST},
    ),
)

INVARIANTS = ()
