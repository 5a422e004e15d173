"""PDEBench's diffusion-reaction on 128 x 128 points beside PDEBench's own method; figures only, nothing is asserted on time.

Both solve the same ordinary differential equations, five-point differences between mirrors at the nodes of [-1, 1]^2, from the same noise.
PDEBench's points are the middles of 128 cells, where a mirror repeats the first point instead of the second: as many operations.
"""

from statistics import median
from time import process_time

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.sparse import diags_array, eye_array, kron

from opbench import Grid, solve
from opbench.boundary import Neumann

POINTS, ROUNDS = 128, 5
TIMES = np.linspace(0, 5, 101)
WALLS = {"x": Neumann(), "y": Neumann()}
TOLERANCE = 1e-4


def reaction_and_diffusion(grid: Grid):
    """As in PDEBench's sim_diff_react.py: a sparse Laplacian by diagonals, both unknowns in one vector."""
    n = grid.shape[0]
    above, below = np.ones(n - 1), np.ones(n - 1)
    above[0] = below[-1] = 2.0
    line = diags_array([below, np.full(n, -2.0), above], offsets=[-1, 0, 1]) / grid.spacing[0] ** 2
    laplacian = (kron(line, eye_array(n)) + kron(eye_array(n), line)).todia()

    def rate(_, state: np.ndarray) -> np.ndarray:
        u, v = state[: n * n], state[n * n :]
        return np.concatenate((u - u**3 - 5e-3 - v + 1e-3 * (laplacian @ u), u - v + 5e-3 * (laplacian @ v)))

    return rate


def largest_error(answer: np.ndarray, reference: np.ndarray) -> float:
    """Relative L2, the largest over the times; both (unknown and point, time)."""
    return float((np.linalg.norm(answer - reference, axis=0) / np.linalg.norm(reference, axis=0)).max())


@pytest.mark.slow
def test_white_noise_between_walls_beside_pdebench(benchmark):
    grid = Grid(("x", "y"), (POINTS, POINTS), (-1.0, -1.0), (1.0, 1.0), (False, False))
    noise = np.random.default_rng(0).standard_normal(2 * POINTS**2)
    u, v = noise.reshape(2, POINTS, POINTS)
    rate = reaction_and_diffusion(grid)
    reference = solve_ivp(rate, (0, 5), noise, t_eval=TIMES, method="DOP853", rtol=1e-10, atol=1e-10).y
    ours, theirs = [], []

    def turn():
        """Both in turns, so that a busy machine slows both."""
        start = process_time()
        answer = solve("fitzhugh_nagumo", grid, {"activator": u, "inhibitor": v}, times=TIMES, boundary=WALLS, order=2, tolerance=TOLERANCE)
        middle = process_time()
        other = solve_ivp(rate, (0, 5), noise, t_eval=TIMES)
        ours.append(middle - start)
        theirs.append(process_time() - middle)
        return np.concatenate([answer[name].values.reshape(len(TIMES), -1).T for name in ("activator", "inhibitor")]), other.y

    answer, other = benchmark.pedantic(turn, rounds=ROUNDS, warmup_rounds=1)
    errors = [largest_error(values, reference) for values in (answer, other)]
    assert errors[0] < errors[1], errors
    benchmark.extra_info |= {
        "cpu seconds": median(ours[-ROUNDS:]),
        "cpu seconds, PDEBench's method": median(theirs[-ROUNDS:]),
        "ratio": median(their / our for our, their in zip(ours[-ROUNDS:], theirs[-ROUNDS:], strict=True)),
        "largest error": errors[0],
        "largest error, PDEBench's method": errors[1],
    }
