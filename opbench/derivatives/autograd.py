"""Exact derivatives of a tensor that was computed from coordinate tensors, by torch's autograd."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from opbench.derivatives import Derivatives
from opbench.errors import OpbenchError
from opbench.find import known

TIME = "t"  # a coordinate, but no axis of space: laplacian and div_grad leave it out


class Autograd(Derivatives):
    """Differentiates fields (..., *points) that are functions of `coordinates`, tensors (*points) that require gradients.

    Each value of a field must depend on the coordinates of its own point only, as a closed formula does, or a network
    that takes one point at a time. A field of the points' own shape has the gradient of its sum. Where samples or channels share the
    points, that would add them up: the derivative is then pushed forward, as the gradient with respect to v of the gradient of
    sum(v field), which goes through what the samples share, a trunk, once for all of them.
    """

    def __init__(self, coordinates: Mapping[str, Tensor]):
        self.coordinates = dict(coordinates)
        self.axes = tuple(name for name in coordinates if name != TIME)

    def partial(self, field: Tensor, axis: str, order: int = 1) -> Tensor:
        """The derivative of the given order along `axis`, differentiable again; zero where the field does not depend on it.

        Raises OpbenchError for a field whose shape is not the coordinates'.
        """
        coordinate = self.coordinates[known("axis", axis, self.coordinates)]
        for _ in range(order):
            if not field.requires_grad:
                return torch.zeros_like(field)
            if field.shape[max(0, field.ndim - coordinate.ndim) :] != coordinate.shape:
                raise OpbenchError(
                    f"autograd: the field is {tuple(field.shape)}, coordinate {axis} is {tuple(coordinate.shape)}; "
                    "expand the coordinates to the field's shape before computing it"
                )
            field = _gradient(field.sum(), coordinate) if field.shape == coordinate.shape else _pushed_forward(field, coordinate)
        return field

    def inverse_laplacian(self, field: Any) -> Any:
        """Raises OpbenchError: it takes all points at once."""
        raise OpbenchError("autograd has derivatives at a point alone and no inverse Laplacian")


def _gradient(total: Tensor, of: Tensor) -> Tensor:
    return torch.autograd.grad(total, of, create_graph=True, materialize_grads=True)[0]


def _pushed_forward(field: Tensor, coordinate: Tensor) -> Tensor:
    v = torch.zeros_like(field, requires_grad=True)
    (pulled_back,) = torch.autograd.grad(field, coordinate, v, create_graph=True, materialize_grads=True)
    return _gradient(pulled_back.sum(), v) if pulled_back.requires_grad else torch.zeros_like(field)
