"""Gray-Scott by closed forms (a front, decay, a growing mode), by its kinetics alone and by an independent spectral computation."""

from functools import cache

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from opbench.boundary import Neumann
from opbench.grid import Grid
from opbench.solver.verification import Case

PARAMETERS = {"diffusivity_u": 0.021, "diffusivity_v": 0.009, "feed": 0.31, "kill": 0.17}
NAMES = ("concentration_u", "concentration_v")
TIME = 1.5
FINEST = 48


def torus(n: int) -> Grid:
    return Grid(("x", "y"), (n, n), (0.0, 0.0), (2.0, 2.0), (True, True))


def kinetics(u, v) -> tuple:
    """What happens at a point without diffusion."""
    feed, kill = PARAMETERS["feed"], PARAMETERS["kill"]
    return feed * (1 - u) - u * v**2, u * v**2 - (feed + kill) * v


def integrated(rate, initial: np.ndarray) -> np.ndarray:
    return solve_ivp(rate, (0, TIME), initial, method="DOP853", rtol=1e-11, atol=1e-12).y[:, -1]


def smooth(grid: Grid) -> dict[str, np.ndarray]:
    x, y = (np.pi * z for z in grid.mesh())
    bump = np.exp(np.cos(x - 1) + np.cos(y - 2) - 2)
    return {"concentration_u": 1 - 0.5 * bump + 0.1 * np.sin(x + 2 * y), "concentration_v": 0.9 * bump + 0.2 * np.cos(y)}


@cache
def spectral() -> np.ndarray:
    """(2, FINEST, FINEST) at TIME: reaction at the points, diffusion exact on every wave."""
    shape = (2, FINEST, FINEST)
    wavenumber = np.pi * np.fft.fftfreq(FINEST, 1 / FINEST)
    square = wavenumber[:, None] ** 2 + wavenumber[: FINEST // 2 + 1] ** 2
    diffusivity = np.array([PARAMETERS["diffusivity_u"], PARAMETERS["diffusivity_v"]])[:, None, None]

    def rate(_, flat: np.ndarray) -> np.ndarray:
        state = flat.reshape(shape)
        spread = np.fft.irfft2(-diffusivity * square * np.fft.rfft2(state), s=shape[1:])
        return (spread + np.stack(kinetics(*state))).ravel()

    return integrated(rate, np.stack([smooth(torus(FINEST))[name] for name in NAMES]).ravel()).reshape(shape)


def by_spectrum(grid: Grid) -> dict[str, np.ndarray]:
    stride = FINEST // grid.shape[0]
    return {name: part[None, ::stride, ::stride] for name, part in zip(NAMES, spectral(), strict=True)}


def uniform(grid: Grid) -> dict[str, np.ndarray]:
    values = integrated(lambda _, state: np.array(kinetics(*state)), np.array([0.4, 0.8]))
    return {name: np.full((1, *grid.shape), value) for name, value in zip(NAMES, values, strict=True)}


def wave(grid: Grid) -> np.ndarray:
    x, y = (np.pi * z for z in grid.mesh())
    return np.cos(x + y + 0.4)


def decayed(grid: Grid) -> dict[str, np.ndarray]:
    """Without v, u - 1 obeys a linear equation: every wave decays at rate F + Du q^2."""
    rate = PARAMETERS["feed"] + PARAMETERS["diffusivity_u"] * 2 * np.pi**2
    return {"concentration_u": 1 + 0.5 * np.exp(-rate * TIME) * wave(grid)[None]}


TURING = {"diffusivity_u": 0.02, "diffusivity_v": 0.0008, "feed": 0.05, "kill": 0.055}  # the rest state is stable without diffusion
TURING_TIME = 30.0
SEED = 1e-5


def rest() -> tuple[float, float]:
    """The state of rest with v > 0: u v = F + k, F (1 - u) = (F + k) v, the root of larger v."""
    feed, loss = TURING["feed"], TURING["feed"] + TURING["kill"]
    v = feed / (2 * loss) * (1 + np.sqrt(1 - 4 * loss**2 / feed))
    return loss / v, v


def turing(grid: Grid) -> dict[str, np.ndarray]:
    """A wave of wavenumber q on the state of rest obeys w_t = A w: Turing, Phil. Trans. R. Soc. B 237 (1952), section 8."""
    (u, v), square = rest(), 2 * np.pi**2
    feed, loss = TURING["feed"], TURING["feed"] + TURING["kill"]
    matrix = np.array(
        [
            [-feed - v**2 - TURING["diffusivity_u"] * square, -2 * u * v],
            [v**2, 2 * u * v - loss - TURING["diffusivity_v"] * square],
        ]
    )
    growth = expm(TURING_TIME * matrix) @ [0.0, SEED]
    return {name: value + part * wave(grid)[None] for name, value, part in zip(NAMES, (u, v), growth, strict=True)}


FRONT = {"diffusivity_u": 0.03, "diffusivity_v": 0.03, "feed": 0.0, "kill": 0.0}  # u + v = 1 stays so: v_t = D v_xx + v^2 (1 - v)
FRONT_TIMES = (2.0, 5.0)


def front(x: np.ndarray, t: float) -> np.ndarray:
    """v = 1 / (1 + exp((x - V t) / sqrt(2 D))), V = sqrt(D / 2).

    Source: Billingham and Needham, Phil. Trans. R. Soc. A 334 (1991), cubic autocatalysis with equal diffusivities.
    """
    diffusivity = FRONT["diffusivity_v"]
    return 1 / (1 + np.exp((x - np.sqrt(diffusivity / 2) * t) / np.sqrt(2 * diffusivity)))


def line(n: int) -> Grid:
    return Grid(("x",), (n,), (-6.0,), (6.0,), (False,))


CASES = (
    Case(
        name="smooth reaction",
        source="reaction at points and exact diffusion of 48 x 48 waves, stepped by scipy's DOP853",
        grid=torus,
        given=lambda grid: smooth(grid) | PARAMETERS,
        exact=by_spectrum,
        sizes=(16, 24, 48),
        bound=1e-5,
        times=(TIME,),
        rate=4.0,
        options={"order": 4, "tolerance": 1e-9},
    ),
    Case(
        name="kinetics of a uniform state",
        source="two ordinary differential equations, scipy's DOP853",
        grid=torus,
        given=lambda _: PARAMETERS | {"concentration_u": 0.4, "concentration_v": 0.8},
        exact=uniform,
        sizes=(9, 12, 16),
        bound=1e-8,
        times=(TIME,),
    ),
    Case(
        name="decay without the second substance",
        source="closed form of the linear equation that is left",
        grid=torus,
        given=lambda grid: PARAMETERS | {"concentration_u": 1 + 0.5 * wave(grid), "concentration_v": 0.0},
        exact=decayed,
        sizes=(12, 16, 24),
        bound=1e-8,
        times=(TIME,),
    ),
    Case(
        name="a Turing pattern's first growth",
        source="the matrix exponential of the equations linearised about the state of rest",
        grid=torus,
        given=lambda grid: TURING | {"concentration_u": rest()[0], "concentration_v": rest()[1] + SEED * wave(grid)},
        exact=turing,
        sizes=(16, 24, 32),
        bound=2e-8,
        times=(TURING_TIME,),
        options={"tolerance": 1e-10},
    ),
    Case(
        name="front of cubic autocatalysis",
        source="closed form, Billingham and Needham, Phil. Trans. R. Soc. A 334 (1991)",
        grid=line,
        given=lambda grid: (
            FRONT | {"concentration_u": 1 - front(*grid.coordinates(), 0.0), "concentration_v": front(*grid.coordinates(), 0.0)}
        ),
        exact=lambda grid: {"concentration_v": np.stack([front(*grid.coordinates(), t) for t in FRONT_TIMES])},
        sizes=(65, 97, 129),
        bound=1e-5,
        times=FRONT_TIMES,
        rate=4.0,
        boundary={"x": Neumann()},
        options={"order": 4},
    ),
)
INVARIANTS = ()
ENDS = ("dirichlet", "neumann")
