"""Finite-difference weights on unit spacing, and the symbol of a central stencil."""

from functools import cache
from math import factorial

import numpy as np

from opbench.errors import OpbenchError

ORDERS = (2, 4, 6, 8)


@cache
def weights(offsets: tuple[float, ...], derivative: int) -> tuple[float, ...]:
    """Weights w with sum_j w_j f(x + offset_j) = f^(derivative)(x), exact for polynomials of degree len(offsets) - 1.

    Source: Taylor expansion; a Vandermonde system.
    """
    powers = np.vander(np.array(offsets, dtype=np.float64), increasing=True).T
    right = np.zeros(len(offsets))
    right[derivative] = factorial(derivative)
    return tuple(float(w) for w in np.linalg.solve(powers, right))


def central(order: int, derivative: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Offsets and weights of the central stencil of an even order of accuracy, for a first or higher derivative.

    Raises OpbenchError for an order that is not in ORDERS.
    """
    if order not in ORDERS:
        raise OpbenchError(f"finite difference: order {order} is not offered; choose one of {ORDERS}")
    half = (derivative + 1) // 2 - 1 + order // 2
    offsets = tuple(range(-half, half + 1))
    return offsets, weights(offsets, derivative)


def symbol(offsets: tuple[float, ...], weight: tuple[float, ...], angle: np.ndarray) -> np.ndarray:
    """What the stencil multiplies exp(i angle j) by on unit spacing, complex, of `angle`'s shape."""
    return np.asarray(sum(w * np.exp(1j * offset * angle) for offset, w in zip(offsets, weight, strict=True)))
