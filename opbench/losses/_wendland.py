"""Test functions on balls: Wendland's compactly supported radial functions, and integrals over the unit ball.

    phi(r) = (1 - r)^(l+2) ((l^2 + 4l + 3) r^2 + (3l + 6) r + 3) / 3,    l = floor(d / 2) + 3,    twice differentiable, phi(0) = 1

Sources: Wendland, Adv. Comput. Math. 4 (1995); as test functions Zang and Koutsourelakis, DGenNO (2025).
"""

import itertools
import math

import numpy as np
import torch
from scipy.special import roots_jacobi
from torch import Tensor


def phi(x: Tensor) -> Tensor:
    """(..., d) -> (...): the test function around 0 whose support is the unit ball."""
    exponent, r = _exponent(x.shape[-1]), torch.linalg.vector_norm(x, dim=-1)
    a, b = exponent**2 + 4 * exponent + 3, 3 * exponent + 6
    return (1 - r).clamp(min=0) ** (exponent + 2) * (a * r**2 + b * r + 3) / 3


def gradient(x: Tensor) -> Tensor:
    """(..., d) -> (..., d): phi's gradient."""
    exponent, r = _exponent(x.shape[-1]), torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    a, b = exponent**3 + 8 * exponent**2 + 19 * exponent + 12, exponent**2 + 7 * exponent + 12
    return -((1 - r).clamp(min=0) ** (exponent + 1)) * (a * r + b) / 3 * x


def gauss(dims: int, nodes: int) -> tuple[Tensor, Tensor]:
    """Nodes (n, d) in the unit ball and their volumes (n,): Gauss and Jacobi's rule along the radius, times one over directions.

    phi and its gradient hold (1 - r)^(l+1), and volumes r^(d-1): the rule's own weight. With it f phi and f grad phi are integrated
    exactly for polynomials f of degree 2 `nodes` - 4 (at 3: of degree 2), where Gauss and Legendre's rule would need twice the nodes.
    Directions: both in one dimension, 2 `nodes` equal angles in two, and in three those times Gauss and Legendre's in the polar cosine.
    """
    power = _exponent(dims) + 1
    position, weight = roots_jacobi(nodes, power, dims - 1)
    radius = (position + 1) / 2
    share = weight / 2 ** (power + dims) / (1 - radius) ** power
    angle = 2 * np.pi * (np.arange(2 * nodes) + 0.5) / (2 * nodes)
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)
    if dims == 1:
        directions, areas = np.array([[-1.0], [1.0]]), np.ones(2)
    elif dims == 2:
        directions, areas = circle, np.full(2 * nodes, np.pi / nodes)
    else:
        cosine, slice_ = np.polynomial.legendre.leggauss(nodes)
        rings = [np.column_stack([np.sqrt(1 - z**2) * circle, np.full(2 * nodes, z)]) for z in cosine]
        directions, areas = np.concatenate(rings), np.repeat(slice_ * np.pi / nodes, 2 * nodes)
    places = radius[:, None, None] * directions
    volumes = share[:, None] * areas
    return torch.as_tensor(places.reshape(-1, dims)), torch.as_tensor(volumes.ravel())


def mean(dims: int, nodes: int) -> tuple[Tensor, Tensor]:
    """Nodes (n, d) of a regular grid, `nodes` an axis, that lie inside the unit ball, with equal shares of 1: DGenNO's released rule."""
    line = np.linspace(-1, 1, nodes)
    places = np.array([place for place in itertools.product(line, repeat=dims) if math.hypot(*place) < 1 - 1e-12])
    return torch.as_tensor(places), torch.full((len(places),), 1 / len(places), dtype=torch.float64)


def latin_hypercube(count: int, dims: int, device: torch.device | str = "cpu") -> Tensor:
    """(count, dims) in [0, 1): each of `count` equal slices of every axis holds one point."""
    slices = torch.stack([torch.randperm(count, device=device) for _ in range(dims)], 1)
    return (slices + torch.rand(count, dims, device=device)) / count


def _exponent(dims: int) -> int:
    return dims // 2 + 3
