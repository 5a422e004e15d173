"""Diffusion with sorption by an independent computation, Chebyshev collocation stepped by scipy, and by a mode where R is constant."""

from functools import cache

import numpy as np
from scipy.integrate import solve_ivp, trapezoid

from opbench.boundary import Dirichlet, Neumann, Robin
from opbench.grid import Grid
from opbench.solver.verification import Case, Invariant

COEFFICIENTS = {
    "diffusivity": 0.07,
    "porosity": 0.37,
    "density": 3.1,
    "freundlich_coefficient": 0.6,
    "freundlich_exponent": 0.874,
    "offset": 0.2,
}
RATIO = (1 - 0.37) / 0.37 * 3.1 * 0.6
LOSS = 1.6  # factor of the Robin end
TIMES = (0.5, 2.0)
DEGREE = 40


def interval(n: int) -> Grid:
    return Grid(("x",), (n,), (0.0,), (1.0,), (False,))


def initial(x: np.ndarray) -> np.ndarray:
    """1 at the lower end, and LOSS u + u_x = 0 at the upper one."""
    return 1 - LOSS / (1 + LOSS) * x + 0.3 * np.sin(np.pi * x) ** 2


def sorbed(u: np.ndarray) -> np.ndarray:
    """What is sorbed per what is dissolved, times u, up to a constant: its slope is R - 1."""
    return RATIO * (u + COEFFICIENTS["offset"]) ** COEFFICIENTS["freundlich_exponent"]


def chebyshev() -> tuple[np.ndarray, np.ndarray]:
    """Nodes on [0, 1] and the matrix of the derivative there (Trefethen, Spectral Methods in MATLAB, chapter 6)."""
    angle = np.pi * np.arange(DEGREE + 1) / DEGREE
    x = (1 - np.cos(angle)) / 2
    weight = np.where(np.arange(DEGREE + 1) % DEGREE == 0, 2.0, 1.0) * (-1.0) ** np.arange(DEGREE + 1)
    matrix = np.outer(weight, 1 / weight) / (x[:, None] - x + np.eye(DEGREE + 1))
    return x, matrix - np.diag(matrix.sum(1))


@cache
def reference() -> np.ndarray:
    """(time, node): the inner nodes are stepped, the upper end follows from its condition."""
    x, slope = chebyshev()
    curvature = slope @ slope

    def whole(inner: np.ndarray) -> np.ndarray:
        u = np.concatenate([[1.0], inner, [0.0]])
        u[-1] = -slope[-1] @ u / (slope[-1, -1] + LOSS)
        return u

    def rate(_: float, inner: np.ndarray) -> np.ndarray:
        u = whole(inner)
        retardation = 1 + COEFFICIENTS["freundlich_exponent"] * sorbed(u) / (u + COEFFICIENTS["offset"])
        return (COEFFICIENTS["diffusivity"] * (curvature @ u) / retardation)[1:-1]

    answer = solve_ivp(rate, (0, TIMES[-1]), initial(x)[1:-1], "Radau", TIMES, rtol=1e-10, atol=1e-12)
    return np.stack([whole(inner) for inner in answer.y.T])


def interpolated(grid: Grid) -> np.ndarray:
    polynomials = np.polynomial.chebyshev.chebvander
    nodes, values = chebyshev()[0], reference()
    return np.linalg.solve(polynomials(2 * nodes - 1, DEGREE), values.T).T @ polynomials(2 * grid.mesh()[0] - 1, DEGREE).T


def linear(x: np.ndarray, t: float) -> np.ndarray:
    """n_f = 1: R = 1 + (1 - phi) / phi rho_s k throughout."""
    k = np.pi
    speed = COEFFICIENTS["diffusivity"] / (1 + RATIO)
    return 1 + 0.5 * np.cos(k * x) * np.exp(-speed * k**2 * t)


CASES = (
    Case(
        name="sorption from a given value to an end that loses",
        source="Chebyshev collocation of degree 40, scipy's Radau with relative tolerance 1e-10",
        grid=interval,
        given=lambda grid: {"concentration": initial(grid.mesh()[0]), **COEFFICIENTS},
        exact=lambda grid: {"concentration": interpolated(grid)},
        sizes=(25, 49, 97),
        bound=1e-6,
        times=TIMES,
        rate=4,
        boundary={"x": (Dirichlet(1.0), Robin(LOSS, 0.0))},
        options={"tolerance": 1e-10},
    ),
    Case(
        name="linear sorption between closed ends",
        source="closed form, by differentiation",
        grid=interval,
        given=lambda grid: {"concentration": linear(grid.mesh()[0], 0.0), **COEFFICIENTS, "freundlich_exponent": 1.0},
        exact=lambda grid: {"concentration": np.stack([linear(grid.mesh()[0], t) for t in TIMES])},
        sizes=(17, 33, 65),
        bound=1e-7,
        times=TIMES,
        rate=4,
        boundary={"x": Neumann(0.0)},
        options={"order": 4, "tolerance": 1e-10},
    ),
)

INVARIANTS = (
    Invariant(
        name="what is dissolved and sorbed between closed ends",
        grid=interval(65),
        given=lambda grid: {"concentration": 1 + 0.5 * np.cos(np.pi * grid.mesh()[0]), **COEFFICIENTS},
        quantity=lambda values, grid: trapezoid(values["concentration"] + sorbed(values["concentration"]), dx=grid.spacing[0], axis=-1),
        times=(0.0, *TIMES),
        bound=1e-8,
        boundary={"x": Neumann(0.0)},
    ),
)

ENDS = ("dirichlet", "neumann", "robin")
