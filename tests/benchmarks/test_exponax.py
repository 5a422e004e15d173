"""Our exponential steps beside exponax's ETDRK4 (float64, order 4), at equal error; figures only, nothing is asserted on time.

exponax takes the fewest equal steps with which its worst error over samples and stored times is not above ours. The reference is
exponax's own, on twice the points with four times the most steps that are tried. Run with `tox -e peers`.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import process_time
from typing import Any

import numpy as np
import pytest

from opbench import Grid, solve
from opbench.samplers.gaussian_field import GaussianField

jax = pytest.importorskip("jax", reason="jax is not installed; tox -e peers brings it")
exponax = pytest.importorskip("exponax", reason="exponax is not installed; tox -e peers brings it")

ROUNDS = 5
STEPS = range(1, 65)  # from one stored time to the next


@dataclass(frozen=True)
class Rivalry:
    """A problem, how we solve it, and exponax's step for it.

    initial: (sample, *space) on n points. points: ours; theirs: exponax's. step: (points, dt) -> a stepper.
    """

    equation: str
    unknown: str
    extent: float
    dims: int
    initial: Callable[[int], np.ndarray]
    given: Callable[[Grid], dict[str, Any]]
    times: np.ndarray
    points: int
    theirs: int
    tolerance: float
    step: Callable[[int, float], Any]

    def grid(self, points: int) -> Grid:
        d = self.dims
        return Grid(("x", "y")[:d], (points,) * d, (0.0,) * d, (self.extent,) * d, (True,) * d)

    def ours(self) -> np.ndarray:
        """(sample, time, *space)."""
        grid = self.grid(self.points)
        given = {self.unknown: self.initial(self.points)} | self.given(grid)
        return solve(self.equation, grid, given, self.times, tolerance=self.tolerance)[self.unknown].values

    def rival(self, points: int, steps: int) -> Callable[[], np.ndarray]:
        """Their solver, compiled; the same values as ours."""
        frame = float(self.times[1] - self.times[0])
        step, start = self.step(points, frame / steps), jax.numpy.asarray(self.initial(points)[:, None])

        def to_next(u, _):
            u = jax.lax.fori_loop(0, steps, lambda _, v: step(v), u)
            return u, u[0]

        run = jax.jit(jax.vmap(lambda u: jax.lax.scan(to_next, u, None, length=len(self.times) - 1)[1]))
        run(start).block_until_ready()
        return lambda: np.concatenate([np.asarray(start), np.asarray(run(start))], axis=1)


def waves(points: int, extent: float, samples: int, modes: int) -> np.ndarray:
    """Random sums of the lowest waves of a line, of about unit size."""
    rng, x = np.random.default_rng(0), np.arange(points) * extent / points
    parts, phases = rng.standard_normal((samples, modes)) / modes**0.5, rng.uniform(0, 2 * np.pi, (samples, modes))
    angles = 2 * np.pi / extent * np.arange(1, modes + 1)[:, None] * x
    return (parts[:, :, None] * np.sin(angles + phases[:, :, None])).sum(1)


def random_fields(law: GaussianField, grid: Grid, samples: int) -> np.ndarray:
    return np.stack([law.draw(np.random.default_rng(sample), grid) for sample in range(samples)])


def burgers() -> Rivalry:
    """FNO's initial law, viscosity 1e-3, 101 stored times; theirs on FNO's 8192 points, ours on half of them."""
    law, nu = GaussianField(sampler="gaussian_field", amplitude=25.0, tau=5.0, alpha=2.0, modes=64), 1e-3
    return Rivalry(
        "burgers", "velocity", 1.0, 1,
        lambda n: random_fields(law, Grid(("x",), (n,), (0.0,), (1.0,), (True,)), 4),
        lambda grid: {"viscosity": nu},
        np.linspace(0, 1, 101), 4096, 8192, 3e-7,
        lambda n, dt: exponax.stepper.Burgers(1, 1.0, n, dt, diffusivity=nu, order=4, conservative=True),
    )  # fmt: skip


def navier_stokes() -> Rivalry:
    """FNO's forced flow on 64 x 64 points, viscosity 1e-3, to t = 10."""
    law, nu = GaussianField(sampler="gaussian_field", amplitude=7.0**1.5, tau=7.0, alpha=2.5, modes=21), 1e-3

    def forcing(grid: Grid) -> np.ndarray:
        x, y = grid.mesh()
        return 0.1 * (np.sin(2 * np.pi * (x + y)) + np.cos(2 * np.pi * (x + y)))

    class Forced(exponax.nonlin_fun.VorticityConvection2d):
        force: Any

        def __init__(self, points: int, derivatives):
            super().__init__(2, points, convection_scale=-1.0, derivative_operator=derivatives, dealiasing_fraction=2 / 3)  # their sign
            square = Grid(("x", "y"), (points, points), (0.0, 0.0), (1.0, 1.0), (True, True))
            self.force = self.fft(jax.numpy.asarray(forcing(square)[None]))

        def __call__(self, u_hat):
            return super().__call__(u_hat) + self.force

    class Step(exponax.stepper.NavierStokesVorticity):
        def _build_nonlinear_fun(self, derivative_operator):
            return Forced(self.num_points, derivative_operator)

    return Rivalry(
        "navier_stokes", "vorticity", 1.0, 2,
        lambda n: random_fields(law, Grid(("x", "y"), (n, n), (0.0, 0.0), (1.0, 1.0), (True, True)), 4),
        lambda grid: {"viscosity": nu, "forcing": forcing(grid)},
        np.linspace(0, 10, 11), 64, 64, 3e-6,
        lambda n, dt: Step(2, 1.0, n, dt, diffusivity=nu, order=4),
    )  # fmt: skip


def kuramoto_sivashinsky() -> Rivalry:
    """On a line of length 64, to t = 20, beyond which chaos hides every error."""
    return Rivalry(
        "kuramoto_sivashinsky", "velocity", 64.0, 1,
        lambda n: waves(n, 64.0, 64, 8),
        lambda grid: {},
        np.linspace(0, 20, 21), 256, 256, 1e-5,
        lambda n, dt: exponax.stepper.KuramotoSivashinskyConservative(1, 64.0, n, dt, order=4),
    )  # fmt: skip


def largest_error(values: np.ndarray, reference: np.ndarray) -> float:
    """Relative L2, the largest over samples and times, on the points that both have; (sample, time, *space)."""
    shape = [min(a, b) for a, b in zip(values.shape, reference.shape, strict=True)]
    values, reference = (
        v[(..., *(slice(None, None, n // m) for n, m in zip(v.shape[2:], shape[2:], strict=True)))] for v in (values, reference)
    )
    axes = tuple(range(2, values.ndim))
    return float((np.sqrt(((values - reference) ** 2).sum(axes)) / np.sqrt((reference**2).sum(axes))).max())


@pytest.fixture
def double():
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


@pytest.mark.slow
@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("problem", [burgers, navier_stokes, kuramoto_sivashinsky])
def test_exponential_steps_beside_exponax(benchmark, problem):
    case = problem()
    reference = case.rival(2 * case.theirs, 4 * STEPS[-1])()
    error = largest_error(case.ours(), reference)

    def as_good(steps: int) -> bool:
        with np.errstate(over="ignore", invalid="ignore"):  # too few steps blow up, and have the error NaN
            return largest_error(case.rival(case.theirs, steps)(), reference) <= error

    place = bisect_left(STEPS, True, key=as_good)
    assert place < len(STEPS), f"exponax needs more than {STEPS[-1]} steps for an error of {error}"
    steps = STEPS[place]
    theirs = case.rival(case.theirs, steps)
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}

    def turn():
        """Both in turns, so that a busy machine slows both."""
        start = process_time()
        case.ours()
        middle = process_time()
        theirs()
        seconds["ours"].append(middle - start)
        seconds["theirs"].append(process_time() - middle)

    benchmark.pedantic(turn, rounds=ROUNDS, warmup_rounds=1)
    ours, rival = (seconds[name][-ROUNDS:] for name in ("ours", "theirs"))
    samples = len(reference)
    benchmark.extra_info |= {
        "cpu seconds a trajectory": median(ours) / samples,
        "cpu seconds a trajectory, exponax": median(rival) / samples,
        "ratio": median(b / a for a, b in zip(ours, rival, strict=True)),
        "largest error": error,
        "largest error, exponax": largest_error(theirs(), reference),
        "steps, exponax": steps * (len(case.times) - 1),
    }
