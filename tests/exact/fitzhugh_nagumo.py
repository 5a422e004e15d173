"""FitzHugh-Nagumo by closed forms (a front, a growing mode), by its kinetics alone, by a cosine series and by PDEBench's lines on noise."""

from functools import cache

import numpy as np
from scipy.fft import dctn, idctn
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from scipy.sparse import diags_array, eye_array, kron

from opbench.boundary import Neumann
from opbench.grid import Grid
from opbench.solver.verification import Case

PARAMETERS = {"diffusivity_activator": 0.013, "diffusivity_inhibitor": 0.029, "threshold": 0.11, "recovery": 0.7, "decay": 1.6}
WALLS = {"x": Neumann(), "y": Neumann()}
TIME = 0.6
FINEST = 48  # cells of the cosine series, whose last coefficients are 1e-13 of the first


def square(n: int) -> Grid:
    return Grid(("x", "y"), (n, n), (-1.0, -1.0), (1.0, 1.0), (False, False))


def kinetics(u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What happens at a point without diffusion."""
    return u - u**3 - v - PARAMETERS["threshold"], PARAMETERS["recovery"] * (u - PARAMETERS["decay"] * v)


def integrated(rate, initial: np.ndarray) -> np.ndarray:
    return solve_ivp(rate, (0, TIME), initial, method="DOP853", rtol=1e-11, atol=1e-12).y[:, -1]


def smooth(grid: Grid) -> dict[str, np.ndarray]:
    x, y = ((np.pi * (z + 1) / 2) for z in grid.mesh())
    return {"activator": 0.8 * np.cos(x) * np.cos(2 * y) + 0.3 * np.cos(3 * x), "inhibitor": 0.4 * np.cos(y) - 0.2 * np.cos(x) * np.cos(y)}


@cache
def cosine_series() -> np.ndarray:
    """(2, FINEST + 1, FINEST + 1) at TIME: reaction at the nodes, diffusion exact on every cosine."""
    shape = (2, FINEST + 1, FINEST + 1)
    square_wavenumber = (np.pi / 2 * np.arange(FINEST + 1)) ** 2
    laplacian = -(square_wavenumber[:, None] + square_wavenumber)
    diffusivity = np.array([PARAMETERS["diffusivity_activator"], PARAMETERS["diffusivity_inhibitor"]])[:, None, None]

    def rate(_, flat: np.ndarray) -> np.ndarray:
        state = flat.reshape(shape)
        spread = idctn(diffusivity * laplacian * dctn(state, type=1, axes=(1, 2)), type=1, axes=(1, 2))
        return (spread + np.stack(kinetics(*state))).ravel()

    fields = smooth(square(FINEST + 1))
    return integrated(rate, np.stack([fields["activator"], fields["inhibitor"]]).ravel()).reshape(shape)


def by_cosines(grid: Grid) -> dict[str, np.ndarray]:
    stride = FINEST // (grid.shape[0] - 1)
    return {name: part[None, ::stride, ::stride] for name, part in zip(("activator", "inhibitor"), cosine_series(), strict=True)}


def noise(grid: Grid) -> dict[str, np.ndarray]:
    return dict(zip(("activator", "inhibitor"), np.random.default_rng(1).standard_normal((2, *grid.shape)), strict=True))


def by_lines(grid: Grid) -> dict[str, np.ndarray]:
    """Five-point differences, the node outside an end mirroring the one inside."""
    n, spacing = grid.shape[0], grid.spacing[0]
    above, below = np.ones(n - 1), np.ones(n - 1)
    above[0] = below[-1] = 2.0
    line = diags_array([below, np.full(n, -2.0), above], offsets=[-1, 0, 1]) / spacing**2
    laplacian = (kron(line, eye_array(n)) + kron(eye_array(n), line)).tocsr()

    def rate(_, flat: np.ndarray) -> np.ndarray:
        u, v = np.split(flat, 2)
        du, dv = kinetics(u, v)
        spread_u, spread_v = laplacian @ u, laplacian @ v
        return np.concatenate([PARAMETERS["diffusivity_activator"] * spread_u + du, PARAMETERS["diffusivity_inhibitor"] * spread_v + dv])

    fields = noise(grid)
    u, v = np.split(integrated(rate, np.concatenate([fields["activator"].ravel(), fields["inhibitor"].ravel()])), 2)
    return {"activator": u.reshape(1, *grid.shape), "inhibitor": v.reshape(1, *grid.shape)}


def uniform(grid: Grid) -> dict[str, np.ndarray]:
    u, v = integrated(lambda _, state: np.array(kinetics(*state)), np.array([0.9, -0.4]))
    return {"activator": np.full((1, *grid.shape), u), "inhibitor": np.full((1, *grid.shape), v)}


def mode(grid: Grid) -> np.ndarray:
    x, y = grid.mesh()
    return np.cos(np.pi * (x + 1)) * np.cos(3 * np.pi * (y + 1) / 2)


def grown(grid: Grid) -> dict[str, np.ndarray]:
    """Near the rest state of threshold 0 a wave of wavenumber q obeys w_t = A w, A = [[1 - Du q^2, -1], [r, -r s - Dv q^2]]."""
    square_wavenumber = np.pi**2 * (1 + 9 / 4)
    du, dv, _, r, s = PARAMETERS.values()
    matrix = np.array([[1 - du * square_wavenumber, -1], [r, -r * s - dv * square_wavenumber]])
    u, v = expm(TIME * matrix) @ [1e-6, -3e-6]
    return {"activator": u * mode(grid)[None], "inhibitor": v * mode(grid)[None]}


FRONT = {"diffusivity_activator": 0.013, "threshold": 0.2, "recovery": 0.0}  # the inhibitor rests at 0, and is no unknown any more
FRONT_TIMES = (1.0, 2.0)


def front(x: np.ndarray, t: float) -> np.ndarray:
    """u_t = D u_xx - (u - a)(u - b)(u - c) has the front (a + c)/2 - (c - a)/2 tanh((c - a)(x - V t)/sqrt(8 D)).

    V = sqrt(D/2)(a + c - 2 b), a < b < c being the roots of u - u^3 - k. Source: McKean, Adv. Math. 4 (1970).
    """
    low, middle, high = np.sort(np.roots([-1, 0, 1, -FRONT["threshold"]]).real)
    speed = np.sqrt(FRONT["diffusivity_activator"] / 2) * (low + high - 2 * middle)
    steepness = (high - low) / np.sqrt(8 * FRONT["diffusivity_activator"])
    return (low + high) / 2 - (high - low) / 2 * np.tanh(steepness * (x - speed * t))


def line(n: int) -> Grid:
    return Grid(("x",), (n,), (-3.0,), (3.0,), (False,))


CASES = (
    Case(
        name="smooth reaction between walls",
        source="reaction at nodes and exact diffusion of 49 x 49 cosines, stepped by scipy's DOP853",
        grid=square,
        given=lambda grid: smooth(grid) | PARAMETERS,
        exact=by_cosines,
        sizes=(17, 25, 49),
        bound=1e-5,
        times=(TIME,),
        rate=4.0,
        boundary=WALLS,
        options={"order": 4, "tolerance": 1e-9},
    ),
    Case(
        name="white noise between walls, semi-discrete (noise has no continuum limit)",
        source="the same five-point differences as a sparse matrix, stepped by scipy's DOP853 as PDEBench does with its RK45",
        grid=square,
        given=lambda grid: noise(grid) | PARAMETERS,
        exact=by_lines,
        sizes=(9, 17, 33),
        bound=1e-8,
        times=(TIME,),
        boundary=WALLS,
        options={"order": 2, "tolerance": 1e-10},
    ),
    Case(
        name="kinetics of a uniform state",
        source="two ordinary differential equations, scipy's DOP853",
        grid=square,
        given=lambda _: PARAMETERS | {"activator": 0.9, "inhibitor": -0.4},
        exact=uniform,
        sizes=(9, 13, 17),
        bound=1e-8,
        times=(TIME,),
        boundary=WALLS,
    ),
    Case(
        name="growth of a small wave",
        source="the matrix exponential of the linearised equations",
        grid=square,
        given=lambda grid: PARAMETERS | {"threshold": 0.0, "activator": 1e-6 * mode(grid), "inhibitor": -3e-6 * mode(grid)},
        exact=grown,
        sizes=(17, 25, 33),
        bound=1e-6,
        times=(TIME,),
        rate=8.0,
        boundary=WALLS,
    ),
    Case(
        name="front of the activator alone",
        source="closed form, McKean, Adv. Math. 4 (1970)",
        grid=line,
        given=lambda grid: FRONT | {"inhibitor": 0.0, "activator": front(*grid.coordinates(), 0.0)},
        exact=lambda grid: {"activator": np.stack([front(*grid.coordinates(), t) for t in FRONT_TIMES])},
        sizes=(97, 129, 193),
        bound=2e-5,
        times=FRONT_TIMES,
        rate=4.0,
        boundary={"x": Neumann()},
        options={"order": 4},
    ),
)
INVARIANTS = ()
ENDS = ("dirichlet", "neumann")
