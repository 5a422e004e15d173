"""Periodic grids: a scheme is its symbol, applied to Fourier coefficients (for finite differences, a circulant matrix)."""

from abc import abstractmethod
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from opbench.derivatives import Derivatives
from opbench.errors import OpbenchError
from opbench.grid import Grid


class FourierField:
    """A periodic field (..., *space) that stays in whichever space it is in until an operation needs the other.

    So a derivative costs one product, and an equation never learns that it runs in Fourier space.
    """

    def __init__(self, d: "Fourier", *, values: Tensor | None = None, hat: Tensor | None = None):
        self.d = d
        if values is not None:
            self.values = values
        if hat is not None:
            self.hat = hat

    @cached_property
    def values(self) -> Tensor:
        """Values at the grid's points, (..., *space)."""
        return torch.fft.irfftn(self.hat, s=self.d.grid.shape, dim=self.d.dim)

    @cached_property
    def hat(self) -> Tensor:
        """Real-input Fourier coefficients, (..., *wavenumbers)."""
        return torch.fft.rfftn(self.values, dim=self.d.dim)

    def _in(self, space: str) -> bool:
        return space in self.__dict__

    def _same(self, **arrays: Tensor) -> "FourierField":
        return FourierField(self.d, **arrays)

    def __add__(self, other: Any) -> "FourierField":
        other = other if isinstance(other, FourierField) else self.d.field(other)
        if self._in("hat") and other._in("hat"):
            return self._same(hat=self.hat + other.hat)
        if self._in("values") and other._in("values"):
            return self._same(values=self.values + other.values)
        return self._same(hat=self.hat + other.hat)

    def __mul__(self, other: Any) -> "FourierField":
        if isinstance(other, FourierField):
            return self._same(values=self.values * other.values)
        if not self.d.uniform(other):
            return self._same(values=self.values * other)
        return self._same(hat=self.hat * other) if self._in("hat") else self._same(values=self.values * other)

    def __pow__(self, exponent: int) -> "FourierField":
        return self._same(values=self.values**exponent)

    def __neg__(self) -> "FourierField":
        return self * -1.0

    def __sub__(self, other: Any) -> "FourierField":
        return self + -other

    def __rsub__(self, other: Any) -> "FourierField":
        return -self + other

    def __truediv__(self, other: float) -> "FourierField":
        return self * (1 / other)

    __radd__ = __add__
    __rmul__ = __mul__


class Fourier(Derivatives):
    """Derivatives by symbols; takes and gives FourierField (a tensor (..., *space) is taken as values).

    Raises OpbenchError where an axis of the grid is bounded.
    """

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
        return FourierField(self, values=value.expand(*value.shape[: -self.grid.dims], *self.grid.shape))

    def partial(self, field: Any, axis: str, order: int = 1) -> FourierField:
        field = field if isinstance(field, FourierField) else self.field(field)
        return FourierField(self, hat=field.hat * self._symbol(axis, order))

    def laplacian(self, field: Any) -> FourierField:
        field = field if isinstance(field, FourierField) else self.field(field)
        return FourierField(self, hat=field.hat * self._laplacian)

    def inverse_laplacian(self, field: Any) -> FourierField:
        field = field if isinstance(field, FourierField) else self.field(field)
        return FourierField(self, hat=field.hat * self._inverse_laplacian)

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
