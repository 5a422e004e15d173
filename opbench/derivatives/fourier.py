"""Periodic grids: a scheme is its symbol, applied to Fourier coefficients (for finite differences, a circulant matrix)."""

from abc import abstractmethod
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from opbench.derivatives import Derivatives
from opbench.errors import OpbenchError
from opbench.grid import Grid


class FourierField:
    """A periodic field (..., *space) that stays in whichever space it is in until an operation needs the other.

    So a derivative costs one product, and an equation never learns that it runs in Fourier space. Numbers and a symbol that
    multiply the field are kept aside: they are small and multiply each other first, the field, which is large, only once.
    """

    def __init__(
        self, d: "Fourier", *, values: Tensor | None = None, hat: Tensor | None = None, symbol: Tensor | None = None, factor: float = 1.0
    ):
        """The field factor * values, which is the one whose coefficients are factor * symbol * hat; one may be left out."""
        self.d = d
        self.symbol = symbol
        self.factor = factor
        self._points = values
        self._spectrum = hat
        self._values: Tensor | None = None
        self._hat: Tensor | None = None

    @property
    def values(self) -> Tensor:
        """Values at the grid's points, (..., *space)."""
        if self._values is None:
            points, factor = self._points, self.factor
            if points is None:
                points, factor = torch.fft.irfftn(self.hat, s=self.d.grid.shape, dim=self.d.dim), 1.0
            self._values = points if factor == 1 else points * factor
        return self._values

    @property
    def hat(self) -> Tensor:
        """Real-input Fourier coefficients, (..., *wavenumbers)."""
        if self._hat is None:
            if self.symbol is None:
                self._hat = self._transformed() if self.factor == 1 else self._transformed() * self.factor
            else:
                self._hat = self._transformed() * (self.symbol if self.factor == 1 else self.symbol * self.factor)
        return self._hat

    def _transformed(self) -> Tensor:
        """Coefficients that the symbol and the factor are to multiply."""
        if self._spectrum is None:
            assert self._points is not None
            self._spectrum = torch.fft.rfftn(self._points, dim=self.d.dim)
        return self._spectrum

    def _at_points(self) -> tuple[Tensor, float]:
        """Values and the number that is to multiply them."""
        return (self.values, 1.0) if self._points is None else (self._points, self.factor)

    def _known_at_points(self) -> bool:
        return self._points is not None or self._values is not None

    def times_symbol(self, symbol: Tensor) -> "FourierField":
        """The field whose coefficients are `symbol`, broadcastable to (..., *wavenumbers), times this one's."""
        if self.symbol is None:
            return type(self)(self.d, hat=self._transformed(), symbol=symbol, factor=self.factor)
        return type(self)(self.d, hat=self.hat, symbol=symbol)

    def __add__(self, other: Any) -> "FourierField":
        other = other if isinstance(other, FourierField) else self.d.field(other)
        in_hat = self._spectrum is not None and other._spectrum is not None
        if in_hat or not (self._known_at_points() and other._known_at_points()):
            return type(self)(self.d, hat=self.hat + other.hat)
        (a, scale_a), (b, scale_b) = self._at_points(), other._at_points()
        if scale_a == 1:
            return type(self)(self.d, values=torch.add(a, b, alpha=scale_b))
        return type(self)(self.d, values=torch.add(b if scale_b == 1 else b * scale_b, a, alpha=scale_a))

    def __mul__(self, other: Any) -> "FourierField":
        if isinstance(other, int | float):
            return type(self)(self.d, values=self._points, hat=self._spectrum, symbol=self.symbol, factor=self.factor * other)
        if isinstance(other, FourierField):
            (a, scale_a), (b, scale_b) = self._at_points(), other._at_points()
            return type(self)(self.d, values=a * b, factor=scale_a * scale_b)
        if self.d.uniform(other) and self._spectrum is not None:
            return type(self)(self.d, hat=self.hat * other)
        return type(self)(self.d, values=self.values * other)

    def __pow__(self, exponent: Any) -> "FourierField":
        if not isinstance(exponent, int):
            return type(self)(self.d, values=self.values**exponent)
        values, scale = self._at_points()
        return type(self)(self.d, values=values**exponent, factor=scale**exponent)

    def __neg__(self) -> "FourierField":
        return self * -1.0

    def __sub__(self, other: Any) -> "FourierField":
        return self + -other

    def __rsub__(self, other: Any) -> "FourierField":
        return -self + other

    def __truediv__(self, other: Any) -> "FourierField":
        return self * (1 / other)

    def __rtruediv__(self, other: Any) -> "FourierField":
        return type(self)(self.d, values=1 / self.values) * other

    __radd__ = __add__
    __rmul__ = __mul__


class Fourier(Derivatives):
    """Derivatives by symbols; takes and gives FourierField (a tensor (..., *space) is taken as values).

    Raises OpbenchError where an axis of the grid is bounded.
    """

    kind: ClassVar[type[FourierField]] = FourierField

    def __init__(self, grid: Grid, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float64):
        if not all(grid.periodic):
            bounded = ", ".join(axis for axis, wraps in zip(grid.axes, grid.periodic, strict=True) if not wraps)
            raise OpbenchError(f"{type(self).__name__}: axis {bounded} is bounded; make it periodic or use FiniteDifference")
        self.grid = grid
        self.axes = grid.axes
        self.dim = tuple(range(-grid.dims, 0))
        self.device = device
        self.dtype = dtype
        self._symbols: dict[tuple[str, int], Tensor] = {}

    @abstractmethod
    def symbol(self, angle: np.ndarray, derivative: int) -> np.ndarray:
        """What a derivative on unit spacing multiplies exp(i angle j) by; `angle` in [-pi, pi]."""

    def uniform(self, value: Any) -> bool:
        """Whether `value` is constant in space: it then scales values and coefficients alike."""
        return not isinstance(value, Tensor) or all(n == 1 for n in value.shape[-self.grid.dims :])

    def field(self, value: Any) -> FourierField:
        """A number or a tensor (..., *space), space axes possibly 1, as a field."""
        value = torch.as_tensor(value, dtype=self.dtype, device=self.device)
        return self.kind(self, values=value.expand(*value.shape[: -self.grid.dims], *self.grid.shape))

    def partial(self, field: Any, axis: str, order: int = 1) -> FourierField:
        field = field if isinstance(field, FourierField) else self.field(field)
        return field.times_symbol(self._symbol(axis, order))

    def laplacian(self, field: Any) -> FourierField:
        field = field if isinstance(field, FourierField) else self.field(field)
        return field.times_symbol(self._laplacian)

    def div_grad(self, coefficient: Any, field: Any) -> FourierField:
        """div(coefficient grad field), compact where the coefficient is constant in space, else nested."""
        if isinstance(coefficient, FourierField) or not self.uniform(coefficient):
            return super().div_grad(coefficient, field)
        return self.laplacian(field) * coefficient

    def inverse_laplacian(self, field: Any) -> FourierField:
        field = field if isinstance(field, FourierField) else self.field(field)
        return field.times_symbol(self._inverse_laplacian)

    def _symbol(self, axis: str, order: int) -> Tensor:
        if (axis, order) not in self._symbols:
            index = self.axes.index(axis)
            n = self.grid.shape[index]
            last = index == self.grid.dims - 1
            angle = 2 * np.pi * (np.fft.rfftfreq(n) if last else np.fft.fftfreq(n))
            values = torch.as_tensor(self.symbol(angle, order) / self.grid.spacing[index] ** order)
            values[0] = 0.0  # a constant's derivative, whatever round-off says
            if order % 2 == 0:
                values = values.real
            elif n % 2 == 0:
                values[n // 2] = 0.0  # an odd derivative of the sawtooth mode is no real field
            shape = [1] * self.grid.dims
            shape[index] = len(angle)
            kind = values.to(torch.promote_types(self.dtype, torch.complex32) if values.is_complex() else self.dtype)
            self._symbols[axis, order] = kind.to(self.device).reshape(shape)
        return self._symbols[axis, order]

    @cached_property
    def _laplacian(self) -> Tensor:
        total = self._symbol(self.axes[0], 2)
        for axis in self.axes[1:]:
            total = total + self._symbol(axis, 2)
        return total

    @cached_property
    def _inverse_laplacian(self) -> Tensor:
        return 1 / torch.where(self._laplacian == 0, torch.inf, self._laplacian)
