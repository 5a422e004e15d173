"""Integrals over the intervals between equidistant times of what is known at those times: by the cubic through the four nearest.

mean over an interval of f                                  = sum_l a_l f_l           Adams and Moulton's weights inside
integral over s in [0, 1] of e^{(1 - s) z} f                = sum_l b_l(z) f_l        those of exponential integrators
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

LEVELS = 4
GAUSS = np.polynomial.legendre.leggauss(16)
LAYERS = 1 - np.concatenate([[1.0], np.geomspace(0.5, 1e-6, 24), [0.0]])  # what decays fastest lives near the interval's end


def nearest(intervals: int) -> list[range]:
    """The levels that each interval's integral is interpolated through; `intervals` + 1 where there are fewer."""
    count = min(LEVELS, intervals + 1)
    starts = (min(max(k - (count - 2) // 2, 0), intervals + 1 - count) for k in range(intervals))
    return [range(start, start + count) for start in starts]


def means(intervals: int) -> Tensor:
    """(interval, level): the weights a of every interval."""
    matrix = torch.zeros(intervals, intervals + 1, dtype=torch.float64)
    for k, nodes in enumerate(nearest(intervals)):
        s, share = points()
        matrix[k, list(nodes)] = basis([node - k for node in nodes], s) @ share
    return matrix


def exponential(z: Tensor, offsets: Sequence[int]) -> Tensor:
    """(*z.shape, len(offsets)): the weights b(z) of levels `offsets` from the interval's start; z has no large positive real part."""
    s, share = points()
    kernel = torch.exp(z.unsqueeze(-1) * (1 - s)) * share
    return kernel @ basis(offsets, s).T.to(kernel.dtype)


def points() -> tuple[Tensor, Tensor]:
    """Positions in [0, 1] and their shares: Gauss and Legendre's rule in layers, the thinner the nearer to 1."""
    middles, halves = (LAYERS[1:] + LAYERS[:-1]) / 2, np.diff(LAYERS) / 2
    s = (middles[:, None] + halves[:, None] * GAUSS[0]).ravel()
    return torch.as_tensor(s), torch.as_tensor((halves[:, None] * GAUSS[1]).ravel())


def basis(nodes: Sequence[int], s: Tensor) -> Tensor:
    """(node, s): the polynomials that are 1 at one node and 0 at the others."""
    one = torch.ones_like(s)
    return torch.stack([math.prod(((s - other) / (own - other) for other in nodes if other != own), start=one) for own in nodes])
