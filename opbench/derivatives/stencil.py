"""Finite-difference weights on unit spacing, and the symbol of a central stencil."""

from fractions import Fraction
from functools import cache
from math import factorial

import numpy as np

from opbench.errors import OpbenchError

ORDERS = (2, 4, 6, 8)


@cache
def weights(offsets: tuple[float, ...], derivative: int) -> tuple[float, ...]:
    """Weights w with sum_j w_j f(x + offset_j) = f^(derivative)(x), exact for polynomials of degree len(offsets) - 1.

    Source: derivatives at zero of the Lagrange polynomials, in rational arithmetic (solving the Vandermonde system in
    float64 instead loses up to ten of the sixteen digits on wide one-sided stencils).
    """
    nodes = [Fraction(offset) for offset in offsets]
    return tuple(float(factorial(derivative) * _lagrange(nodes, node)[derivative]) for node in nodes)


def _lagrange(nodes: list[Fraction], own: Fraction) -> list[Fraction]:
    """Coefficients, lowest first, of the polynomial that is one at `own` and zero at the other nodes."""
    polynomial = [Fraction(1)]
    for node in nodes:
        if node != own:
            shifted, scaled = [Fraction(0), *polynomial], [*(node * c for c in polynomial), Fraction(0)]
            polynomial = [(a - b) / (own - node) for a, b in zip(shifted, scaled, strict=True)]
    return polynomial


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
    return np.exp(1j * np.multiply.outer(angle, offsets)) @ np.array(weight)
