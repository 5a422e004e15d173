"""Darcy flow against closed formulas, a manufactured source and an independent solution."""

from pathlib import Path

import numpy as np
import pytest
import torch

from exact.darcy import layered, square
from opbench.derivatives.autograd import Autograd
from opbench.grid import Grid
from opbench.pdes.darcy import Darcy
from opbench.solver.steady import solve_steady

BLOCKS = Path(__file__).parent / "data" / "darcy2d_blocks.npz"


def unit(n: int, dims: int = 2) -> Grid:
    return Grid(("x", "y")[:dims], (n,) * dims, (0.0,) * dims, (1.0,) * dims, (False,) * dims)


def solve(grid: Grid, given) -> np.ndarray:
    return solve_steady(Darcy(), grid, {name: torch.as_tensor(value)[None] for name, value in given.items()})[0].numpy()


def relative(found: np.ndarray, exact: np.ndarray) -> float:
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def orders(errors: list[float], cells: list[int]) -> np.ndarray:
    return np.log(np.array(errors[:-1]) / errors[1:]) / np.log(np.array(cells[1:]) / cells[:-1])


def test_a_manufactured_solution_is_approached_with_order_two():
    errors = []
    for n in (17, 33, 65):
        coordinates = {name: torch.as_tensor(axis).requires_grad_() for name, axis in zip("xy", unit(n).mesh(), strict=True)}
        x, y = coordinates.values()
        k = 1.5 + torch.sin(3 * x + 1) * torch.cos(2 * y)
        p = torch.sin(torch.pi * x) * torch.sin(2 * torch.pi * y) * torch.exp(x)
        source = Darcy().residual(p, {"permeability": k, "source": 0.0}, Autograd(coordinates))
        errors.append(relative(solve(unit(n), {"permeability": k.detach(), "source": source.detach()}), p.detach().numpy()))
    assert orders(errors, [16, 32, 64]).min() >= 1.9, errors


@pytest.mark.parametrize(("exact", "dims", "sizes"), [(layered, 1, (16, 32, 64)), (square, 2, (17, 33, 65))])
def test_a_closed_solution_is_approached_with_order_two(exact, dims, sizes):
    errors = []
    for n in sizes:
        given, solution = exact(unit(n, dims))
        errors.append(relative(solve(unit(n, dims), given), solution))
    assert errors[-1] < 1e-3
    assert orders(errors, [n - 1 for n in sizes]).min() >= 1.9, errors


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
