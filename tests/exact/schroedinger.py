"""Nonlinear Schroedinger by closed forms: the bright soliton, a wave packet that swings in a parabola, and plane waves of any height."""

import numpy as np

from opbench.boundary import Dirichlet
from opbench.grid import Grid
from opbench.solver.verification import Case, Invariant

DISPERSION, FOCUSING = 0.7, 1.9
TIMES = (0.5, 1.5)


def line(n: int) -> Grid:
    return Grid(("x",), (n,), (-10.0,), (10.0,), (True,))


def torus(n: int) -> Grid:
    return Grid(("x", "y"), (n, n), (0.0, 0.0), (2.0, 3.0), (True, True))


def well(n: int) -> Grid:
    return Grid(("x",), (n,), (0.0,), (1.0,), (False,))


def soliton(x: np.ndarray, t: float) -> np.ndarray:
    """A sech(k (x - v t)) exp(i (v x / (2 p) + (p k^2 - v^2 / (4 p)) t)), A = k sqrt(2 p / q) (Zakharov and Shabat, JETP 34, 1972)."""
    k, v = 2.2, 1.3
    phase = v * x / (2 * DISPERSION) + (DISPERSION * k**2 - v**2 / (4 * DISPERSION)) * t
    return k * np.sqrt(2 * DISPERSION / FOCUSING) / np.cosh(k * (x + 1 - v * t)) * np.exp(1j * phase)


def parabola(x: np.ndarray) -> np.ndarray:
    return 1.4 * x**2


def swinging(x: np.ndarray, t: float) -> np.ndarray:
    """q = 0, V = w x^2: Schroedinger's coherent state (Naturwissenschaften 14, 1926), centre 1.5 cos(W t), W = 2 sqrt(p w)."""
    swing, width = 2 * np.sqrt(DISPERSION * 1.4), np.sqrt(1.4 / DISPERSION)
    centre, momentum = 1.5 * np.cos(swing * t), -1.5 * width * np.sin(swing * t)
    return np.exp(-width * (x - centre) ** 2 / 2 + 1j * (momentum * (x - centre / 2) - swing * t / 2))


def plane_wave(x: np.ndarray, y: np.ndarray, t: float) -> np.ndarray:
    """0.8 exp(i (k . x + (0.64 q - p |k|^2) t))."""
    k, m = 2 * np.pi / 2, -2 * np.pi / 3
    return 0.8 * np.exp(1j * (k * x + m * y + (FOCUSING * 0.64 - DISPERSION * (k**2 + m**2)) * t))


def bound_states(x: np.ndarray, t: float) -> np.ndarray:
    """q = 0 between walls: sin(m pi x) exp(-i p (m pi)^2 t)."""
    return sum(a * np.sin(m * np.pi * x) * np.exp(-1j * DISPERSION * (m * np.pi) ** 2 * t) for m, a in ((1, 1.0), (3, 0.4j)))


def parts(psi: np.ndarray) -> dict[str, np.ndarray]:
    return {"real": psi.real, "imaginary": psi.imag}


def case(name: str, grid, formula, sizes: tuple[int, ...], rate: float, bound: float, times=TIMES, boundary=None, **given) -> Case:
    return Case(
        name=name,
        source="closed form, by differentiation" if formula.__doc__ is None else formula.__doc__,
        grid=grid,
        given=lambda grid: {**parts(formula(*grid.mesh(), 0.0)), "dispersion": DISPERSION, "focusing": FOCUSING, **given},
        exact=lambda grid: parts(np.stack([formula(*grid.mesh(), t) for t in times])),
        sizes=sizes,
        bound=bound,
        times=times,
        rate=rate,
        boundary=boundary,
        options={"order": round(rate), "tolerance": 1e-9},
    )


def energy(values, grid: Grid) -> np.ndarray:
    """Integral of p |psi_x|^2 - q / 2 |psi|^4."""
    psi = values["real"] + 1j * values["imaginary"]
    k = 2j * np.pi * np.fft.fftfreq(grid.shape[0], grid.spacing[0])
    slope = np.fft.ifft(k * np.fft.fft(psi))
    return (DISPERSION * abs(slope) ** 2 - FOCUSING / 2 * abs(psi) ** 4).sum(-1)


def kept(name: str, quantity, bound: float) -> Invariant:
    def two(grid: Grid) -> dict[str, np.ndarray]:
        x = grid.mesh()[0]
        return {**parts(soliton(x, 0.0) + 0.7 * soliton(3 - x, 0.0)), "dispersion": DISPERSION, "focusing": FOCUSING}

    return Invariant(name, line(256), two, quantity, (0.0, *TIMES), bound, options={"tolerance": 1e-9})


CASES = (
    case("a soliton", line, soliton, (128, 192, 256), 7.7, 1e-5),
    case("a packet that swings in a parabola", line, swinging, (96, 128, 192), 7.7, 1e-5, focusing=0.0, potential=parabola),
    case("a plane wave of finite height on a torus", torus, plane_wave, (12, 18, 24), 6, 1e-4),
    case("bound states between walls", well, bound_states, (17, 33, 65), 4, 1e-3, (0.1, 0.3), {"x": Dirichlet(0.0)}, focusing=0.0),
)

INVARIANTS = (
    kept("the mass of two solitons", lambda values, grid: (values["real"] ** 2 + values["imaginary"] ** 2).sum(-1), 1e-7),
    kept("the energy of two solitons", energy, 1e-6),
)

ENDS = ("dirichlet", "neumann")
