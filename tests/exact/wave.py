"""Waves by closed forms (d'Alembert, standing waves, a speed that grows or jumps), and by an independent computation where it varies."""

from functools import cache

import numpy as np
from scipy.integrate import solve_ivp

from opbench.boundary import Dirichlet, Neumann
from opbench.grid import Grid
from opbench.solver.verification import Case, Invariant

SPEED = 1.7
TIMES = (0.4, 1.0)
MODES = ((1, 1.0), (4, 0.5))  # wavenumber over pi, amplitude
FIXED, FREE = {"x": Dirichlet(0.0)}, {"x": Neumann(0.0)}
PART = 0.6  # speed in the lower half
WAVES = 32  # of the independent computation, on twice as many points; those beyond are below 1e-12


def circle(n: int) -> Grid:
    return Grid(("x",), (n,), (0.0,), (2.0,), (True,))


def string(n: int) -> Grid:
    return Grid(("x",), (n,), (0.0,), (1.0,), (False,))


def membrane(n: int) -> Grid:
    """Clamped along x, free along y."""
    return Grid(("x", "y"), (n, n), (0.0, 0.0), (1.0, 1.5), (False, False))


def stretched(n: int) -> Grid:
    return Grid(("x",), (n,), (1.0,), (2.0,), (False,))


def pulse(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A profile of period 2 and its slope."""
    profile = np.exp(np.sin(np.pi * x))
    return profile, np.pi * np.cos(np.pi * x) * profile


def two_pulses(x: np.ndarray, t: float) -> dict[str, np.ndarray]:
    """One runs to the right, one of half the height to the left."""
    right, left = pulse(x - SPEED * t), pulse(0.6 + x + SPEED * t)
    return {"displacement": right[0] + 0.5 * left[0], "velocity": SPEED * (0.5 * left[1] - right[1])}


def plucked(x: np.ndarray, t: float) -> dict[str, np.ndarray]:
    """Between fixed ends, each mode sin(m pi x) cos(c m pi t)."""
    phases = [(m * np.pi, a) for m, a in MODES]
    return {
        "displacement": sum(a * np.sin(k * x) * np.cos(SPEED * k * t) for k, a in phases),
        "velocity": sum(-SPEED * k * a * np.sin(k * x) * np.sin(SPEED * k * t) for k, a in phases),
    }


def drum(x: np.ndarray, y: np.ndarray, t: float) -> dict[str, np.ndarray]:
    """One mode that starts at rest, and another that starts flat."""
    total = {"displacement": np.zeros_like(x), "velocity": np.zeros_like(x)}
    for (m, q), start, kick in (((1, 2), 1.0, 0.0), ((3, 1), 0.0, 2.0)):
        shape, k = np.sin(m * np.pi * x) * np.cos(q * np.pi * y / 1.5), SPEED * np.pi * np.hypot(m, q / 1.5)
        total["displacement"] += shape * (start * np.cos(k * t) + kick / k * np.sin(k * t))
        total["velocity"] += shape * (kick * np.cos(k * t) - start * k * np.sin(k * t))
    return total


def growing_speed(x: np.ndarray, t: float) -> dict[str, np.ndarray]:
    """c = c_0 x: sin(w ln x) / sqrt(x), w = m pi / ln 2, swings with c_0 sqrt(1/4 + w^2), by Euler's equation."""
    total = {"displacement": np.zeros_like(x), "velocity": np.zeros_like(x)}
    for m, amplitude in ((1, 1.0), (2, -0.7)):
        w = m * np.pi / np.log(2)
        shape, k = amplitude * np.sin(w * np.log(x)) / np.sqrt(x), 0.8 * np.sqrt(0.25 + w**2)
        total["displacement"] += shape * np.cos(k * t)
        total["velocity"] -= k * shape * np.sin(k * t)
    return total


def in_two_parts(x: np.ndarray, t: float) -> dict[str, np.ndarray]:
    """Speed c below the middle and 3 c above: the shapes of a rod's two layers (tests/exact/heat.py), which swing with 3 c q."""
    total = {"displacement": np.zeros_like(x), "velocity": np.zeros_like(x)}
    for a, amplitude in ((np.arccos(np.sqrt(3 / 8)), 1.0), (np.pi / 2, 0.6)):
        shape = amplitude * np.where(x < 0.5, np.sin(6 * a * x), np.sin(3 * a) / np.sin(a) * np.sin(2 * a * (1 - x)))
        k = 6 * PART * a
        total["displacement"] += shape * np.cos(k * t)
        total["velocity"] -= k * shape * np.sin(k * t)
    return total


def varying_speed(x: np.ndarray) -> np.ndarray:
    return 1 + 0.4 * np.sin(np.pi * x)


@cache
def reference() -> np.ndarray:
    """Displacement and velocity (time, 2, point) on 2 WAVES points of the circle, where the speed varies."""
    x = 2 * np.arange(2 * WAVES) / (2 * WAVES)
    k = 1j * np.pi * np.arange(WAVES + 1)
    k[-1] = 0

    def slope(field: np.ndarray) -> np.ndarray:
        return np.fft.irfft(k * np.fft.rfft(field), n=2 * WAVES)

    def rate(_: float, state: np.ndarray) -> np.ndarray:
        displacement, velocity = state.reshape(2, -1)
        return np.concatenate([velocity, slope(varying_speed(x) ** 2 * slope(displacement))])

    start = np.concatenate(list(two_pulses(x, 0.0).values()))
    answer = solve_ivp(rate, (0, TIMES[-1]), start, "DOP853", TIMES, rtol=1e-11, atol=1e-12)
    return answer.y.T.reshape(len(TIMES), 2, -1)


def interpolated(grid: Grid) -> dict[str, np.ndarray]:
    """The reference's trigonometric interpolant."""
    hat = np.fft.rfft(reference())[..., :-1] / (2 * WAVES)
    waves = np.exp(1j * np.pi * np.multiply.outer(np.arange(WAVES), grid.mesh()[0]))
    values = (hat * np.where(np.arange(WAVES) == 0, 1, 2) @ waves).real
    return {"displacement": values[:, 0], "velocity": values[:, 1]}


def at_times(formula):
    def exact(grid: Grid) -> dict[str, np.ndarray]:
        frames = [formula(*grid.mesh(), t) for t in TIMES]
        return {name: np.stack([frame[name] for frame in frames]) for name in frames[0]}

    return exact


def case(name: str, grid, formula, sizes: tuple[int, ...], rate: float, bound: float, order: int, **changes) -> Case:
    speed = changes.pop("speed", SPEED)
    return Case(
        name=name,
        grid=grid,
        given=lambda grid: {**formula(*grid.mesh(), 0.0), "speed": speed},
        sizes=sizes,
        bound=bound,
        times=TIMES,
        rate=rate,
        options={"order": order, "tolerance": 1e-11},
        **{"source": "closed form, by differentiation", "exact": at_times(formula)} | changes,
    )


def energy(values, grid: Grid) -> np.ndarray:
    """Integral of v^2 + c^2 u_x^2 over the circle."""
    k = 1j * np.pi * np.arange(grid.shape[0] // 2 + 1)
    slope = np.fft.irfft(k * np.fft.rfft(values["displacement"]), n=grid.shape[0])
    return (values["velocity"] ** 2 + (varying_speed(grid.mesh()[0]) * slope) ** 2).sum(-1)


CASES = (
    case("two pulses that cross", circle, two_pulses, (32, 64, 96), 7.9, 1e-7, 8, source="d'Alembert"),
    case("a string between fixed ends", string, plucked, (33, 65, 129), 6, 1e-5, 6, boundary=FIXED),
    case("a membrane, two sides clamped and two free", membrane, drum, (25, 49, 97), 4, 1e-4, 4, boundary={**FIXED, "y": Neumann(0.0)}),
    case(
        "pulses where the speed varies",
        circle,
        two_pulses,
        (48, 96, 192),
        7.8,
        1e-7,
        8,
        speed=varying_speed,
        exact=interpolated,
        source="Fourier collocation, 64 points, scipy's DOP853 with relative tolerance 1e-11",
    ),
    case(
        "a string whose speed grows along it",
        stretched,
        growing_speed,
        (49, 97, 193),
        3.9,
        1e-5,
        4,
        boundary=FIXED,
        speed=lambda x: 0.8 * x,
    ),
    *(
        case(
            f"a string of two parts that meet {place}",
            string,
            in_two_parts,
            sizes,
            rate,
            5e-3,
            2,
            boundary=FIXED,
            speed=lambda x: np.where(x < 0.5, PART, 3 * PART),
        )
        for place, sizes, rate in (
            ("on a node", (33, 65, 129), 2),
            ("between two", (32, 64, 128), 1.5),  # of the velocity, near them; of the displacement 2
        )
    ),
)

INVARIANTS = (
    Invariant(
        name="the energy where the speed varies",
        grid=circle(96),
        given=lambda grid: {**two_pulses(*grid.mesh(), 0.0), "speed": varying_speed},
        quantity=energy,
        times=(0.0, 0.4, 1.0),
        bound=1e-6,
        options={"tolerance": 1e-9},
    ),
)

ENDS = ("dirichlet", "neumann", "robin")
