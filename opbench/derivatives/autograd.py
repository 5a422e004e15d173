"""Exact derivatives of a tensor that was computed from coordinate tensors, by torch's autograd."""

from collections.abc import Mapping

import torch
from torch import Tensor

from opbench.derivatives import Derivatives
from opbench.errors import OpbenchError
from opbench.find import known

TIME = "t"  # a coordinate, but no axis of space: laplacian and div_grad leave it out


class Autograd(Derivatives):
    """Differentiates fields that are functions of `coordinates`, tensors of one shape that require gradients.

    Each value of a field must depend on the coordinates of its own point only, as a closed formula does, or a network
    that takes one point at a time: what is computed is the gradient of the field's sum.
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
            if field.shape != coordinate.shape:
                raise OpbenchError(
                    f"autograd: the field is {tuple(field.shape)}, coordinate {axis} is {tuple(coordinate.shape)}; "
                    "expand the coordinates to the field's shape before computing it"
                )
            (field,) = torch.autograd.grad(field.sum(), coordinate, create_graph=True, materialize_grads=True)
        return field
