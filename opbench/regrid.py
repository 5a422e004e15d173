"""Values on one grid at the points of another, by a matrix an axis."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from opbench.errors import OpbenchError
from opbench.grid import Grid


def interpolation(source: Grid, target: Grid, smooth: bool = True, device: str = "cpu") -> Callable[[Tensor], Tensor]:
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
    """The interpolant of least frequencies through n points 0, 1/n, ... of a period 1, at y; an even n's last wave as a cosine."""
    waves = np.arange(n // 2 + 1)
    weight = np.where((waves == 0) | (2 * waves == n), 1.0, 2.0) / n
    return np.cos(2 * np.pi * (y[:, None] - np.arange(n) / n)[..., None] * waves) @ weight
