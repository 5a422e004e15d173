"""Heat conduction by closed forms: eigenfunctions between all kinds of ends, in a box, and where the diffusivity grows or jumps."""

import numpy as np
from scipy.integrate import trapezoid
from scipy.optimize import brentq

from opbench.boundary import Dirichlet, Neumann, Robin
from opbench.grid import Grid
from opbench.solver.verification import Case, Invariant

SOURCE = "separation of variables (Carslaw & Jaeger, Conduction of Heat in Solids, chapter 3)"
LENGTH = 1.7
DIFFUSIVITY = 0.3
TIMES = (0.2, 0.9)
LOSS = {"lower": 0.6, "upper": 2.5}  # factors of the Robin ends
FLUX = {"lower": 1.1, "upper": 0.4}  # their values
LAYER = 0.05  # the lower layer's diffusivity


def interval(n: int) -> Grid:
    return Grid(("x",), (n,), (0.0,), (LENGTH,), (False,))


def circle(n: int) -> Grid:
    return Grid(("x",), (n,), (0.0,), (LENGTH,), (True,))


def box(n: int) -> Grid:
    return Grid(("x", "y"), (n, n), (0.0, -1.0), (LENGTH, 1.0), (False, True))


def stretched(n: int) -> Grid:
    return Grid(("x",), (n,), (1.0,), (2.0,), (False,))


def on_circle(x: np.ndarray, t: float) -> np.ndarray:
    """Two waves that decay, and what a source 0.5 sin(k x) has built up besides."""
    k = 2 * np.pi / LENGTH
    first, third = (np.exp(-DIFFUSIVITY * (m * k) ** 2 * t) for m in (1, 3))
    built = 0.5 * (1 - first) / (DIFFUSIVITY * k**2)
    return 1.5 + (first + built) * np.sin(k * x) + third * np.cos(3 * k * x)


def between_given_values(x: np.ndarray, t: float) -> np.ndarray:
    """u = 2 at the lower end, 0.5 at the upper one."""
    modes = ((1, 1.0), (2, -0.6))
    return 2 - 1.5 * x / LENGTH + sum(a * np.sin(k * x) * np.exp(-DIFFUSIVITY * k**2 * t) for k, a in _wavenumbers(modes))


def from_a_flux_to_a_value(x: np.ndarray, t: float) -> np.ndarray:
    """du/dn = 0.8 at the lower end, u = 0.5 at the upper one."""
    modes = ((0.5, 1.0), (1.5, -0.6))
    return 0.5 + 0.8 * (LENGTH - x) + sum(a * np.cos(k * x) * np.exp(-DIFFUSIVITY * k**2 * t) for k, a in _wavenumbers(modes))


def _wavenumbers(modes):
    return [(np.pi * m / LENGTH, a) for m, a in modes]


def with_loss(x: np.ndarray, t: float) -> np.ndarray:
    """Factor u + du/dn = value at both ends: a line and two modes cos(k x) + (a / k) sin(k x), tan(k L) = (a + b) k / (k^2 - a b)."""
    a, b, g, h = LOSS["lower"], LOSS["upper"], FLUX["lower"], FLUX["upper"]
    slope = (h - b * g / a) / (1 + b / a + b * LENGTH)
    total = (g + slope) / a + slope * x

    def mismatch(k: float) -> float:
        return (k**2 - a * b) * np.sin(k * LENGTH) - (a + b) * k * np.cos(k * LENGTH)

    for m, amplitude in ((0, 1.0), (2, 0.4)):  # one wavenumber in each interval (m pi, (m + 1) pi) / L
        k = brentq(mismatch, (m + 1e-3) * np.pi / LENGTH, (m + 1 - 1e-3) * np.pi / LENGTH, xtol=1e-15)
        total = total + amplitude * (np.cos(k * x) + a / k * np.sin(k * x)) * np.exp(-DIFFUSIVITY * k**2 * t)
    return total


def in_a_box(x: np.ndarray, y: np.ndarray, t: float) -> np.ndarray:
    """u = 0 at the ends of x, periodic in y."""
    slow, fast = (np.exp(-DIFFUSIVITY * ((m * np.pi / LENGTH) ** 2 + (q * np.pi) ** 2) * t) for m, q in ((1, 1), (2, 0)))
    return slow * np.sin(np.pi * x / LENGTH) * np.cos(np.pi * y + 0.3) + fast * np.sin(2 * np.pi * x / LENGTH)


def growing_diffusivity(x: np.ndarray, t: float) -> np.ndarray:
    """(k u')' = -k_0 (1/4 + w^2) u for k = k_0 x^2, u = sin(w ln x) / sqrt(x), by Euler's equation; u(1) = u(2) = 0 for w = m pi / ln 2."""
    total = np.zeros_like(x)
    for m, amplitude in ((1, 1.0), (2, -0.7)):
        w = m * np.pi / np.log(2)
        total = total + amplitude * np.sin(w * np.log(x)) / np.sqrt(x) * np.exp(-0.04 * (0.25 + w**2) * t)
    return total


def in_layers(x: np.ndarray, t: float) -> np.ndarray:
    """Diffusivity k below the middle and 9 k above, u = 0 at the ends: sin(3 q x) below, B sin(q (L - x)) above.

    With a = q L / 2, equal values there ask for B = sin 3a / sin a, and equal fluxes for cos a sin a (16 cos^2 a - 6) = 0.
    """
    total = np.zeros_like(x)
    for a, amplitude in ((np.arccos(np.sqrt(3 / 8)), 1.0), (np.pi / 2, 0.6)):
        q = 2 * a / LENGTH
        shape = np.where(x < LENGTH / 2, np.sin(3 * q * x), np.sin(3 * a) / np.sin(a) * np.sin(q * (LENGTH - x)))
        total = total + amplitude * shape * np.exp(-9 * LAYER * q**2 * t)
    return total


def case(name: str, formula, boundary, sizes: tuple[int, ...], bound: float, **changes) -> Case:
    settings = {"grid": interval, "times": TIMES, "rate": 4.0, "options": {"tolerance": 1e-10}} | changes
    given = settings.pop("given", {"diffusivity": DIFFUSIVITY})
    return Case(
        name=name,
        source=SOURCE,
        given=lambda grid: {"temperature": formula(*grid.mesh(), 0.0), **given},
        exact=lambda grid: {"temperature": np.stack([formula(*grid.mesh(), t) for t in settings["times"]])},
        sizes=sizes,
        bound=bound,
        boundary=boundary,
        **settings,
    )


CASES = (
    case(
        "waves and a source on a periodic line",
        on_circle,
        None,
        (16, 32, 64),
        1e-8,
        grid=circle,
        given={"diffusivity": DIFFUSIVITY, "source": lambda x: 0.5 * np.sin(2 * np.pi * x / LENGTH)},
        rate=8,
    ),
    case("given values at both ends", between_given_values, {"x": (Dirichlet(2.0), Dirichlet(0.5))}, (17, 33, 65), 1e-5),
    case("a given flux and a given value", from_a_flux_to_a_value, {"x": (Neumann(0.8), Dirichlet(0.5))}, (17, 33, 65), 1e-5),
    case(
        "heat loss at both ends",
        with_loss,
        {"x": tuple(Robin(LOSS[end], FLUX[end]) for end in ("lower", "upper"))},
        (25, 49, 73),
        1e-5,
        rate=3.9,
    ),
    case("a box with cold ends", in_a_box, {"x": Dirichlet(0.0)}, (16, 32, 64), 1e-5, grid=box, options={"order": 4}),
    case(
        "a diffusivity that grows like x^2",
        growing_diffusivity,
        {"x": Dirichlet(0.0)},
        (25, 49, 97),
        1e-6,
        rate=3.9,
        grid=stretched,
        times=(0.1, 0.4),
        given={"diffusivity": lambda x: 0.04 * x**2},
    ),
    *(
        case(
            f"a rod of two layers that meet {place}",
            in_layers,
            {"x": Dirichlet(0.0)},
            sizes,
            1e-3,
            rate=2,
            given={"diffusivity": lambda x: np.where(x < LENGTH / 2, LAYER, 9 * LAYER)},
        )
        for place, sizes in (("on a node", (17, 33, 65)), ("between two", (16, 32, 64)))
    ),
)

INVARIANTS = (
    Invariant(
        name="the mean temperature between insulated ends",
        grid=interval(33),
        given=lambda grid: {"temperature": np.exp(np.cos(np.pi * grid.mesh()[0] / LENGTH)), "diffusivity": DIFFUSIVITY},
        quantity=lambda values, grid: trapezoid(values["temperature"], dx=grid.spacing[0], axis=-1),
        times=(0.0, 0.2, 0.9),
        bound=1e-12,
        boundary={"x": Neumann(0.0)},
    ),
    Invariant(
        name="the mean temperature of a line whose diffusivity varies",
        grid=circle(48),
        given=lambda grid: {
            "temperature": np.exp(np.cos(2 * np.pi * grid.mesh()[0] / LENGTH)),
            "diffusivity": 0.3 + 0.2 * np.sin(4 * np.pi * grid.mesh()[0] / LENGTH),
        },
        quantity=lambda values, grid: values["temperature"].mean(-1),
        times=(0.0, 0.2),
        bound=1e-12,
    ),
)

ENDS = ("dirichlet", "neumann", "robin")
