"""How long a two-phase Darcy solve takes, beside scipy's sparse LU of the same system; figures only, nothing is asserted on time."""

from statistics import median
from time import process_time

import numpy as np
import pytest
import torch
from scipy.sparse import diags_array
from scipy.sparse.linalg import spsolve
from test_steady import source, square, two_phase

from opbench.pdes.darcy import Darcy
from opbench.solver.multigrid import Network
from opbench.solver.probe import probe
from opbench.solver.steady import solve_steady

SAMPLES = 4


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


@pytest.mark.parametrize("n", [129, pytest.param(241, marks=pytest.mark.slow)])
def test_steady_darcy_beside_scipy(benchmark, n):
    given = {"permeability": two_phase(n, SAMPLES), "source": source()}
    network, right = probe(Darcy(), square(n), {name: value[:1] for name, value in given.items()}, torch.device("cpu"))
    matrix, load = sparse(network), right[0].numpy().ravel()
    ours, theirs = [], []

    def turn():
        """Both in turns, so that a busy machine slows both."""
        start = process_time()
        found = solve_steady(Darcy(), square(n), given)
        middle = process_time()
        expected = spsolve(matrix, load)
        ours.append((middle - start) / SAMPLES)
        theirs.append(process_time() - middle)
        return found[0, 1:-1, 1:-1].numpy().ravel(), expected

    found, expected = benchmark.pedantic(turn, rounds=3, warmup_rounds=1)
    assert np.abs(found - expected).max() < 1e-9 * np.abs(expected).max()
    benchmark.extra_info |= {
        "cpu seconds a sample": median(ours[-3:]),
        "cpu seconds a sample, scipy spsolve": median(theirs[-3:]),
        "ratio": median(their / our for our, their in zip(ours[-3:], theirs[-3:], strict=True)),
    }
