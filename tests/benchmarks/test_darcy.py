"""How long a two-phase Darcy solve takes, beside scipy's sparse LUs of the same system; figures only, nothing is asserted on time."""

from statistics import median
from time import process_time

import numpy as np
import pytest
import torch
from scipy.sparse import diags_array
from scipy.sparse.linalg import splu, spsolve
from test_steady import source, square, two_phase

from opbench.pdes.darcy import Darcy
from opbench.solver import steady
from opbench.solver.multigrid import Network
from opbench.solver.probe import probe
from opbench.solver.steady import conjugate_gradients, solve_steady

SAMPLES = 4
ROUNDS = 5


def sparse(network: Network):
    """The first sample's matrix."""
    n, m = network.shape
    across, along = (g[0].numpy() for g in network.faces)
    right = along[:, 1:].copy()
    right[:, -1] = 0.0  # the last node of a row is no neighbour of the next row's first
    down, right = across[1:-1].ravel(), right.ravel()[:-1]
    return diags_array(
        [-down, -right, network.diagonal[0].numpy().ravel(), -right, -down], offsets=[-m, -1, 0, 1, m], shape=(n * m, n * m)
    ).tocsc()


def spsolve_colamd(matrix, load: np.ndarray) -> np.ndarray:
    return spsolve(matrix, load)


def splu_symmetric(matrix, load: np.ndarray) -> np.ndarray:
    """Minimum degree on A + A^T without pivoting off the diagonal, scipy's fastest for such matrices."""
    return splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}).solve(load)


@pytest.mark.parametrize("n", [129, pytest.param(241, marks=pytest.mark.slow), pytest.param(421, marks=pytest.mark.slow)])
def test_steady_darcy_beside_scipy(benchmark, n, monkeypatch):
    given = {"permeability": two_phase(n, SAMPLES), "source": source()}
    network, right = probe(Darcy(), square(n), {name: value[:1] for name, value in given.items()}, torch.device("cpu"))
    matrix, load = sparse(network), right[0].numpy().ravel()
    iterations, seconds = [], {"opbench": [], "spsolve_colamd": [], "splu_symmetric": []}

    def counted(*arguments):
        solution, count = conjugate_gradients(*arguments)
        iterations.append(count)
        return solution, count

    monkeypatch.setattr(steady, "conjugate_gradients", counted)

    def timed(name: str, work, *arguments):
        start = process_time()
        result = work(*arguments)
        seconds[name].append(process_time() - start)
        return result

    def turn():
        """All in turns, so that a busy machine slows all."""
        found = timed("opbench", solve_steady, Darcy(), square(n), given)[0, 1:-1, 1:-1].numpy().ravel()
        return found, *(timed(way.__name__, way, matrix, load) for way in (spsolve_colamd, splu_symmetric))

    found, *expected = benchmark.pedantic(turn, rounds=ROUNDS, warmup_rounds=1)
    assert all(np.abs(found - other).max() < 1e-9 * np.abs(other).max() for other in expected)
    ours, *theirs = (median(seconds[name][-ROUNDS:]) for name in seconds)
    benchmark.extra_info |= {
        "cpu seconds a sample": ours / SAMPLES,
        "cpu seconds a sample, spsolve COLAMD": theirs[0],
        "cpu seconds a sample, splu MMD_AT_PLUS_A, symmetric mode": theirs[1],
        "scipy's best over ours": min(theirs) * SAMPLES / ours,
        "iterations": max(iterations),
    }
