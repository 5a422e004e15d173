"""The vocabulary in which equations are written: something that differentiates, and never says how."""

from abc import ABC, abstractmethod
from typing import Any

from opbench.errors import OpbenchError


class Derivatives(ABC):
    """Differentiates fields (..., *space) along named axes; each discretisation is one subclass."""

    axes: tuple[str, ...]

    @abstractmethod
    def partial(self, field: Any, axis: str, order: int = 1) -> Any:
        """The derivative of `field` of the given order along `axis`."""

    def laplacian(self, field: Any) -> Any:
        """Sum of the second derivatives along all axes."""
        first, *others = self.axes
        total = self.partial(field, first, 2)
        for axis in others:
            total = total + self.partial(field, axis, 2)
        return total

    def div_grad(self, coefficient: Any, field: Any) -> Any:
        """div(coefficient grad field)."""
        first, *others = self.axes
        total = self.partial(coefficient * self.partial(field, first), first)
        for axis in others:
            total = total + self.partial(coefficient * self.partial(field, axis), axis)
        return total

    def inverse_laplacian(self, field: Any) -> Any:
        """The zero-mean g with laplacian(g) = field - mean(field); periodic discretisations only."""
        raise OpbenchError(
            f"{type(self).__name__} has no inverse Laplacian; make all axes periodic, or give a sole unknown Dirichlet(0.0) at all ends"
        )
