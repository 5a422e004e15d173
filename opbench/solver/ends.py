"""Boundary conditions on nodes: the end node of a grid line takes the value that its condition asks for, given the nodes inside."""

from typing import Any

import torch
from torch import Tensor

from opbench.boundary import Dirichlet, Neumann, Outflow, Robin, conditions
from opbench.derivatives.stencil import weights
from opbench.errors import OpbenchError
from opbench.solver.posed import Posed


class EndNodes:
    """Sets the end nodes of a state (field, sample, *space); slopes are one-sided differences of the given order.

    free: (field, 1, *space), 1 where the equation holds and 0 where a condition does.
    Raises OpbenchError where an axis has too few points for a slope, or for a gain at its end.
    """

    def __init__(self, posed: Posed, order: int):
        self.slope = weights(tuple(range(order + 1)), 1)  # the derivative away from the end, on unit spacing
        self.parts = []
        self.free = torch.ones(len(posed.unknowns), 1, *posed.grid.shape, dtype=torch.float64, device=posed.device)
        names = [field.name for field in posed.unknowns]
        for axis, unknown, end, condition in conditions(posed.ends):
            place, index = posed.grid.axes.index(axis), names.index(unknown)
            self._require(posed, axis, condition, order)
            if not isinstance(condition, Outflow):
                self.parts.append((index, place - posed.grid.dims, end, posed.grid.spacing[place], condition))
                self.free[index].select(place - posed.grid.dims, -end).zero_()

        def rank(part) -> tuple[bool, bool]:
            """Where sides meet, values hold rather than slopes, and of these the normal component's: nothing leaks through a corner."""
            index, place, *_, condition = part
            return isinstance(condition, Dirichlet), posed.unknowns[index].along == posed.grid.axes[place]

        self.parts.sort(key=rank)

    def _require(self, posed: Posed, axis: str, condition: Any, order: int) -> None:
        place = posed.grid.axes.index(axis)
        points, spacing = posed.grid.shape[place], posed.grid.spacing[place]
        if isinstance(condition, (Neumann, Robin)) and points <= order:
            raise OpbenchError(
                f"{posed.name}: axis {axis} has {points} points, and a slope of order {order} at its end needs {order + 1}; refine the grid"
            )
        if isinstance(condition, Robin) and condition.factor <= (least := self.slope[0] / spacing / 2):
            raise OpbenchError(
                f"{posed.name}: boundary['{axis}']: Robin's factor {condition.factor:g} gains more than this grid resolves, {least:g}; "
                "refine it, or check the sign: the slope is that along the outward normal"
            )

    def impose(self, state: Tensor) -> Tensor:
        """`state` itself, with its end nodes set."""
        for index, place, end, spacing, condition in self.parts:
            field, value = state[index], condition.value.select(place, 0)
            if not isinstance(condition, Dirichlet):
                factor = condition.factor if isinstance(condition, Robin) else 0.0
                inside = sum(w * field.select(place, from_end(end, j)) for j, w in enumerate(self.slope) if j)
                value = (value + inside / spacing) / (factor - self.slope[0] / spacing)
            field.select(place, -end).copy_(value)
        return state

    def replace(self, rows: Tensor, state: Tensor) -> Tensor:
        """`rows` of an equation with those of the end nodes replaced by what conditions miss, in the unknown's or its slope's units."""
        rows = rows.clone()
        for index, place, end, spacing, condition in self.parts:
            field = state[index]
            missed = -condition.value.select(place, 0)
            if isinstance(condition, Dirichlet):
                missed = missed + field.select(place, -end)
            else:
                inward = sum(w * field.select(place, from_end(end, j)) for j, w in enumerate(self.slope))
                missed = missed - inward / spacing
            if isinstance(condition, Robin):
                missed = missed + condition.factor * field.select(place, -end)
            rows[index].select(place, -end).copy_(missed)
        return rows


def from_end(end: int, j: int) -> int:
    """The index of the node that is `j` nodes inside."""
    return -1 - j if end else j
