"""Steady linear equations by scipy's sparse LU, sample by sample: a second way for what multigrid solves, and no code of ours."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from opbench.grid import Grid
from opbench.pde import SteadyPDE
from opbench.solver.multigrid import Network
from opbench.solver.probe import probe


def solve_sparse(pde: SteadyPDE, grid: Grid, given: Mapping[str, Tensor]) -> Tensor:
    """The sole unknown of `pde`, zero at the ends of all axes, (sample, *shape), float64, on the CPU.

    given: as in `solve_steady`. Minimum degree on A + A^T without pivoting off the diagonal: scipy's fastest for such matrices.
    """
    from scipy.sparse.linalg import splu

    network, right = probe(pde, grid, given, torch.device("cpu"))
    loads = right.expand(len(network.reaction), *network.shape).flatten(1).numpy()
    matrix, place = matrix_of(network)
    solutions = []
    for entries, load in zip(entries_of(network), loads, strict=True):
        matrix.data[:] = entries[place]
        factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        solutions.append(factors.solve(load))
    interior = torch.from_numpy(np.stack(solutions)).reshape(-1, *network.shape)
    return torch.nn.functional.pad(interior, [1, 1] * grid.dims)


def entries_of(network: Network) -> np.ndarray:
    """The matrices' entries, (sample, entry): the diagonal, then for every axis the links between neighbours, twice."""
    parts = [network.diagonal.flatten(1)]
    for axis, (n, g) in enumerate(zip(network.shape, network.faces, strict=True)):
        parts += [-g.narrow(axis + 1, 1, n - 1).flatten(1)] * 2
    return torch.cat(parts, 1).numpy()


def matrix_of(network: Network):
    """The matrices' common pattern as a sparse array, and which of `entries_of` stands where in its data."""
    from scipy.sparse import coo_array

    number = np.arange(np.prod(network.shape)).reshape(network.shape)
    rows, columns = [number.ravel()], [number.ravel()]
    for axis, n in enumerate(network.shape):
        lower, upper = (number.take(range(side, n - 1 + side), axis=axis).ravel() for side in (0, 1))
        rows += [lower, upper]
        columns += [upper, lower]
    at = np.concatenate(rows), np.concatenate(columns)
    pattern = coo_array((np.arange(1.0, len(at[0]) + 1), at)).tocsc()  # counted from 1: a zero is no entry
    place = pattern.data.astype(int) - 1
    return pattern, place
