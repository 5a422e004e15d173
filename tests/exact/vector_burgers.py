"""Vector Burgers by Cole and Hopf's potential flow in a wind, by a shear in a wind, and by an independent spectral computation."""

from functools import cache

import numpy as np
from scipy.integrate import solve_ivp

from opbench.grid import Grid
from opbench.solver.verification import Case, Invariant

NAMES = ("velocity_x", "velocity_y")
VISCOSITY = 0.07
WIND = (0.6, -0.35)
TIMES = (0.4, 1.1)
FINEST = 64


def torus(n: int) -> Grid:
    return Grid(("x", "y"), (n, n), (0.0, 0.0), (2 * np.pi, 2 * np.pi), (True, True))


def cole_hopf(grid: Grid, t: float) -> dict[str, np.ndarray]:
    """u = w - 2 nu grad(log p) with p_t = nu lap p, carried along by the wind w.

    Source: Cole, Quart. Appl. Math. 9 (1951); in several dimensions a potential flow's u . grad u is grad(|u|^2 / 2).
    """
    x, y = (z - w * t for z, w in zip(grid.mesh(), WIND, strict=True))
    heat, slope_x, slope_y = np.ones(grid.shape), 0.0, 0.0
    for amplitude, k, m, shift in ((0.5, 1, 0, 0.3), (0.2, 1, 2, 1.1), (0.15, 2, -1, 2.0)):
        decayed = amplitude * np.exp(-VISCOSITY * (k**2 + m**2) * t)
        heat = heat + decayed * np.cos(k * x + m * y + shift)
        slope_x = slope_x - k * decayed * np.sin(k * x + m * y + shift)
        slope_y = slope_y - m * decayed * np.sin(k * x + m * y + shift)
    return {"velocity_x": WIND[0] - 2 * VISCOSITY * slope_x / heat, "velocity_y": WIND[1] - 2 * VISCOSITY * slope_y / heat}


def shear(grid: Grid, t: float) -> dict[str, np.ndarray]:
    """A wave of velocity along x that only the wind along y moves: u . grad u is wind u_y, and the wave decays."""
    _, y = grid.mesh()
    wave = 1.7 * np.exp(-9 * VISCOSITY * t) * np.sin(3 * (y - WIND[1] * t)) + WIND[0]
    return {"velocity_x": wave, "velocity_y": np.full(grid.shape, WIND[1])}


def swirl(grid: Grid) -> dict[str, np.ndarray]:
    """Neither a potential flow nor free of divergence."""
    x, y = grid.mesh()
    return {"velocity_x": 0.8 * np.sin(y) + 0.4 * np.cos(x + 2 * y), "velocity_y": 0.5 * np.sin(2 * x) - 0.6 * np.cos(x - y + 1)}


@cache
def spectral() -> np.ndarray:
    """(time, 2, FINEST, FINEST): all derivatives of waves exact, stepped by scipy's DOP853."""
    shape = (2, FINEST, FINEST)
    along_x, along_y = np.fft.fftfreq(FINEST, 1 / FINEST)[:, None], np.arange(FINEST // 2 + 1)
    symbols = (1j * along_x, 1j * along_y, -(along_x**2) - along_y**2)

    def rate(_, flat: np.ndarray) -> np.ndarray:
        u, v = state = flat.reshape(shape)
        hat = np.fft.rfft2(state)
        by_x, by_y, spread = (np.fft.irfft2(symbol * hat, s=shape[1:]) for symbol in symbols)
        return (VISCOSITY * spread - u * by_x - v * by_y).ravel()

    initial = np.stack([swirl(torus(FINEST))[name] for name in NAMES]).ravel()
    answer = solve_ivp(rate, (0, TIMES[-1]), initial, method="DOP853", t_eval=TIMES, rtol=1e-10, atol=1e-11)
    return answer.y.T.reshape(len(TIMES), *shape)


def by_spectrum(grid: Grid) -> dict[str, np.ndarray]:
    stride = FINEST // grid.shape[0]
    return {name: spectral()[:, i, ::stride, ::stride] for i, name in enumerate(NAMES)}


def over_time(formula, grid: Grid) -> dict[str, np.ndarray]:
    frames = [formula(grid, t) for t in TIMES]
    return {name: np.stack([frame[name] for frame in frames]) for name in NAMES}


CASES = (
    Case(
        name="potential flow in a wind",
        source="closed form, Cole, Quart. Appl. Math. 9 (1951), and Galilean invariance",
        grid=torus,
        given=lambda grid: cole_hopf(grid, 0.0) | {"viscosity": VISCOSITY},
        exact=lambda grid: over_time(cole_hopf, grid),
        sizes=(32, 48, 64),
        bound=3e-5,
        times=TIMES,
        rate=4.0,
        options={"order": 4},
    ),
    Case(
        name="shear in a wind",
        source="closed form: a travelling, decaying wave",
        grid=torus,
        given=lambda grid: shear(grid, 0.0) | {"viscosity": VISCOSITY},
        exact=lambda grid: over_time(shear, grid),
        sizes=(40, 48, 64),
        bound=1e-6,
        times=TIMES,
        rate=8.0,
        options={"tolerance": 1e-10},
    ),
    Case(
        name="a flow with both vorticity and divergence",
        source="64 x 64 waves with exact derivatives, stepped by scipy's DOP853",
        grid=torus,
        given=lambda grid: swirl(grid) | {"viscosity": VISCOSITY},
        exact=by_spectrum,
        sizes=(16, 32, 64),
        bound=2e-3,
        times=TIMES,
        rate=4.0,
        options={"order": 4},
    ),
)
INVARIANTS = (
    Invariant(
        name="momentum of a potential flow",
        grid=torus(32),
        given=lambda grid: cole_hopf(grid, 0.0) | {"viscosity": VISCOSITY},
        quantity=lambda values, _: np.stack([values[name].mean((1, 2)) for name in NAMES], axis=1),
        times=(0.0, *TIMES),
        bound=1e-6,
    ),
)
ENDS = ("dirichlet", "neumann")
