"""Darcy flow through blocks against an independent solution; what closed formulas say of it is in tests/exact/darcy.py."""

from pathlib import Path

import numpy as np
import pytest
import torch

from opbench.grid import Grid
from opbench.pdes.darcy import Darcy
from opbench.solver.steady import solve_steady

BLOCKS = Path(__file__).parent / "data" / "darcy2d_blocks.npz"


def unit(n: int) -> Grid:
    return Grid(("x", "y"), (n, n), (0.0, 0.0), (1.0, 1.0), (False, False))


def solve(grid: Grid, given) -> np.ndarray:
    return solve_steady(Darcy(), grid, {name: torch.as_tensor(value)[None] for name, value in given.items()})[0].numpy()


def relative(found: np.ndarray, exact: np.ndarray) -> float:
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def orders(errors: list[float], cells: list[int]) -> np.ndarray:
    return np.log(np.array(errors[:-1]) / errors[1:]) / np.log(np.array(cells[1:]) / cells[:-1])


def block_error(permeability: np.ndarray, n: int) -> float:
    """At the 65 x 65 nodes of the independent solution."""
    found = solve(unit(n), {"permeability": permeability, "source": np.ones((1, 1))})
    return relative(unit(n).restrict(found, unit(65)), np.load(BLOCKS)["u_own"])


def test_blocks_whose_edges_lie_on_nodes_are_solved_to_3e_4_when_given_in_cells():
    blocks = np.load(BLOCKS)["a_cells"]
    errors = [block_error(np.kron(blocks, np.ones((m, m))), 16 * m + 1) for m in (4, 8, 16)]
    assert errors[-1] < 3e-4, errors
    assert orders(errors, [4, 8, 16]).min() > 1.5, errors  # corners where four blocks meet keep it below two


def at_nodes(blocks: np.ndarray, n: int, mean) -> np.ndarray:
    """Values at n x n nodes, `mean` of the up to four blocks that meet there."""
    index = [np.clip((16 * np.arange(n) + side) // (n - 1), 0, 15) for side in (0, -1)]
    return mean(np.stack([blocks[np.ix_(i, j)] for i in index for j in index]))


@pytest.mark.parametrize(
    ("mean", "bound"),
    [(lambda k: k[0], 7e-3), (lambda k: k.mean(0), 6.5e-3), (lambda k: np.exp(np.log(k).mean(0)), 3e-3)],
    ids=["the block to the right", "arithmetic mean", "geometric mean"],
)
def test_blocks_given_at_nodes_on_their_edges_are_off_by_half_a_cell_and_converge_with_order_one(mean, bound):
    blocks = np.load(BLOCKS)["a_cells"]
    errors = [block_error(at_nodes(blocks, n, mean), n) for n in (65, 129)]
    assert errors[-1] < bound, errors
    assert orders(errors, [64, 128]).min() > 0.9, errors
