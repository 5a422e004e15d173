"""Korteweg-de Vries by its solitons in closed form: one, and two of which the faster overtakes the slower."""

import numpy as np

from opbench.grid import Grid
from opbench.solver.verification import Case, Invariant

STEEPENING, DISPERSION = 2.7, 0.6
SOURCE = "Hirota, Phys. Rev. Lett. 27 (1971), in the units of the general equation"
HALF = 20.0  # of the line; solitons are below 1e-13 at its ends
TIMES = (0.5, 2.0)


def line(n: int) -> Grid:
    return Grid(("x",), (n,), (-HALF,), (HALF,), (True,))


def solitons(x: np.ndarray, t: float, waves: tuple[tuple[float, float], ...]) -> np.ndarray:
    """One soliton or two, (wavenumber k, position at t = 0) each: 12 b / a (ln f)_xx.

    f = 1 + e_1 + e_2 + ((k_1 - k_2) / (k_1 + k_2))^2 e_1 e_2, e = exp(k (x - position) - b k^3 t).
    A soliton alone is 3 b k^2 / a sech^2(k (x - position - b k^2 t) / 2).
    """
    exponents = [(k, k * (x - position) - DISPERSION * k**3 * t) for k, position in waves]
    if len(waves) == 2:
        (k, one), (q, other) = exponents
        exponents.append((k + q, one + other + 2 * np.log(abs(k - q) / (k + q))))
    top = max(0.0, *(float(exponent.max()) for _, exponent in exponents))
    terms = [(0.0, np.exp(-top) * np.ones_like(x)), *((k, np.exp(exponent - top)) for k, exponent in exponents)]
    f, slope, curvature = (sum(k**power * term for k, term in terms) for power in (0, 1, 2))
    return 12 * DISPERSION / STEEPENING * (f * curvature - slope**2) / f**2


def case(name: str, waves: tuple[tuple[float, float], ...], bound: float) -> Case:
    return Case(
        name=name,
        source=SOURCE,
        grid=line,
        given=lambda grid: given(grid, waves),
        exact=lambda grid: {"elevation": np.stack([solitons(grid.mesh()[0], t, waves) for t in TIMES])},
        sizes=(128, 256, 512),
        bound=bound,
        times=TIMES,
        rate=5.8,
        options={"order": 6, "tolerance": 1e-9},
    )


def given(grid: Grid, waves=((1.9, -5.0), (1.2, -3.0))) -> dict:
    return {"elevation": solitons(grid.mesh()[0], 0.0, waves), "steepening": STEEPENING, "dispersion": DISPERSION}


def energy(values, grid: Grid) -> np.ndarray:
    """Hamiltonian: integral of b / 2 u_x^2 - a / 6 u^3."""
    u = values["elevation"]
    wavenumber = 2 * np.pi * np.fft.rfftfreq(grid.shape[0], grid.spacing[0])
    slope = np.fft.irfft(1j * wavenumber * np.fft.rfft(u), n=grid.shape[0])
    return (DISPERSION / 2 * slope**2 - STEEPENING / 6 * u**3).sum(-1) * grid.spacing[0]


def kept(name: str, quantity, bound: float) -> Invariant:
    return Invariant(name, line(512), given, quantity, (0.0, *TIMES), bound, options={"tolerance": 1e-9})


CASES = (
    case("a soliton", ((1.6, -3.0),), 1e-5),
    case("a soliton that overtakes another", ((1.9, -5.0), (1.2, -3.0)), 1e-5),
)

INVARIANTS = (
    kept("the mass of two solitons", lambda values, grid: values["elevation"].sum(-1), 1e-12),
    kept("the momentum of two solitons", lambda values, grid: (values["elevation"] ** 2).sum(-1), 1e-7),
    kept("the Hamiltonian of two solitons", energy, 1e-6),
)

ENDS = ()
