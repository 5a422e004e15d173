"""Kuramoto-Sivashinsky by an independent computation: Fourier coefficients, dealiased, stepped by scipy's DOP853."""

from functools import cache

import numpy as np
from scipy.integrate import solve_ivp

from opbench.grid import Grid
from opbench.solver.verification import Case, Invariant

STEEPENING, ANTIDIFFUSION, HYPERDIFFUSION = 1.4, 0.9, 1.7
LENGTH = 22.0
WAVES = 32  # kept
TIMES = (1.0, 2.5)


def line(n: int) -> Grid:
    return Grid(("x",), (n,), (0.0,), (LENGTH,), (True,))


def initial(x: np.ndarray) -> np.ndarray:
    angle = 2 * np.pi * x / LENGTH
    return np.cos(angle) * (1 + np.sin(2 * angle)) + 0.3


@cache
def reference() -> np.ndarray:
    """Fourier coefficients (time, wave) at TIMES."""
    points = 3 * WAVES  # the product's waves up to WAVES are then free of aliasing
    k = 2 * np.pi / LENGTH * np.arange(WAVES + 1)
    linear = ANTIDIFFUSION * k**2 - HYPERDIFFUSION * k**4

    def rate(_: float, state: np.ndarray) -> np.ndarray:
        u = np.fft.irfft(state.view(complex), n=points) * points
        square = np.fft.rfft(u**2)[: WAVES + 1] / points
        return (linear * state.view(complex) - STEEPENING * 1j * k * square / 2).view(float)

    start = np.fft.rfft(initial(LENGTH * np.arange(points) / points))[: WAVES + 1] / points
    answer = solve_ivp(rate, (0, TIMES[-1]), start.view(float), "DOP853", TIMES, rtol=1e-11, atol=1e-13)
    return np.ascontiguousarray(answer.y.T).view(complex)


def exact(grid: Grid) -> np.ndarray:
    angle = 2 * np.pi / LENGTH * np.multiply.outer(np.arange(WAVES + 1), grid.mesh()[0])
    weight = np.where(np.arange(WAVES + 1) == 0, 1, 2)
    return (reference() * weight @ np.exp(1j * angle)).real


def given(grid: Grid) -> dict:
    coefficients = {"steepening": STEEPENING, "antidiffusion": ANTIDIFFUSION, "hyperdiffusion": HYPERDIFFUSION}
    return {"velocity": initial(grid.mesh()[0])} | coefficients


CASES = (
    Case(
        name="two waves that feed others",
        source="pseudo-spectral, 24 waves, scipy's DOP853 with relative tolerance 1e-11",
        grid=line,
        given=given,
        exact=lambda grid: {"velocity": exact(grid)},
        sizes=(48, 96, 144),
        bound=1e-6,
        times=TIMES,
        rate=6,
        options={"order": 6, "tolerance": 1e-10},
    ),
)

INVARIANTS = (
    Invariant(
        name="the mean velocity",
        grid=line(64),
        given=given,
        quantity=lambda values, grid: values["velocity"].mean(-1),
        times=(0.0, *TIMES),
        bound=1e-12,
    ),
)

ENDS = ()
