"""Finite differences between mirrors: every field is even about the ends of bounded axes, and central stencils see its image there."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from opbench.derivatives import Derivatives
from opbench.derivatives.finite_difference import FiniteDifference, convolved
from opbench.derivatives.stencil import central


class Mirrored(FiniteDifference):
    """Differentiates tensors (sample, *grid.shape) that are even about both ends of every bounded axis; their odd derivatives are not, so
    that nested ones are wrong.

    Raises OpbenchError where an axis has fewer points than the stencil.
    """

    def partial(self, field: Tensor, axis: str, order: int = 1) -> Tensor:
        place = self._place(axis)
        if field.shape[place] == 1:
            return torch.zeros_like(field)
        offsets, weight = central(self.order, order)
        self._require(axis, len(offsets))
        reach = [offsets[-1] if name == axis else 0 for name in self.axes]
        return convolved(self.extended(field, reach), place, weight, self.grid.spacing[place] ** order)

    def div_grad(self, coefficient: Tensor | float, field: Tensor) -> Tensor:
        if isinstance(coefficient, Tensor) and any(n > 1 for n in coefficient.shape[-self.grid.dims :]):
            return Derivatives.div_grad(self, coefficient, field)
        return coefficient * self.laplacian(field)

    def extended(self, field: Tensor, reach: list[int]) -> Tensor:
        """With `reach` more points at both ends of each axis: images in the mirrors, or where it is periodic the other end's points."""
        for periodic, mode in ((False, "reflect"), (True, "circular")):
            sides = [n if wraps is periodic else 0 for n, wraps in zip(reach, self.grid.periodic, strict=True)]
            if any(sides):
                field = pad(field, [side for side in reversed(sides) for _ in (0, 1)], mode)
        return field
