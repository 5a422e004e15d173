"""Weak form: the outermost derivative of every term of an equation waits, and is moved onto a test function by parts.

integral of phi (g + div F) = integral of phi g - F . grad phi             phi = 0 on the edge of its support
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from opbench.derivatives import Derivatives


class Divergence:
    """density + div flux, (..., *points): the divergence is not taken before something asks for values, as a product does."""

    def __init__(self, d: Derivatives, density: Tensor | float, flux: Mapping[str, Tensor]):
        """d: takes the divergence where it must be."""
        self.d = d
        self.density = density
        self.flux = dict(flux)

    @property
    def values(self) -> Any:
        total: Any = self.density
        for axis, part in self.flux.items():
            total = total + self.d.partial(part, axis)
        return total

    def tested(self, integral: Callable[[Tensor, str | None], Tensor]) -> Tensor:
        """integral(f, None) of phi f and integral(f, axis) of f d phi / d axis, put together."""
        parts = [-integral(part, axis) for axis, part in self.flux.items()]
        return sum(parts, integral(self.density, None) if isinstance(self.density, Tensor) else torch.as_tensor(self.density))

    def _scaled(self, factor: Any) -> "Divergence":
        return Divergence(self.d, self.density * factor, {axis: part * factor for axis, part in self.flux.items()})

    def __add__(self, other: Any) -> "Divergence":
        if not isinstance(other, Divergence):
            return Divergence(self.d, self.density + other, self.flux)
        flux = {axis: part + other.flux[axis] if axis in other.flux else part for axis, part in self.flux.items()}
        return Divergence(self.d, self.density + other.density, other.flux | flux)

    def __mul__(self, other: Any) -> Any:
        """What is constant in space scales both parts; what varies needs values."""
        if isinstance(other, Divergence):
            return self.values * other.values
        return self._scaled(other) if _uniform(other) else self.values * other

    def __truediv__(self, other: Any) -> Any:
        return self * (1 / other)

    def __rtruediv__(self, other: Any) -> Any:
        return other / self.values

    def __pow__(self, exponent: Any) -> Any:
        return self.values**exponent

    def __neg__(self) -> "Divergence":
        return self._scaled(-1.0)

    def __sub__(self, other: Any) -> "Divergence":
        return self + -other

    def __rsub__(self, other: Any) -> "Divergence":
        return -self + other

    __radd__ = __add__
    __rmul__ = __mul__

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Tensor <operator> Divergence is left to the operators above."""
        return NotImplemented


class Weak(Derivatives):
    """Derivatives whose outermost one waits; `inner` takes the others."""

    def __init__(self, inner: Derivatives):
        self.inner = inner
        self.axes = inner.axes

    def partial(self, field: Any, axis: str, order: int = 1) -> Divergence:
        values = _values(field)
        return Divergence(self.inner, 0.0, {axis: values if order == 1 else self.inner.partial(values, axis, order - 1)})

    def inverse_laplacian(self, field: Any) -> Any:
        return self.inner.inverse_laplacian(_values(field))


class Mixed(Weak):
    """div_grad and laplacian take the divergence of fluxes that are unknowns of their own, and note what those stand for.

    fluxes: one a call and axis, in the equation's order; without them each flux is coefficient * grad field itself.
    terms: (flux, coefficient, gradient) of each, in the same order.
    """

    def __init__(self, inner: Derivatives, fluxes: list[Tensor] | None = None):
        super().__init__(inner)
        self.waiting = None if fluxes is None else list(fluxes)
        self.terms: list[tuple[Tensor, Any, Tensor]] = []

    def div_grad(self, coefficient: Any, field: Any) -> Divergence:
        flux, values = {}, _values(field)
        for axis in self.axes:
            gradient = self.inner.partial(values, axis)
            flux[axis] = coefficient * gradient if self.waiting is None else self.waiting.pop(0)
            self.terms.append((flux[axis], coefficient, gradient))
        return Divergence(self.inner, 0.0, flux)

    def laplacian(self, field: Any) -> Divergence:
        return self.div_grad(1.0, field)


def _values(field: Any) -> Any:
    return field.values if isinstance(field, Divergence) else field


def _uniform(value: Any) -> bool:
    return not isinstance(value, Tensor) or value.ndim == 0 or value.shape[-1] == 1
