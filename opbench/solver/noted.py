"""What an equation asks of derivatives, noted while its rate is called once: what decides which stencils may stand between ends."""

from typing import Any

from torch import Tensor

from opbench.derivatives import Derivatives
from opbench.grid import Grid
from opbench.pde import EvolutionPDE
from opbench.solver.posed import Posed


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
    """Of the rate of the initial state."""
    assert isinstance(posed.pde, EvolutionPDE)
    assert posed.initial is not None
    d = Noted(posed.grid)
    posed.pde.rate(posed.unknown(list(posed.initial)), posed.given, d)
    return d
