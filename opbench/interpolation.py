"""Fields on a grid at other points: anywhere by polynomials, or on another grid by a matrix an axis."""

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from opbench.errors import OpbenchError
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


def to_grid(source: Grid, target: Grid, smooth: bool = True, device: str = "cpu") -> Callable[[Tensor], Tensor]:
    """A function of float64 tensors (..., *source.shape) -> (..., *target.shape), exact at points that both have.

    Periodic axes by trigonometric interpolation, bounded ones by not-a-knot cubic splines (of lower degree on fewer than four points);
    linear on all where the fields are not `smooth`, since the others overshoot at a jump.
    """
    try:
        source.restrict(torch.empty(source.shape), target)
    except OpbenchError:
        matrices = [_matrix(source, target, axis, smooth).to(device) for axis in range(source.dims)]
    else:
        return lambda values: source.restrict(values, target)

    def at_target(values: Tensor) -> Tensor:
        for matrix in matrices:  # the axis that comes first moves behind the others, so that in the end their order is the old one
            values = values.movedim(values.ndim - len(matrices), -1) @ matrix.T
        return values

    return at_target


def _matrix(source: Grid, target: Grid, axis: int, smooth: bool) -> Tensor:
    """(target points, source points)."""
    x, y = source.coordinates()[axis], target.coordinates()[axis]
    if not source.periodic[axis]:
        return torch.from_numpy(_spline(x, y, min(3 if smooth else 1, len(x) - 1)))
    if smooth:
        return torch.from_numpy(_trigonometric((y - source.lower[axis]) / (source.upper[axis] - source.lower[axis]), len(x)))
    around = _spline(np.append(x, source.upper[axis]), y, 1)
    around[:, 0] += around[:, -1]
    return torch.from_numpy(around[:, :-1])


def _spline(x: np.ndarray, y: np.ndarray, degree: int) -> np.ndarray:
    from scipy.interpolate import make_interp_spline

    return make_interp_spline(x, np.eye(len(x)), k=degree)(y)


def _trigonometric(y: np.ndarray, n: int) -> np.ndarray:
    """The interpolant of least frequencies through n points 0, 1/n, ... of a period 1, at y; an even n's last wave as a cosine.

    Their sum in closed form, Dirichlet's kernel; source: Henrici, SIAM Review 21 (1979).
    """
    t = y[:, None] - np.arange(n) / n
    t = np.pi * (t - np.round(t))
    with np.errstate(divide="ignore", invalid="ignore"):
        kernel = np.sin(n * t) / (n * (np.sin(t) if n % 2 else np.tan(t)))
    return np.where(t == 0, 1.0, kernel)
