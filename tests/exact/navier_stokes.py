"""Vorticity Navier-Stokes by closed forms (decaying vortices, shears that force and drag drive) and by independent computations."""

from functools import cache
from pathlib import Path

import numpy as np
from scipy.integrate import solve_ivp

from opbench.grid import Grid
from opbench.solver.verification import Case, Invariant

DATA = Path(__file__).parent.parent / "data"
DRAGGED = {"viscosity": 0.03, "drag": 0.4}
FORCE = (4, 2.0)  # on the velocity along x, amplitude sin(4 y): Kolmogorov's flow
TIMES = (0.5, 1.5)
FINEST = 64


def torus(n: int) -> Grid:
    return Grid(("x", "y"), (n, n), (0.0, 0.0), (2 * np.pi, 2 * np.pi), (True, True))


def decaying(grid: Grid) -> np.ndarray:
    x, y = grid.mesh()
    return 2 * np.sin(2 * x) * np.cos(3 * y) + 1.5 * np.cos(x + 2 * y + 0.3) + np.sin(3 * x - y + 1)


@cache
def torus_data() -> tuple[tuple[float, ...], np.ndarray]:
    with np.load(DATA / "ns2d_decay_torus.npz") as case:
        return tuple(case["t"].tolist()), case["w_own"]


def at_the_data(grid: Grid) -> np.ndarray:
    stride = 64 // grid.shape[0]
    return torus_data()[1][:, ::stride, ::stride]


def taylor_green(x: np.ndarray, y: np.ndarray, t: float, viscosity: float) -> np.ndarray:
    """w(x, y, t) on [0, 2 pi)^2 for w(0) = 2 cos x cos y: the stream function stays an eigenfunction, so w decays at rate 2 nu.

    Source: Taylor and Green, Proc. R. Soc. A 158 (1937).
    """
    return 2 * np.cos(x) * np.cos(y) * np.exp(-2 * viscosity * t)


def curl_of_force(grid: Grid) -> np.ndarray:
    k, amplitude = FORCE
    return -k * amplitude * np.cos(k * grid.mesh()[1])


def kolmogorov(grid: Grid, t: float) -> np.ndarray:
    """From rest: a shear is carried nowhere, so force, viscosity and drag alone decide, w = f (1 - exp(-a t)) / a, a = nu k^2 + drag.

    Source of the flow: Meshalkin and Sinai, J. Appl. Math. Mech. 25 (1961).
    """
    rate = DRAGGED["viscosity"] * FORCE[0] ** 2 + DRAGGED["drag"]
    return curl_of_force(grid) * (1 - np.exp(-rate * t)) / rate


def stirred(grid: Grid) -> np.ndarray:
    x, y = grid.mesh()
    return np.cos(x + 0.5) * np.cos(2 * y) + 0.7 * np.sin(2 * x - y)


@cache
def projected() -> np.ndarray:
    """(time, FINEST, FINEST): velocity itself is stepped, its pressure projected out, and its curl taken in the end."""
    shape = (2, FINEST, FINEST)
    k = np.stack(np.broadcast_arrays(np.fft.fftfreq(FINEST, 1 / FINEST)[:, None], np.arange(FINEST // 2 + 1)))
    square = (k**2).sum(0)
    over_square = 1 / np.where(square == 0, np.inf, square)
    force = np.stack([FORCE[1] * np.sin(FORCE[0] * torus(FINEST).mesh()[1]), np.zeros((FINEST, FINEST))])
    linear = -DRAGGED["viscosity"] * square - DRAGGED["drag"]

    def rate(_, flat: np.ndarray) -> np.ndarray:
        hat = np.fft.rfft2(flat.reshape(shape))
        u, v, along_x, along_y = (np.fft.irfft2(part, s=shape[1:]) for part in (*hat, 1j * k[0] * hat, 1j * k[1] * hat))
        push = np.fft.rfft2(force - u * along_x - v * along_y)
        free = push - k * over_square * (k * push).sum(0)
        return np.fft.irfft2(linear * hat + free, s=shape[1:]).ravel()

    stream = np.fft.rfft2(stirred(torus(FINEST))) * -over_square
    initial = np.fft.irfft2(np.stack([-1j * k[1] * stream, 1j * k[0] * stream]), s=shape[1:])
    answer = solve_ivp(rate, (0, TIMES[-1]), initial.ravel(), method="DOP853", t_eval=TIMES, rtol=1e-9, atol=1e-10)
    hat = np.fft.rfft2(answer.y.T.reshape(len(TIMES), *shape))
    return np.fft.irfft2(1j * (k[0] * hat[:, 1] - k[1] * hat[:, 0]), s=shape[1:])


def wavenumbers(n: int) -> np.ndarray:
    k = np.fft.fftfreq(n, 1 / n)
    return k[:, None] ** 2 + k**2


def enstrophy(values, grid: Grid) -> np.ndarray:
    return (abs(np.fft.fft2(values["vorticity"])) ** 2).sum((1, 2))


def energy(values, grid: Grid) -> np.ndarray:
    square = wavenumbers(grid.shape[0])
    square[0, 0] = np.inf
    return (abs(np.fft.fft2(values["vorticity"])) ** 2 / square).sum((1, 2))


def ideal(grid: Grid) -> dict[str, np.ndarray | float]:
    """Waves of two lengths, or it would stand still."""
    x, y = grid.mesh()
    return {"vorticity": np.sin(x) * np.cos(2 * y) + np.cos(x - y), "viscosity": 0.0}


CASES = (
    Case(
        name="decaying turbulence on the torus",
        source="tests/data/ns2d_decay_torus.npz: an independent solver, trusted to 5e-7",
        grid=torus,
        given=lambda grid: {"vorticity": decaying(grid), "viscosity": 0.01},
        exact=lambda grid: {"vorticity": at_the_data(grid)},
        sizes=(16, 32, 64),
        bound=5e-4,
        times=torus_data()[0],
        options={"tolerance": 1e-6},
    ),
    Case(
        name="Taylor and Green's vortices",
        source="closed form, Taylor and Green, Proc. R. Soc. A 158 (1937)",
        grid=torus,
        given=lambda grid: {"vorticity": taylor_green(*grid.mesh(), 0.0, 0.1), "viscosity": 0.1},
        exact=lambda grid: {"vorticity": taylor_green(*grid.mesh(), 2.0, 0.1)[None]},
        sizes=(8, 16, 32),
        bound=1e-8,
        times=(2.0,),
        rate=8.0,
    ),
    Case(
        name="Kolmogorov's shear starting from rest, with drag",
        source="closed form of the linear equation that is left",
        grid=torus,
        given=lambda grid: DRAGGED | {"vorticity": 0.0, "forcing": curl_of_force(grid)},
        exact=lambda grid: {"vorticity": np.stack([kolmogorov(grid, t) for t in TIMES])},
        sizes=(40, 48, 64),
        bound=1e-6,
        times=TIMES,
        rate=8.0,
        options={"tolerance": 1e-10},
    ),
    Case(
        name="stirred flow with drag",
        source="velocity and pressure by 64 x 64 waves, stepped by scipy's DOP853",
        grid=torus,
        given=lambda grid: DRAGGED | {"vorticity": stirred(grid), "forcing": curl_of_force(grid)},
        exact=lambda grid: {"vorticity": projected()[:, :: FINEST // grid.shape[0], :: FINEST // grid.shape[0]]},
        sizes=(16, 32, 64),
        bound=2e-5,
        times=TIMES,
    ),
)
INVARIANTS = (
    Invariant(
        name="circulation",
        grid=torus(16),
        given=lambda grid: {"vorticity": np.random.default_rng(0).standard_normal(grid.shape), "viscosity": 0.1},
        quantity=lambda values, _: values["vorticity"].mean((1, 2)),
        times=(0.0, 0.5),
        bound=1e-12,
        scale=1.0,
    ),
    Invariant(
        name="energy without viscosity",
        grid=torus(48),
        given=ideal,
        quantity=energy,
        times=(0.0, 0.5),
        bound=1e-5,
        options={"tolerance": 1e-9},
    ),
    Invariant(
        name="enstrophy without viscosity",
        grid=torus(48),
        given=ideal,
        quantity=enstrophy,
        times=(0.0, 0.5),
        bound=1e-5,
        options={"tolerance": 1e-9},
    ),
)
ENDS = ()
