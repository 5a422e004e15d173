"""What an equation asks of derivatives, noted while its rate is called once: what decides which stencils may stand between ends."""

from typing import Any

import torch
from torch import Tensor

from opbench.derivatives import Derivatives
from opbench.grid import Grid
from opbench.pde import EvolutionPDE, SteadyPDE
from opbench.solver.posed import Posed, in_cells, is_rough


class Noted(Derivatives):
    """Every derivative is zero. highest: order of the highest one along a bounded axis; coefficients: what stood in `div_grad`."""

    def __init__(self, grid: Grid):
        self.axes = grid.axes
        self.bounded = {axis for axis, wraps in zip(grid.axes, grid.periodic, strict=True) if not wraps}
        self.highest = 0
        self.coefficients: list[Any] = []

    def partial(self, field: Tensor, axis: str, order: int = 1) -> Tensor:
        self.highest = max(self.highest, order if axis in self.bounded else 0)
        return 0 * field

    def div_grad(self, coefficient: Any, field: Tensor) -> Tensor:
        self.highest = max(self.highest, 2)
        self.coefficients.append(coefficient)
        return 0 * field

    def inverse_laplacian(self, field: Tensor) -> Tensor:
        return 0 * field


def noted(posed: Posed) -> Noted:
    """Of the rate of the initial state, or the residual of the first guess."""
    d, shape = Noted(posed.grid), (len(posed.unknowns), posed.samples, *posed.grid.shape)
    start = torch.zeros(shape, dtype=torch.float64, device=posed.device) if posed.initial is None else posed.initial
    pde, unknown = posed.pde, posed.unknown(list(start))
    if isinstance(pde, EvolutionPDE):
        pde.rate(unknown, posed.given, d)
    elif isinstance(pde, SteadyPDE):
        pde.residual(unknown, posed.given, d)
    return d


def jumps(posed: Posed, found: Noted) -> bool:
    """Whether a coefficient does, so that its differences are wrong."""
    return any(is_rough(coefficient, posed.grid) or in_cells(coefficient, posed.grid) for coefficient in found.coefficients)
