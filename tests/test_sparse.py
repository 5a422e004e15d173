"""scipy's factors and our multigrid give the same answer to a steady equation, on any grid and in any number of dimensions."""

import numpy as np
import pytest
import torch

from opbench.grid import Grid
from opbench.pdes.darcy import Darcy
from opbench.solver.sparse import solve_sparse
from opbench.solver.steady import solve_steady


@pytest.mark.parametrize("shape", [(9, 9), (8, 13), (17, 6)])
def test_sparse_lu_and_multigrid_agree_sample_by_sample(shape):
    grid = Grid(("x", "y"), shape, (0.0, 0.0), (1.0, 2.0), (False, False))
    generator = np.random.default_rng(0)
    given = {
        "permeability": torch.from_numpy(np.exp(generator.standard_normal((3, *shape)))),
        "source": torch.from_numpy(generator.standard_normal((1, *shape))),
    }
    found, expected = solve_sparse(Darcy(), grid, given), solve_steady(Darcy(), grid, given, tolerance=1e-12)
    assert found.shape == expected.shape == (3, *shape)
    worst = float((found - expected).abs().max() / expected.abs().max())
    assert worst < 1e-10, worst
