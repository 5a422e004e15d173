"""Sums of the Laplacian's eigenfunctions on a box: waves on periodic axes, cosines or sines on bounded ones."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from opbench.grid import Grid

Boundary = Literal["neumann", "dirichlet"]


def fraction(grid: Grid, axis: int) -> np.ndarray:
    """Where the grid's points lie between the axis' ends, 0 to 1."""
    return (grid.coordinates()[axis] - grid.lower[axis]) / (grid.upper[axis] - grid.lower[axis])


def eigenfunctions(grid: Grid, axis: int, modes: int, boundary: Boundary) -> tuple[np.ndarray, np.ndarray]:
    """-D's orthonormal eigenfunctions at the grid's points (mode, point), and their eigenvalues (mode,), the squared wavenumbers.

    On a periodic axis the constant and `modes` cosines and sines; on a bounded one the constant and `modes` cosines, whose slope
    vanishes at the ends (neumann), or `modes` sines, which vanish there themselves (dirichlet).
    """
    length, position = grid.upper[axis] - grid.lower[axis], fraction(grid, axis)
    count = np.arange(1, modes + 1)
    if grid.periodic[axis]:
        angle = 2 * np.pi * np.outer(count, position)
        waves = np.stack([np.cos(angle), np.sin(angle)], axis=1).reshape(2 * modes, -1)
        wavenumber = np.repeat(2 * np.pi * count / length, 2)
    elif boundary == "neumann":
        waves = np.cos(np.pi * np.outer(count, position))
        wavenumber = np.pi * count / length
    else:
        return np.sqrt(2) * sines(position, modes) / np.sqrt(length), (np.pi * count / length) ** 2
    basis = np.concatenate([np.ones((1, len(position))), np.sqrt(2) * waves]) / np.sqrt(length)
    return basis, np.concatenate([[0.0], wavenumber**2])


def sines(position: np.ndarray, modes: int) -> np.ndarray:
    """sin(pi k position) for k = 1 ... modes, (mode, point)."""
    return np.sin(np.pi * np.outer(np.arange(1, modes + 1), position))


def series(coefficients: np.ndarray, bases: Sequence[np.ndarray]) -> np.ndarray:
    """sum over all modes of coefficient times basis functions, (*grid.shape); coefficients (mode, ..., mode)."""
    field = coefficients
    for basis in bases:  # each product moves the next mode axis to the end as a space axis
        field = np.tensordot(field, basis, axes=(0, 0))
    return field
