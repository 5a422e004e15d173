"""Closed solutions of -div(k grad p) = f with p = 0 on the boundary: each function takes a grid and returns (given, solution)."""

import numpy as np

from opbench.grid import Grid

Case = tuple[dict[str, np.ndarray], np.ndarray]


def layered(grid: Grid) -> Case:
    """[0, 1] in two halves, k = 12 and k = 3, f = 1: k p' = c - x, integrated half by half.

    An even number of nodes puts the jump midway between two of them.
    """
    (x,) = grid.coordinates()
    left, right, jump = 12.0, 3.0, 0.5

    def integral(power: int) -> np.ndarray:
        """Of x^power / k from 0 to x."""
        primitive = np.minimum(x, jump) ** (power + 1) / left
        return (primitive + (np.maximum(x, jump) ** (power + 1) - jump ** (power + 1)) / right) / (power + 1)

    c = integral(1)[-1] / integral(0)[-1]
    given = {"permeability": np.where(x < jump, left, right), "source": np.ones(1)}
    return given, c * integral(0) - integral(1)


def square(grid: Grid) -> Case:
    """The unit square, k = 2, f = 1: a parabola plus a sine series (Timoshenko & Goodier, Theory of Elasticity, section 109)."""
    x, y = grid.mesh()
    away = np.abs(y - 0.5)
    series = np.zeros_like(x)
    for n in range(1, 400, 2):  # terms fall like n^-3 on the edge itself, and the edge is set to zero
        ratio = (np.exp(n * np.pi * (away - 0.5)) + np.exp(-n * np.pi * (away + 0.5))) / (1 + np.exp(-n * np.pi))  # cosh / cosh
        series += np.sin(n * np.pi * x) * ratio / n**3
    solution = (x * (1 - x) / 2 - 4 / np.pi**3 * series) / 2
    solution[[0, -1]] = solution[:, [0, -1]] = 0.0
    return {"permeability": np.full((1, 1), 2.0), "source": np.ones((1, 1))}, solution
