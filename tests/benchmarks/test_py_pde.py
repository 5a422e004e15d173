"""Burgers' equation beside py-pde's compiled adaptive Runge-Kutta steps; figures only, nothing is asserted on time.

py-pde compiles anew for every solve: its seconds net of that are those of the whole time less those of
a vanishing one. Run with `tox -e peers`.
"""

from statistics import median
from time import process_time

import numpy as np
import pytest

from opbench import Grid, solve
from opbench.samplers.gaussian_field import GaussianField

pde = pytest.importorskip("pde", reason="py-pde is not installed; tox -e peers brings it")

ROUNDS, SAMPLES, VISCOSITY = 5, 16, 0.01
POINTS, THEIRS = 128, 1024
INSTANT = 1e-7


def line(points: int) -> Grid:
    """py-pde's points are the middles of cells, which the equation, alike everywhere, does not tell from these."""
    return Grid(("x",), (points,), (0.0,), (1.0,), (True,))


def waves(points: int) -> np.ndarray:
    law = GaussianField(sampler="gaussian_field", amplitude=25.0, tau=5.0, alpha=2.0, modes=64)
    return np.stack([law.draw(np.random.default_rng(sample), line(points)) for sample in range(SAMPLES)])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of its own making
def test_burgers_beside_py_pde(benchmark):
    initial = waves(THEIRS)
    domain = pde.CartesianGrid([[0, 1]], THEIRS, periodic=True)
    equation = pde.PDE({"u": f"-u * d_dx(u) + {VISCOSITY} * laplace(u)"})
    fine = solve("burgers", line(2 * THEIRS), {"velocity": waves(2 * THEIRS), "viscosity": VISCOSITY}, [1.0], tolerance=1e-10)
    reference = fine["velocity"].values[:, 0]
    seconds: dict[str, list[float]] = {"ours": [], "theirs": [], "compiling": []}

    def rival(until: float) -> np.ndarray:
        state = pde.ScalarField(domain, initial[0])
        return equation.solve(state, until, solver="runge-kutta", adaptive=True, tolerance=1e-4, backend="numba", tracker=None).data

    def ours() -> np.ndarray:
        return solve("burgers", line(POINTS), {"velocity": waves(POINTS), "viscosity": VISCOSITY}, [1.0], tolerance=1e-4)[
            "velocity"
        ].values[:, 0]

    def timed(name: str, work, *arguments) -> np.ndarray:
        start = process_time()
        answer = work(*arguments)
        seconds[name].append(process_time() - start)
        return answer

    def turn():
        """All in turns, so that a busy machine slows all."""
        return timed("ours", ours), timed("theirs", rival, 1.0), timed("compiling", rival, INSTANT)

    mine, other, _ = benchmark.pedantic(turn, rounds=ROUNDS, warmup_rounds=1)
    pairs = ((mine, reference[:, :: 2 * THEIRS // POINTS]), (other, reference[0, ::2]))
    errors = [float((np.linalg.norm(a - b, axis=-1) / np.linalg.norm(b, axis=-1)).max()) for a, b in pairs]
    assert errors[0] < errors[1], errors
    one = [s / SAMPLES for s in seconds["ours"][-ROUNDS:]]
    net = [whole - less for whole, less in zip(seconds["theirs"][-ROUNDS:], seconds["compiling"][-ROUNDS:], strict=True)]
    benchmark.extra_info |= {
        "cpu seconds a trajectory": median(one),
        "cpu seconds a trajectory, py-pde": median(seconds["theirs"][-ROUNDS:]),
        "cpu seconds a trajectory, py-pde net of compiling": median(net),
        "ratio": median(b / a for a, b in zip(one, net, strict=True)),
        "largest error": errors[0],
        "error, py-pde": errors[1],
    }
