"""Spectral derivatives on periodic grids: the symbol of d/dx is i k."""

from collections.abc import Callable
from math import ceil
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from opbench.derivatives.fourier import Fourier, FourierField


class Spectral(Fourier):
    """Exact for every resolved wave; products are not dealiased."""

    def symbol(self, angle: np.ndarray, derivative: int) -> np.ndarray:
        return (1j * angle) ** derivative


class DealiasedField(FourierField):
    """A field whose products are formed on as many points as their waves need, and cut back to the grid's waves.

    Of two factors that is half as many points again an axis, the rule of two thirds (Orszag, J. Atmos. Sci. 28, 1971); of an integer power
    p, (p + 1) / 2 times as many. Other functions (division, broken powers) have waves without end and are taken on 3 / 2 as well.
    The sawtooth of an even number of points has no sign and is left out of products.
    """

    def __mul__(self, other: Any) -> "DealiasedField":
        if isinstance(other, int | float) or (not isinstance(other, FourierField) and self.d.uniform(other)):
            return super().__mul__(other)  # pyright: ignore[reportReturnType]
        other = other if isinstance(other, FourierField) else self.d.field(other)
        return self._formed(2, torch.mul, other)

    def __pow__(self, exponent: Any) -> "DealiasedField":
        degree = exponent if isinstance(exponent, int) and exponent > 0 else 2
        return self._formed(degree, lambda values: values**exponent)

    def __rtruediv__(self, other: Any) -> "DealiasedField":
        return self._formed(2, torch.reciprocal) * other

    __rmul__ = __mul__

    def _formed(self, degree: int, function: Callable[..., Tensor], *others: FourierField) -> "DealiasedField":
        """A function of fields, point by point, in which `degree` of them multiply each other."""
        grid, dim = self.d.grid, self.d.dim
        fine = tuple(2 * ceil(n * (degree + 1) / 4) for n in grid.shape)
        scale = float(np.prod(fine) / np.prod(grid.shape))
        padded = [torch.fft.irfftn(_cut(field.hat, grid.shape, fine), s=fine, dim=dim) * scale for field in (self, *others)]
        return DealiasedField(self.d, hat=_cut(torch.fft.rfftn(function(*padded), dim=dim), fine, grid.shape) / scale)


class Dealiased(Spectral):
    """Exact for every resolved wave, without aliases in products: derivatives for residuals."""

    kind: ClassVar[type[FourierField]] = DealiasedField


def _cut(hat: Tensor, old: tuple[int, ...], new: tuple[int, ...]) -> Tensor:
    """Coefficients (..., *wavenumbers) for `old` points an axis as those for `new`, with the waves that both have."""
    for place, (n, m) in enumerate(zip(old, new, strict=True), start=-len(old)):
        kept = (min(n, m) - 1) // 2  # waves of either sign; the sawtooth of an even number is none of them
        last = place == -1
        parts = [hat.narrow(place, 0, kept + 1)]
        size = [*hat.shape]
        size[place] = (m // 2 + 1 if last else m) - (kept + 1 if last else 2 * kept + 1)
        parts.append(hat.new_zeros(size))
        if not last and kept:
            parts.append(hat.narrow(place, n - kept, kept))
        hat = torch.cat(parts, place)
    return hat
