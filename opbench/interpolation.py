"""Fields on a grid at points between its own, by the polynomials through the nearest of them."""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from opbench.grid import Grid
from opbench.quadrature import basis


def at_points(fields: Tensor, grid: Grid, coordinates: Sequence[Tensor], degree: int) -> Tensor:
    """(..., *grid.shape) at points (p,), one tensor of coordinates an axis -> (..., p); gradients reach the coordinates.

    Along each axis it is the polynomial of `degree` through the degree + 1 nearest points: 0 takes the nearest point's value, a
    derivative of order m is of order degree + 1 - m. Periodic axes wrap; beside an end the points are those nearest inside.
    """
    places, factors = zip(*(_along(grid, axis, x, degree) for axis, x in enumerate(coordinates)), strict=True)
    strides = [math.prod(grid.shape[axis + 1 :]) for axis in range(grid.dims)]
    terms = list(itertools.product(range(degree + 1), repeat=grid.dims))
    index = torch.stack([sum((places[a][j] * strides[a] for a, j in enumerate(term)), torch.zeros_like(places[0][0])) for term in terms])
    weight = torch.stack([math.prod((factors[a][j] for a, j in enumerate(term)), start=torch.ones_like(factors[0][0])) for term in terms])
    return (fields.flatten(-grid.dims)[..., index] * weight.to(fields.dtype)).sum(-2)


def _along(grid: Grid, axis: int, x: Tensor, degree: int) -> tuple[Tensor, Tensor]:
    """Indices (degree + 1, p) of the nearest points of an axis, and their polynomials' values at x."""
    n, position = grid.shape[axis], (x - grid.lower[axis]) / grid.spacing[axis]
    first = torch.floor(position.detach() - (degree - 1) / 2)
    if not grid.periodic[axis]:
        first = first.clamp(0, n - 1 - degree)
    nodes = range(degree + 1)
    index = first.long() + torch.arange(degree + 1, device=x.device)[:, None]
    return index % n, basis(nodes, position - first)
