"""Finite differences of order 2, 4, 6 or 8: central inside, one-sided of the same order at the ends of bounded axes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from opbench.derivatives import Derivatives
from opbench.derivatives.circulant import Circulant
from opbench.derivatives.stencil import central, weights
from opbench.errors import OpbenchError
from opbench.find import known
from opbench.grid import Grid


class FiniteDifference(Derivatives):
    """Differentiates tensors (..., *grid.shape) by stencils; torch's autograd goes through.

    A space axis of length one stands for a field that is constant along it.
    Raises OpbenchError for an order that is not offered, UnknownName for an unknown axis.
    """

    def __init__(self, grid: Grid, order: int = 2):
        central(order, 1)  # refuses an order that is not offered
        self.grid = grid
        self.order = order
        self.axes = grid.axes

    def partial(self, field: Tensor, axis: str, order: int = 1) -> Tensor:
        """The derivative of the given order along `axis`, of `field`'s shape.

        Raises OpbenchError where the axis has fewer points than the stencil.
        """
        place = self._place(axis)
        if field.shape[place] == 1:
            return torch.zeros_like(field)
        offsets, weight = central(self.order, order)
        half = offsets[-1]
        periodic = self.grid.periodic[place]
        self._require(axis, max(len(offsets), 0 if periodic else self.order + order))
        scale = self.grid.spacing[place] ** order
        if periodic:
            return convolved(_wrapped(field, place, half), place, weight, scale)
        low, high = (_end(field, place, half, self.order, order, upper) / scale for upper in (False, True))
        return torch.cat((low, convolved(field, place, weight, scale), high), place)

    def div_grad(self, coefficient: Tensor | float, field: Tensor) -> Tensor:
        """div(coefficient grad field); `coefficient` is a number or broadcastable to `field`.

        Order 2 is the flux form with harmonic face means: it takes jumps of the coefficient to lie midway between points,
        where arithmetic means fall to order one (Patankar, Numerical Heat Transfer and Fluid Flow, 1980, section 4.2-3).
        Where all axes are bounded it may also be given in the cells between the points, one entry less an axis: jumps then
        lie on points, and a face takes the arithmetic mean of the cells beside it.
        On the end points of a bounded axis that axis' share is extrapolated linearly from inside, which for a constant
        coefficient is the one-sided second derivative.
        Higher orders are compact where the coefficient is one number, else nested along periodic axes and expanded,
        coefficient * field'' + coefficient' * field', along bounded ones: nested one-sided differences make waves grow.
        """
        coefficient = torch.as_tensor(coefficient, dtype=field.dtype, device=field.device)
        coefficient = coefficient.reshape((1,) * (self.grid.dims - coefficient.ndim) + coefficient.shape)
        share = self._flux_divergence if self.order == 2 else self._smooth_flux_divergence
        first, *others = (share(coefficient, field, axis) for axis in self.axes)
        return sum(others, first)

    def inverse_laplacian(self, field: Tensor) -> Tensor:
        """The zero-mean g with laplacian(g) = field - mean(field), by the stencil's symbol; periodic axes only."""
        if not all(self.grid.periodic):
            return super().inverse_laplacian(field)
        return Circulant(self.grid, self.order, field.device, field.dtype).inverse_laplacian(field).values

    def _place(self, axis: str) -> int:
        return self.axes.index(known("axis", axis, self.axes)) - self.grid.dims

    def _require(self, axis: str, points: int) -> None:
        if (n := self.grid.shape[self._place(axis)]) < points:
            raise OpbenchError(
                f"finite difference: axis {axis} has {n} points, order {self.order} needs {points} here; refine or lower the order"
            )

    def _flux_divergence(self, coefficient: Tensor, field: Tensor, axis: str) -> Tensor:
        place = self._place(axis)
        if field.shape[place] == 1:
            return torch.zeros_like(coefficient * field)
        periodic = self.grid.periodic[place]
        self._require(axis, 3 if periodic else 4)
        if periodic:
            field = _wrapped(field, place, 1)
            coefficient = _wrapped(coefficient, place, 1) if coefficient.shape[place] > 1 else coefficient
        flux = self._faces(coefficient, place) * field.diff(dim=place)
        inside = flux.diff(dim=place) / self.grid.spacing[place] ** 2
        if periodic:
            return inside
        n = inside.shape[place]
        low = 2 * inside.narrow(place, 0, 1) - inside.narrow(place, 1, 1)
        high = 2 * inside.narrow(place, n - 1, 1) - inside.narrow(place, n - 2, 1)
        return torch.cat((low, inside, high), place)

    def _smooth_flux_divergence(self, coefficient: Tensor, field: Tensor, axis: str) -> Tensor:
        place = self._place(axis)
        if self.grid.periodic[place] and any(n > 1 for n in coefficient.shape[-self.grid.dims :]):
            return self.partial(coefficient * self.partial(field, axis), axis)
        return coefficient * self.partial(field, axis, 2) + self.partial(coefficient, axis) * self.partial(field, axis)

    def _faces(self, coefficient: Tensor, place: int) -> Tensor:
        """The coefficient midway between neighbours along an axis."""
        lengths = coefficient.shape[-self.grid.dims :]
        in_cells = all(m in (1, n - 1) for m, n in zip(lengths, self.grid.shape, strict=True))
        if not in_cells or any(self.grid.periodic) or set(lengths) == {1}:
            return _face_mean(coefficient, place)
        for across in range(-self.grid.dims, 0):
            if across != place and coefficient.shape[across] > 1:
                coefficient = _point_mean(coefficient, across)
        return coefficient


def convolved(field: Tensor, place: int, weight: Sequence[float], scale: float) -> Tensor:
    """A central stencil, symmetric or antisymmetric, over `scale` at the points of an axis that have all its neighbours."""
    half = len(weight) // 2
    count = field.shape[place] - 2 * half
    total = None
    if weight[half]:
        total = field.narrow(place, half, count) * (weight[half] / scale)
    for j in range(1, half + 1):
        after, before = (field.narrow(place, half + shift, count) for shift in (j, -j))
        pair = after + before if weight[half] else after - before
        total = pair * (weight[half + j] / scale) if total is None else total.add_(pair, alpha=weight[half + j] / scale)
    assert total is not None
    return total


def _wrapped(field: Tensor, place: int, half: int) -> Tensor:
    n = field.shape[place]
    return torch.cat((field.narrow(place, n - half, half), field, field.narrow(place, 0, half)), place)


def _face_mean(coefficient: Tensor, place: int) -> Tensor:
    n = coefficient.shape[place]
    if n == 1:
        return coefficient
    return 2 / (1 / coefficient.narrow(place, 0, n - 1) + 1 / coefficient.narrow(place, 1, n - 1))


def _point_mean(cells: Tensor, place: int) -> Tensor:
    """Of the two cells beside each point; the end points have one."""
    n = cells.shape[place]
    ends = cells.narrow(place, 0, 1), cells.narrow(place, n - 1, 1)
    return (torch.cat((ends[0], cells), place) + torch.cat((cells, ends[1]), place)) / 2


def _end(field: Tensor, place: int, half: int, accuracy: int, derivative: int, upper: bool) -> Tensor:
    """The derivative on unit spacing at the `half` points nearest to one end, from the `accuracy + derivative` nearest."""
    width = accuracy + derivative
    first = width - half if upper else 0
    rows = [weights(tuple(range(-point, width - point)), derivative) for point in range(first, first + half)]
    matrix = torch.tensor(rows, dtype=field.dtype, device=field.device)
    points = field.narrow(place, field.shape[place] - width if upper else 0, width)
    return (points.movedim(place, -1) @ matrix.T).movedim(-1, place)
