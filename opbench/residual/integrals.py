"""What an evolution equation leaves between neighbouring levels: the difference of the levels less the integral of the rate."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from opbench.derivatives.fourier import Fourier, FourierField
from opbench.pde import PDE, ConservationLaw, EvolutionPDE
from opbench.quadrature import exponential, means, nearest
from opbench.solver.evolution import NotDiagonal, Semidiscrete

if TYPE_CHECKING:
    from opbench.residual.strong import Strong


class Polynomial:
    """(w_{k+1} - w_k) / dt - the mean over the interval of the polynomial through the nearest levels' rates."""

    def __init__(self, owner: "Strong", intervals: int):
        self.owner = owner
        self.matrix = means(intervals).to(owner.posed.device, owner.dtype)

    def __call__(self, levels: Tensor, coefficients: Mapping[str, Any]) -> Tensor:
        rate = self.owner.act(self.owner.rate, levels, coefficients)
        mean = torch.einsum("kl,bul...->buk...", self.matrix, rate)
        return self.owner.conserved(levels, coefficients).diff(dim=2) / self.owner.frame - mean


class Exponential:
    """(u_{k+1} - e^z u_k) / dt - sum_l b_l(z) N(u_l), z = L dt; symbol: of L, (unknown, 1, *wavenumbers)."""

    def __init__(self, owner: "Strong", intervals: int, symbol: Tensor):
        self.owner = owner
        z = symbol[:, 0] * owner.frame
        kind = _kind(owner.dtype, z)
        self.decay = torch.exp(z).unsqueeze(1).to(kind)
        self.rows: dict[tuple[int, ...], list[int]] = {}
        for k, nodes in enumerate(nearest(intervals)):
            self.rows.setdefault(tuple(node - k for node in nodes), []).append(k)
        self.weights = {offsets: exponential(z, offsets).movedim(-1, 1).to(kind) for offsets in self.rows}

    def __call__(self, levels: Tensor, coefficients: Mapping[str, Any]) -> Tensor:
        owner, dims = self.owner, tuple(range(-self.owner.grid.dims, 0))
        assert isinstance(owner.pde, EvolutionPDE)
        state = torch.fft.rfftn(levels, dim=dims)
        force = torch.fft.rfftn(owner.act(owner.pde.nonlinear, levels, coefficients), dim=dims)
        parts: dict[int, Tensor] = {}
        for offsets, rows in self.rows.items():
            for k in rows:
                parts[k] = (self.weights[offsets] * force[:, :, k + offsets[0] : k + offsets[-1] + 1]).sum(2)
        integrals = torch.stack([parts[k] for k in sorted(parts)], 2)
        left = (state[:, :, 1:] - self.decay * state[:, :, :-1]) / owner.frame - integrals
        return torch.fft.irfftn(left, s=owner.grid.shape, dim=dims)


class Linear:
    """(u_{k+1} - e^{L dt} u_k) / dt of one unknown, exact however long dt is; each sample has its own symbol of L."""

    def __init__(self, owner: "Strong"):
        self.owner = owner

    def __call__(self, levels: Tensor, coefficients: Mapping[str, Any]) -> Tensor:
        owner, dims = self.owner, tuple(range(-self.owner.grid.dims, 0))
        assert isinstance(owner.pde, EvolutionPDE)
        assert isinstance(owner.d, Fourier)
        state = torch.fft.rfftn(levels, dim=dims)
        impulse = FourierField(owner.d, hat=torch.ones_like(state[:1, 0, :1]))
        decay = torch.exp(owner.pde.linear(impulse, coefficients, owner.d).hat * owner.frame).unsqueeze(1)
        return torch.fft.irfftn((state[:, :, 1:] - decay * state[:, :, :-1]) / owner.frame, s=owner.grid.shape, dim=dims)


def integral(owner: "Strong", intervals: int) -> Polynomial | Exponential | Linear:
    """The most exact one that an equation allows."""
    pde = owner.pde
    assert isinstance(pde, EvolutionPDE)
    told = set(owner.channels) & set(owner.posed.given)
    if not isinstance(owner.d, Fourier) or isinstance(pde, ConservationLaw) or (told and not exact_in_time(pde)):
        return Polynomial(owner, intervals)
    try:
        symbol = Semidiscrete(pde, owner.exact, owner.posed.given).symbol
    except NotDiagonal:
        return Polynomial(owner, intervals)
    if symbol.ndim > owner.grid.dims + 2:  # it couples unknowns
        return Polynomial(owner, intervals)
    return Linear(owner) if told else Exponential(owner, intervals, symbol)


def exact_in_time(pde: PDE) -> bool:
    """Whether an equation of one unknown is linear with coefficients that never vary in space: its symbol then tells every later state."""
    if not isinstance(pde, EvolutionPDE) or type(pde).nonlinear is not EvolutionPDE.nonlinear or type(pde).rate is not EvolutionPDE.rate:
        return False
    return len(pde.outputs) == 1 and all(field.uniform for field in pde.inputs)


def _kind(dtype: torch.dtype, z: Tensor) -> torch.dtype:
    return torch.promote_types(dtype, torch.complex32) if z.is_complex() else dtype
