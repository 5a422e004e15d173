"""Nodes beyond the ends: a grid line continued by its period, by reflection about an end node, or by the end node's value."""

from collections.abc import Mapping

import torch
from torch import Tensor

from opbench.boundary import Dirichlet, Outflow, conditions, homogeneous
from opbench.errors import OpbenchError
from opbench.solver.posed import Posed


class Ghosts:
    """Continues every unknown by `width` nodes beyond both ends of an axis.

    Dirichlet 0 (a wall's normal velocity) is an odd reflection, Neumann 0 an even one, so both are exact symmetries of the scheme; beyond
    any other Dirichlet end stands the given value, beyond an outflow the end node's own.
    Raises OpbenchError for other conditions, and where a grid has too few points to be reflected.
    """

    def __init__(self, posed: Posed, width: int):
        self.posed, self.width = posed, width
        for axis, unknown, end, condition in conditions(posed.conditions):
            if not (isinstance(condition, (Dirichlet, Outflow)) or homogeneous(condition)):
                raise OpbenchError(
                    f"{posed.name}: '{unknown}' at the {('lower', 'upper')[end]} end of {axis}: a conservation law takes Dirichlet, "
                    f"Neumann(0.0), Outflow or Wall there, got {type(condition).__name__}; choose one of these"
                )
        for axis, n in zip(posed.grid.axes, posed.grid.shape, strict=True):
            if n <= width:
                raise OpbenchError(f"{posed.name}: axis {axis} has {n} points, and the stencil needs {width + 1} or more; refine the grid")
        self.fixed = [entry for entry in conditions(posed.ends) if isinstance(entry[-1], Dirichlet)]
        self.lines = {axis: {field.name: self._line(axis, field.name) for field in posed.unknowns} for axis in posed.grid.axes}

    def _line(self, axis: str, unknown: str) -> tuple[Tensor, Tensor | None]:
        """The node that each node of the continued line copies, and the factor where any is not 1."""
        posed, place = self.posed, self.posed.grid.axes.index(axis)
        n = posed.grid.shape[place]
        node = torch.arange(-self.width, n + self.width)
        if posed.grid.periodic[place]:
            return (node % n).to(posed.device), None
        factor, lower, upper = torch.ones(len(node), dtype=torch.float64), node < 0, node >= n
        source = node.clamp(0, n - 1)
        for condition, beyond, mirrored in zip(posed.conditions[axis][unknown], (lower, upper), (-node, 2 * (n - 1) - node), strict=True):
            if homogeneous(condition):
                source = torch.where(beyond, mirrored, source)
                factor[beyond] = -1.0 if isinstance(condition, Dirichlet) else 1.0
        return source.to(posed.device), factor.to(posed.device) if bool((factor < 0).any()) else None

    def impose(self, state: Mapping[str, Tensor]) -> None:
        """Set the end nodes of Dirichlet ends; `state` by unknown, (sample, *space)."""
        for axis, unknown, end, condition in self.fixed:
            place = self.posed.grid.axes.index(axis) - self.posed.grid.dims
            state[unknown].select(place, -end).copy_(condition.value.select(place, 0))

    def extend(self, state: Mapping[str, Tensor], axis: str) -> dict[str, Tensor]:
        """The unknowns on the continued grid lines, (node, sample, *rest): the axis comes first."""
        return {name: self._continued(values, axis, *self.lines[axis][name]) for name, values in state.items()}

    def _continued(self, values: Tensor, axis: str, source: Tensor, factor: Tensor | None) -> Tensor:
        line = self.first(values, axis).index_select(0, source)
        return line if factor is None else line * factor.reshape(-1, *[1] * (line.ndim - 1))

    def coefficient(self, values: Tensor, axis: str) -> Tensor:
        """A given field on the continued grid lines, by its period or reflected evenly; the axis comes first."""
        line = self.first(values, axis)
        if len(line) == 1:
            return line
        node, last = torch.arange(-self.width, len(line) + self.width, device=line.device), len(line) - 1
        wraps = self.posed.grid.periodic[self.posed.grid.axes.index(axis)]
        return line.index_select(0, node % len(line) if wraps else last - (last - node.abs()).abs())

    def first(self, values: Tensor, axis: str) -> Tensor:
        """(sample, *space) as (node, sample, *rest)."""
        return values.movedim(self.posed.grid.axes.index(axis) - self.posed.grid.dims, 0)
