"""Multigrid for networks of conductances: nodes of a box, each joined to its neighbours, with zero beyond the box."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import torch
from torch import Tensor
from torch.nn.functional import pad

from opbench.errors import SolverError

SMOOTHING = (0.57, 1.3)  # Jacobi weights: degree-2 Chebyshev polynomial for eigenvalues of D^-1 A between about 0.5 and 2
COARSEST = 64  # unknowns; a dense inverse of four times as many costs more than the levels it saves


class Unsuitable(SolverError):
    """An equation that multigrid does not solve; another method may."""


@dataclass(frozen=True)
class Network:
    """A symmetric matrix, (A u)_i = sum over neighbours j of g_ij (u_i - u_j), plus c_i u_i.

    faces: g per axis, (sample, *shape) with one entry more along that axis: the links to the zeros at both ends are there.
    reaction: c, (sample, *shape).
    """

    faces: tuple[Tensor, ...]
    reaction: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.reaction.shape[1:])

    @cached_property
    def diagonal(self) -> Tensor:
        """(sample, *shape)."""
        total = self.reaction
        for axis, (n, g) in enumerate(zip(self.shape, self.faces, strict=True), start=1):
            total = total + g.narrow(axis, 0, n) + g.narrow(axis, 1, n)
        return total

    @cached_property
    def inverse_diagonal(self) -> Tensor:
        """(sample, *shape)."""
        return 1 / self.diagonal

    def apply(self, u: Tensor) -> Tensor:
        """A u, (sample, *shape)."""
        result = self.diagonal * u
        around = pad(u, [1, 1] * len(self.faces))
        inner = [(1, n) for n in self.shape]
        for axis, (n, g) in enumerate(zip(self.shape, self.faces, strict=True)):
            for side in (0, 1):
                window = [*inner[:axis], (2 * side, n), *inner[axis + 1 :]]
                neighbour = around[(slice(None), *(slice(start, start + count) for start, count in window))]
                result.addcmul_(g.narrow(axis + 1, side, n), neighbour, value=-1)
        return result

    def times(self, factor: Tensor | float) -> "Network":
        """This matrix times a number a sample, (sample, 1, ...)."""
        return Network(tuple(factor * g for g in self.faces), factor * self.reaction)

    def to(self, dtype: torch.dtype) -> "Network":
        return Network(tuple(g.to(dtype) for g in self.faces), self.reaction.to(dtype))

    def shares(self, axis: int) -> tuple[Tensor, Tensor]:
        """Weights of the lower and the upper neighbour along `axis` in each node 0, 2, 4, ...: by their links' strength."""
        n = self.shape[axis]
        lower, upper = (_every_second(self.faces[axis].narrow(axis + 1, side, n), axis + 1, 0) for side in (0, 1))
        return lower / (lower + upper), upper / (lower + upper)

    def coarsen(self, axis: int) -> "Network":
        """Nodes 1, 3, 5, ... along `axis`.

        Links along the axis are joined in series, those across it added to the nearest coarse ones. A last link without
        a partner stays as it is, so any number of nodes can be halved.
        """
        faces = (_series(g, axis + 1) if other == axis else restrict(g, axis + 1) for other, g in enumerate(self.faces))
        return Network(tuple(faces), restrict(self.reaction, axis + 1))

    def dense(self) -> Tensor:
        """The matrix, (sample, nodes, nodes)."""
        number = torch.arange(prod(self.shape), device=self.reaction.device).reshape(self.shape)
        matrix = torch.diag_embed(self.diagonal.flatten(1))
        for axis, (n, g) in enumerate(zip(self.shape, self.faces, strict=True)):
            lower, upper = (number.narrow(axis, side, n - 1).flatten() for side in (0, 1))
            matrix[:, lower, upper] = matrix[:, upper, lower] = -g.narrow(axis + 1, 1, n - 1).flatten(1)
        return matrix


def restrict(values: Tensor, axis: int, lower: Tensor | float = 0.5, upper: Tensor | float = 0.5) -> Tensor:
    """Onto entries 1, 3, 5, ... of `axis`; the others are shared out to their neighbours: the transpose of `interpolate`."""
    pairs, inner = values.shape[axis] // 2, (values.shape[axis] - 1) // 2
    between = _every_second(values, axis, 0)
    coarse = _every_second(values, axis, 1) + (upper * between).narrow(axis, 0, pairs)
    coarse.narrow(axis, 0, inner).add_((lower * between).narrow(axis, 1, inner))
    return coarse


def interpolate(coarse: Tensor, axis: int, n: int, lower: Tensor, upper: Tensor) -> Tensor:
    """From entries 1, 3, 5, ... of `axis` to all `n`: each other one is the weighted sum of its neighbours, with 0 beyond the ends."""
    pairs, inner = n // 2, (n - 1) // 2
    values = coarse.new_zeros([n if place == axis else m for place, m in enumerate(coarse.shape)])
    _every_second(values, axis, 1).copy_(coarse)
    between = _every_second(values, axis, 0)
    between.narrow(axis, 0, pairs).addcmul_(upper.narrow(axis, 0, pairs), coarse)
    between.narrow(axis, 1, inner).addcmul_(lower.narrow(axis, 1, inner), coarse.narrow(axis, 0, inner))
    return values


class Multigrid:
    """One symmetric V-cycle, an approximate inverse of a positive definite network: `multigrid(r)` is about A^-1 r, up to a factor.

    The axes of the smallest spacing are coarsened first, until all are alike. Interpolation follows the links' strength,
    so jumps of the coefficient do not stall it (Alcouffe, Brandt, Dendy & Painter, SIAM J. Sci. Stat. Comput. 2, 1981);
    coarse links are sums and series of fine ones. Memory and time are linear in the number of nodes.
    Raises SolverError for a matrix that is not positive definite.
    """

    def __init__(self, network: Network, spacing: Sequence[float], dtype: torch.dtype = torch.float32):
        scale = network.diagonal.mean(dim=tuple(range(1, network.reaction.ndim)), keepdim=True)
        network = network.times(1 / scale)  # float32 holds any unit then; conjugate gradients do not see the factor
        spacing = list(spacing)
        self.dtype = dtype
        self.levels: list[tuple[Network, dict[int, tuple[Tensor, Tensor]]]] = []
        while prod(network.shape) > COARSEST:
            finest = min(h for h, n in zip(spacing, network.shape, strict=True) if n > 1)
            shares: dict[int, tuple[Tensor, Tensor]] = {}
            self.levels.append((network.to(dtype), shares))
            for axis in [axis for axis, n in enumerate(network.shape) if n > 1 and spacing[axis] < 1.5 * finest]:
                lower, upper = network.shares(axis)
                shares[axis] = lower.to(dtype), upper.to(dtype)
                network = network.coarsen(axis)
                spacing[axis] *= 2
        self.coarsest = _inverse(network.dense()).to(dtype)

    def __call__(self, right: Tensor) -> Tensor:
        """(sample, *shape) -> (sample, *shape), in `right`'s own type."""
        return self._cycle(right.to(self.dtype), 0).to(right.dtype)

    def _cycle(self, right: Tensor, level: int) -> Tensor:
        if level == len(self.levels):
            return (self.coarsest @ right.flatten(1).unsqueeze(-1)).reshape(right.shape)
        network, shares = self.levels[level]
        first, *others = SMOOTHING
        u = first * (network.inverse_diagonal * right)
        for weight in others:
            _relax(network, u, right, weight)
        correction = right - network.apply(u)
        for axis, (lower, upper) in shares.items():
            correction = restrict(correction, axis + 1, lower, upper)
        correction = self._cycle(correction, level + 1)
        for axis, (lower, upper) in reversed(shares.items()):
            correction = interpolate(correction, axis + 1, network.shape[axis], lower, upper)
        u += correction
        for weight in SMOOTHING:  # the sweeps commute, so this is the transpose of those before
            _relax(network, u, right, weight)
        return u


def _relax(network: Network, u: Tensor, right: Tensor, weight: float) -> None:
    u.addcmul_(network.inverse_diagonal, right - network.apply(u), value=weight)


def _inverse(matrix: Tensor) -> Tensor:
    factor, fault = torch.linalg.cholesky_ex(matrix)
    if bool(fault.any()):
        raise Unsuitable("steady: the operator is not positive definite; check the sign of the reaction term and of the coefficients")
    return torch.cholesky_inverse(factor)


def _every_second(values: Tensor, axis: int, start: int) -> Tensor:
    return values[(slice(None),) * axis + (slice(start, None, 2),)]


def _series(g: Tensor, axis: int) -> Tensor:
    """Links 0-1, 2-3, ... joined: 1 / (1/g + 1/g'); the last one of an odd number is left alone."""
    pairs = g.shape[axis] // 2
    resistance = 1 / g
    joined = _every_second(resistance, axis, 0).clone()
    joined.narrow(axis, 0, pairs).add_(_every_second(resistance, axis, 1))
    return 1 / joined
