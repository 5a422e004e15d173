"""Homogeneous Dirichlet and Neumann ends by reflection: the odd or even extension of a bounded field is periodic."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from opbench.boundary import Dirichlet, Neumann, conditions, homogeneous
from opbench.derivatives.circulant import Circulant
from opbench.derivatives.fourier import FourierField
from opbench.derivatives.mirrored import Mirrored
from opbench.grid import Grid
from opbench.pde import EvolutionPDE
from opbench.solver.posed import Posed

ROUNDING = 1e-9  # relative; what commutes with the reflection does so to about 1e-14
TRIAL = 17  # points an axis, enough to try it on, since nothing given varies


@dataclass(frozen=True)
class Mirror:
    """Extends (field, sample, *space) to a periodic grid, where stencils of any order need no ends.

    Along a bounded axis the extension is two lengths long, or four where one end is odd and the other even.
    index: per axis, the node that each node of the extension copies; sign: per axis, (field, node) of +-1 or 0.
    on_nodes: whether the equation is not linear and differentiates nothing but fields that are even about all ends, so that `Mirrored`
    differences on the nodes do the same.
    """

    bounded: Grid
    periodic: Grid
    index: tuple[Tensor, ...]
    sign: tuple[Tensor, ...]
    on_nodes: bool = False

    def whole(self, posed: Posed) -> Posed:
        """The same problem on the extension."""
        assert posed.initial is not None
        return replace(posed, grid=self.periodic, initial=self.extend(posed.initial), conditions={}, ends={})

    def extend(self, state: Tensor) -> Tensor:
        for axis, (index, sign) in enumerate(zip(self.index, self.sign, strict=True)):
            shape = [1] * state.ndim
            shape[0], shape[axis + 2] = sign.shape
            state = state.index_select(axis + 2, index) * sign.reshape(shape)
        return state

    def restrict(self, state: Tensor) -> Tensor:
        for axis, n in enumerate(self.bounded.shape):
            state = state.narrow(axis - self.bounded.dims, 0, n)
        return state


def mirrored(posed: Posed) -> Mirror | None:
    """The extension on which the same problem is periodic; None where no reflection gives the ends' conditions.

    That is so where a condition is not homogeneous, the equation does not commute with the reflection, or a coefficient varies in space:
    its even extension has a kink wherever it has a slope, which costs orders of accuracy.
    """
    grid = posed.grid
    if not all(homogeneous(condition) for *_, condition in conditions(posed.conditions)):
        return None
    if any(n > 1 for value in posed.given.values() for n in value.shape[-grid.dims :]):
        return None
    trial = _mirror(posed, replace(grid, shape=tuple(min(n, TRIAL) for n in grid.shape)))
    rate = _trial_rate(posed, trial)
    if not _agree(rate, trial.extend(trial.restrict(rate))):
        return None
    on_nodes = all(isinstance(condition, Neumann) for *_, condition in conditions(posed.conditions)) and _holds_on_nodes(posed, trial, rate)
    return replace(_mirror(posed, grid), on_nodes=on_nodes)


def _mirror(posed: Posed, grid: Grid) -> Mirror:
    maps = [_axis(posed, grid, axis) for axis in range(grid.dims)]
    index, sign = (tuple(part[i].to(posed.device) for part in maps) for i in (0, 1))
    shape = tuple(len(entry) for entry in index)
    upper = tuple(low + n * h for low, n, h in zip(grid.lower, shape, grid.spacing, strict=True))
    return Mirror(grid, Grid(grid.axes, shape, grid.lower, upper, (True,) * grid.dims), index, sign)


def _axis(posed: Posed, grid: Grid, axis: int) -> tuple[Tensor, Tensor]:
    name, n = grid.axes[axis], grid.shape[axis]
    if grid.periodic[axis]:
        return torch.arange(n), torch.ones(len(posed.unknowns), n, dtype=torch.float64)
    ends = [posed.conditions[name][field.name] for field in posed.unknowns]
    odd = torch.tensor([[isinstance(end, Dirichlet) for end in pair] for pair in ends])
    lengths = 4 if bool((odd[:, 0] != odd[:, 1]).any()) else 2
    run, step = torch.arange(lengths * (n - 1)).div(n - 1, rounding_mode="floor"), torch.arange(lengths * (n - 1)) % (n - 1)
    index = torch.where(run % 2 == 0, step, n - 1 - step)
    lower, upper = (1.0 - 2.0 * odd[:, [end]].to(torch.float64) for end in (0, 1))
    flips = torch.stack([torch.ones_like(lower), upper, lower * upper, lower])  # a length further on, one reflection more
    sign = flips[run, :, 0].T.clone()
    sign[odd[:, 0][:, None] & (index == 0)] = 0.0  # what is odd about a node vanishes there
    sign[odd[:, 1][:, None] & (index == n - 1)] = 0.0
    return index, sign


def _noise(posed: Posed, grid: Grid) -> Tensor:
    noise = torch.rand(len(posed.unknowns), 1, *grid.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return noise.to(posed.device)


def _stacked(posed: Posed, rate: Any, shape: Sequence[int]) -> Tensor:
    tensors = [part.values if isinstance(part, FourierField) else torch.as_tensor(part) for part in posed.parts(rate)]
    return torch.stack([part.expand(posed.samples, *shape) for part in tensors])


def _trial_rate(posed: Posed, mirror: Mirror) -> Tensor:
    """The equation's rate of a random state on the extension, (field, sample, *space)."""
    assert isinstance(posed.pde, EvolutionPDE)
    d = Circulant(mirror.periodic, 2, posed.device)
    state = [d.field(values) for values in mirror.extend(_noise(posed, mirror.bounded))]
    return _stacked(posed, posed.pde.rate(posed.unknown(state), posed.given, d), mirror.periodic.shape)


def _holds_on_nodes(posed: Posed, mirror: Mirror, rate: Tensor) -> bool:
    """Whether `Mirrored` differences give `rate` on the nodes, and some of it is not linear: what is linear is exact on the extension."""
    pde, shape, state = posed.pde, mirror.bounded.shape, _noise(posed, mirror.bounded)
    assert isinstance(pde, EvolutionPDE)
    d = Mirrored(mirror.bounded, 2)
    here = _stacked(posed, pde.rate(posed.unknown(list(state)), posed.given, d), shape)
    some, none = (_stacked(posed, pde.nonlinear(posed.unknown(list(part * state)), posed.given, d), shape) for part in (1.0, 0.0))
    return _agree(here, mirror.restrict(rate)) and not torch.equal(some, none)


def _agree(one: Tensor, other: Tensor) -> bool:
    return float((one - other).abs().max()) <= ROUNDING * float(one.abs().max())
