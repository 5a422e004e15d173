"""The functions phi_k(z) = sum_j z^j / (j + k)! of numbers and of small matrices, and what ETDRK4 makes of them.

Sources: Cox and Matthews, J. Comput. Phys. 176 (2002), equations 26-29; scaling and doubling: Hochbruck, Lubich and Selhofer,
SIAM J. Sci. Comput. 19 (1998), section 6.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

TERMS = 19  # of the series where |z| < 1: 1 / 21! is below double precision


@dataclass(frozen=True)
class Coefficients:
    """What one step size multiplies by; each broadcastable to (field, sample, *wavenumbers), coupled: (field_out, field_in, ...)."""

    whole: Tensor
    half: Tensor
    stage: Tensor
    first: Tensor
    middle: Tensor
    last: Tensor


def coefficients(symbol: Tensor, step: float, phi: Callable[[Tensor], tuple[Tensor, ...]]) -> Coefficients:
    """ETDRK4's coefficients for u_hat_t = symbol u_hat + N; phi: `phi_numbers` or `phi_matrices`, as the symbol is.

    They are complex like what they multiply: torch would convert them at each product.
    """
    whole, one, two, three = phi(step * symbol)
    half, half_one, *_ = phi(step / 2 * symbol)
    parts = {
        "whole": whole,
        "half": half,
        "stage": step / 2 * half_one,
        "first": step * (one - 3 * two + 4 * three),
        "middle": step * 2 * (two - 2 * three),
        "last": step * (4 * three - two),
    }
    return Coefficients(**{name: part.to(torch.promote_types(part.dtype, torch.complex32)) for name, part in parts.items()})


def product(coefficient: Tensor, x: Tensor) -> Tensor:
    """A number or, with one axis more than x (field, sample, *wavenumbers), a matrix per wavenumber times x."""
    return coefficient * x if coefficient.ndim == x.ndim else matrix_product(coefficient, x)


def add_product(total: Tensor, coefficient: Tensor, x: Tensor, scale: float = 1) -> Tensor:
    """total + scale coefficient x, in place."""
    if coefficient.ndim == x.ndim:
        return total.addcmul_(coefficient, x, value=scale)
    return total.add_(matrix_product(coefficient, x), alpha=scale)


def phi_numbers(z: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """phi_k(z), k = 0, 1, 2, 3, of `z`'s shape: by the series where |z| < 1, else by recurrence from exp(z)."""
    small = z.abs() < 1
    near = torch.where(small, z, 0.0)
    series = [torch.zeros_like(z) for _ in range(3)]
    for j in reversed(range(TERMS)):
        for k in range(3):
            series[k] = series[k] * near / (j + k + 2) + 1
    factorial = (1.0, 2.0, 6.0)
    far = torch.where(small, 1.0, z)
    one = (torch.exp(far) - 1) / far
    two = (one - 1) / far
    three = (two - 0.5) / far
    pairs = zip((one, two, three), series, factorial, strict=True)
    return torch.exp(z), *(torch.where(small, s / f, direct) for direct, s, f in pairs)  # pyright: ignore[reportReturnType]


def phi_matrices(z: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """phi_k(z), k = 0, 1, 2, 3, of matrices (m, m, ...), also defective ones: the series of z / 2^n, doubled n times."""
    halvings = _least_norm(z).log2().ceil().clamp(min=0)
    z = z / 2**halvings
    identity = torch.eye(len(z), dtype=z.dtype, device=z.device).reshape(len(z), len(z), *[1] * (z.ndim - 2))
    three = torch.zeros_like(z)
    for j in reversed(range(TERMS)):
        three = identity + matrix_product(z, three) / (j + 4)
    three = three / 6
    two = identity / 2 + matrix_product(z, three)
    one = identity + matrix_product(z, two)
    zero = identity + matrix_product(z, one)
    for done in range(int(halvings.max())):
        doubled = (
            matrix_product(zero, zero),
            (one + matrix_product(zero, one)) / 2,
            (2 * two + matrix_product(one, one)) / 4,
            (2 * three + two + matrix_product(one, two)) / 8,
        )
        pairs = zip(doubled, (zero, one, two, three), strict=True)
        zero, one, two, three = (torch.where(halvings > done, twice, as_is) for twice, as_is in pairs)
    return zero, one, two, three


def matrix_product(a: Tensor, b: Tensor) -> Tensor:
    """Of (m, m, ...) and (m, m, ...) or vectors (m, ...), along the first axes; the others broadcast."""
    if b.ndim < a.ndim:
        return (a * b).sum(1)
    return (a.unsqueeze(2) * b).sum(1)


def _least_norm(z: Tensor) -> Tensor:
    """About the smallest norm that a change of the unknowns' units gives the matrices (m, m, ...): the Perron root of |z|.

    Rounding sees no such change by powers of two, so no more halvings are due; a wave's [[0, 1], [-w^2, 0]] counts as w, not w^2.
    """
    size = z.abs().amax((0, 1)).clamp(min=torch.finfo(z.abs().dtype).tiny)
    power = z.abs() / size
    for _ in range(4):
        power = matrix_product(power, power)
    return size * power.sum(1).amax(0) ** (1 / 16)
