"""Burgers by Cole and Hopf, the heat-kernel quotient with the exponent's maximum taken out, and by a front that keeps its shape."""

import numpy as np

from opbench.boundary import Dirichlet
from opbench.grid import Grid
from opbench.solver.verification import Case, Invariant

VISCOSITY = 0.03
TIMES = (0.1, 0.3)


def circle(n: int) -> Grid:
    return Grid(("x",), (n,), (0.0,), (1.0,), (True,))


def string(n: int) -> Grid:
    return Grid(("x",), (n,), (0.0,), (0.5,), (False,))


def channel(n: int) -> Grid:
    return Grid(("x",), (n,), (-1.0,), (2.0,), (False,))


def velocity(x: np.ndarray, t: float, viscosity: float) -> np.ndarray:
    """u(x, t) on [0, 1) periodic for u(x, 0) = sin(2 pi x).

    u = integral of (x - y)/t exp(-G/(2 nu)) dy / integral of exp(-G/(2 nu)) dy, G = integral_0^y u0 + (x - y)^2 / (2 t).
    Source: Hopf, Comm. Pure Appl. Math. 3 (1950), equation 4. The trapezoidal rule is spectrally accurate on such kernels.
    """
    if t == 0:
        return np.sin(2 * np.pi * x)
    y = np.linspace(-2, 3, 40001)
    potential = (1 - np.cos(2 * np.pi * y)) / (2 * np.pi)
    exponent = -(potential + (x[:, None] - y) ** 2 / (2 * t)) / (2 * viscosity)
    kernel = np.exp(exponent - exponent.max(axis=1, keepdims=True))
    return (kernel * (x[:, None] - y) / t).sum(axis=1) / kernel.sum(axis=1)


def front(x: np.ndarray, t: float) -> np.ndarray:
    """From 1.4 down to 0.2, of speed 0.8: u = 0.8 - 0.6 tanh(0.6 (x - 0.8 t) / (2 nu))."""
    return 0.8 - 0.6 * np.tanh(0.6 * (x - 0.8 * t) / (2 * VISCOSITY))


def waves(grid: Grid) -> dict:
    return {"velocity": np.sin(2 * np.pi * grid.mesh()[0]), "viscosity": VISCOSITY}


def case(name: str, grid, sizes: tuple[int, ...], order: int, boundary=None) -> Case:
    return Case(
        name=name,
        source="Hopf, Comm. Pure Appl. Math. 3 (1950), equation 4",
        grid=grid,
        given=waves,
        exact=lambda grid: {"velocity": np.stack([velocity(grid.mesh()[0], t, VISCOSITY) for t in TIMES])},
        sizes=sizes,
        bound=1e-4,
        times=TIMES,
        rate=order,
        boundary=boundary,
        options={"order": order, "tolerance": 1e-10},
    )


CASES = (
    case("a wave that steepens, order 4", circle, (64, 128, 256), 4),
    case("a wave that steepens, order 6", circle, (64, 128, 256), 6),
    case("half a wave between ends at rest", string, (33, 65, 129), 4, {"x": Dirichlet(0.0)}),
    Case(
        name="a front between given values",
        source="closed form, by differentiation",
        grid=channel,
        given=lambda grid: {"velocity": front(grid.mesh()[0], 0.0), "viscosity": VISCOSITY},
        exact=lambda grid: {"velocity": np.stack([front(grid.mesh()[0], t) for t in TIMES])},
        sizes=(129, 257, 513),
        bound=1e-4,
        times=TIMES,
        rate=4,
        boundary={"x": (Dirichlet(1.4), Dirichlet(0.2))},
        options={"tolerance": 1e-9},
    ),
)

INVARIANTS = (
    Invariant(
        name="the momentum",
        grid=circle(128),
        given=lambda grid: {"velocity": 1.5 + np.sin(2 * np.pi * grid.mesh()[0]), "viscosity": 0.01},
        quantity=lambda values, grid: values["velocity"].mean(-1),
        times=(0.0, 0.5, 1.0),
        bound=1e-13,
    ),
)

ENDS = ("dirichlet", "neumann", "robin")
