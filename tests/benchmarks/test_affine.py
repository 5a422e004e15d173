"""Linear equations between ends that no reflection gives: the exponential of their matrix beside small steps, in turns.

Figures only, nothing is asserted on time. Both solve the same ordinary differential equations.
"""

from statistics import median
from time import process_time

import numpy as np
import pytest

from opbench import Grid, solve
from opbench.boundary import Dirichlet, Robin
from opbench.solver import affine

ROUNDS = 5
CASES = {
    "heat": (257, {"temperature": lambda x: np.sin(1.3 * x), "diffusivity": 1.0}, (Dirichlet(0.0), Robin(1.0)), 0.1),
    "wave": (129, {"displacement": lambda x: np.sin(np.pi * x), "velocity": 0.0, "speed": lambda x: 1 + x}, Dirichlet(0.0), 1.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("equation", CASES)
def test_the_exponential_beside_small_steps(benchmark, monkeypatch, equation):
    points, given, ends, final = CASES[equation]
    grid = Grid(("x",), (points,), (0.0,), (1.0,), (False,))
    seconds = {affine.MOST: [], 0: []}
    answers = {}

    def turn():
        for most, spent in seconds.items():
            monkeypatch.setattr(affine, "MOST", most)
            start = process_time()
            answers[most] = solve(equation, grid, given, [final], boundary={"x": ends})
            spent.append(process_time() - start)

    benchmark.pedantic(turn, rounds=ROUNDS, warmup_rounds=1)
    exact, stepped = (np.stack([entry.values for entry in answer.data_vars.values()]) for answer in answers.values())
    pairs = list(zip(*(spent[-ROUNDS:] for spent in seconds.values()), strict=True))
    benchmark.extra_info |= {
        "cpu seconds": median(own for own, _ in pairs),
        "cpu seconds, small steps": median(other for _, other in pairs),
        "ratio": median(other / own for own, other in pairs),
        "steps": [answer.attrs["steps"] for answer in answers.values()],
        "difference": float(np.abs(exact - stepped).max() / np.abs(exact).max()),
    }
