"""An equation's linear part between mirrors as one stencil for all its unknowns, found as its response to impulses."""

from dataclasses import dataclass

import torch
from torch import Tensor

from opbench.derivatives.mirrored import Mirrored
from opbench.pde import EvolutionPDE
from opbench.solver.posed import Posed

ROUNDING = 1e-12  # relative; a stencil's smallest weight is about 1e-4 of its largest


@dataclass(frozen=True)
class Kernel:
    """weight: of a point itself; pairs: offsets and weights of points opposite each other; each (field, sample or 1, 1)."""

    d: Mirrored
    weight: Tensor
    pairs: tuple[tuple[tuple[int, ...], Tensor], ...]
    reach: list[int]

    @property
    def fastest(self) -> float:
        """The largest rate at which any wave decays, or a bound on it."""
        return float((self.weight.abs() + 2 * sum(weight.abs() for _, weight in self.pairs)).max())

    def __call__(self, state: Tensor) -> Tensor:
        """The linear part of the rate, (field, sample, *space).

        In flat memory, where a shift by rows costs what one within a row does, half of what a shift of a plane's inside costs.
        """
        extended = self.d.extended(state.flatten(0, 1), self.reach)
        strides = extended.stride()[1:]
        flat = extended.view(*state.shape[:2], -1)
        first = _place(self.reach, strides)  # of the inside's points; the last lies as far from the end
        count = flat.shape[-1] - 2 * first
        total = flat.narrow(-1, first, count) * self.weight
        for offset, weight in self.pairs:
            shift = _place(offset, strides)
            total.addcmul_(flat.narrow(-1, first + shift, count) + flat.narrow(-1, first - shift, count), weight)
        return total.as_strided(state.shape, (*total.stride()[:2], *strides))


def find_kernel(posed: Posed, d: Mirrored) -> Kernel | None:
    """The stencil of `linear`; None where it couples unknowns, varies in space or reaches across half the grid."""
    count, middle = len(posed.unknowns), tuple(n // 2 for n in posed.grid.shape)
    impulses = torch.zeros(count, count, 1, *posed.grid.shape, dtype=torch.float64, device=posed.device)
    impulses[(range(count), range(count), 0, *middle)] = 1.0
    responses = torch.stack([_linear(posed, d, impulse) for impulse in impulses])
    own = torch.stack([responses[i, i] for i in range(count)])
    largest = own.abs().amax((0, 1))
    points = (largest > ROUNDING * largest.max()).nonzero().tolist()
    offsets = [tuple(i - m for i, m in zip(point, middle, strict=True)) for point in points]
    reach = [max(abs(offset[axis]) for offset in offsets) for axis in range(posed.grid.dims)] if offsets else [0] * posed.grid.dims
    if any(2 * r >= n - 1 for r, n in zip(reach, posed.grid.shape, strict=True)):
        return None
    weights = {offset: own[(..., *point)][..., None] for offset, point in zip(offsets, points, strict=True)}
    none = (0,) * posed.grid.dims
    pairs = tuple((offset, weight) for offset, weight in weights.items() if offset > none)
    kernel = Kernel(d, weights.get(none, own.new_zeros(count, 1, 1)), pairs, reach)
    trial = torch.rand(count, 1, *posed.grid.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(posed.device)
    trial = trial.expand(count, own.shape[1], *posed.grid.shape)
    expected = _linear(posed, d, trial)
    return kernel if float((kernel(trial) - expected).abs().max()) <= 1e-9 * float(expected.abs().max()) else None


def _linear(posed: Posed, d: Mirrored, state: Tensor) -> Tensor:
    assert isinstance(posed.pde, EvolutionPDE)
    rate = posed.pde.linear(posed.unknown(list(state)), posed.given, d)
    return torch.stack(torch.broadcast_tensors(*posed.parts(rate)))


def _place(offset, strides) -> int:
    return sum(o * stride for o, stride in zip(offset, strides, strict=True))
