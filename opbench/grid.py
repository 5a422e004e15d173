"""Uniform tensor-product grids: n points without the end point on periodic axes, nodes with both ends on bounded ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from opbench.errors import OpbenchError

AXES = ("x", "y", "z")  # what equations call them


@dataclass(frozen=True)
class Grid:
    """Where a field's values stand.

    axes: names; shape: points per axis; lower, upper: the domain's ends, in the axis' unit; periodic: per axis.
    Raises OpbenchError where the entries do not fit each other.
    """

    axes: tuple[str, ...]
    shape: tuple[int, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    periodic: tuple[bool, ...]

    def __post_init__(self):
        given = self.shape if isinstance(self.shape, (tuple, list)) else (self.shape,)
        for name, kind in (("axes", str), ("shape", int), ("lower", float), ("upper", float), ("periodic", bool)):
            value = getattr(self, name)
            if isinstance(value, (str, int, float)):
                raise OpbenchError(f"grid: {name} must have one entry an axis, got {value!r}; write ({value!r},)")
            try:
                object.__setattr__(self, name, tuple(kind(entry) for entry in value))
            except (TypeError, ValueError) as error:
                raise OpbenchError(f"grid: {name} must have one {kind.__name__} an axis, got {value!r:.60}") from error
            if len(getattr(self, name)) != len(self.axes):
                raise OpbenchError(f"grid: {name} has {len(getattr(self, name))} entries for {len(self.axes)} axes; give one an axis")
        if len(set(self.axes)) < len(self.axes) or any(float(n) != int(n) for n in given):
            raise OpbenchError(f"grid: expected different axes and whole numbers of points, got {self.axes} and {given}")
        for axis, n, low, high in zip(self.axes, self.shape, self.lower, self.upper, strict=True):
            if n < 2 or not low < high or not np.isfinite([low, high]).all():
                raise OpbenchError(f"grid: axis {axis} needs 2 points or more and lower < upper, got {n} points on [{low}, {high}]")

    @property
    def dims(self) -> int:
        return len(self.axes)

    @cached_property
    def cells(self) -> tuple[int, ...]:
        """Between the points, per axis; a periodic one's last cell ends at its first point."""
        return tuple(n if wraps else n - 1 for n, wraps in zip(self.shape, self.periodic, strict=True))

    @cached_property
    def plane(self) -> "Grid":
        """Of the first two axes."""
        return Grid(self.axes[:2], self.shape[:2], self.lower[:2], self.upper[:2], self.periodic[:2])

    @cached_property
    def spacing(self) -> tuple[float, ...]:
        """Distance between neighbouring points, per axis."""
        return tuple((high - low) / m for low, high, m in zip(self.lower, self.upper, self.cells, strict=True))

    def coordinates(self) -> tuple[np.ndarray, ...]:
        """Positions along each axis, float64."""
        return tuple(low + h * np.arange(n) for low, h, n in zip(self.lower, self.spacing, self.shape, strict=True))

    def mesh(self) -> tuple[np.ndarray, ...]:
        """Positions of all points, one array of the grid's shape an axis."""
        return tuple(np.meshgrid(*self.coordinates(), indexing="ij"))

    def refine(self, factor: int) -> "Grid":
        """The grid with `factor` times the cells: it holds every point of this one."""
        return self._of([m * factor for m in self.cells])

    def coarsen(self, factor: int) -> "Grid":
        """The grid of every `factor`-th point; raises OpbenchError where the cells are no multiple of it, or too few."""
        if any(m % factor or m < 2 * factor for m in self.cells):
            raise OpbenchError(f"grid: {self.shape} points make {self.cells} cells, of which {factor} cannot be joined into one each")
        return self._of([m // factor for m in self.cells])

    def _of(self, cells: Sequence[int]) -> "Grid":
        """The grid of so many cells on this domain."""
        shape = tuple(m if wraps else m + 1 for m, wraps in zip(cells, self.periodic, strict=True))
        return Grid(self.axes, shape, self.lower, self.upper, self.periodic)

    def middles(self) -> "Middles":
        """The middles of the cells between this grid's points."""
        return Middles(self.axes, self.cells, self.lower, self.upper, self.periodic)

    def restrict(self, values: Any, coarse: "Grid") -> Any:
        """`values` (..., *shape) at the points of `coarse`, exactly; raises OpbenchError where those are not points of this grid."""
        factors = [n // m for n, m in zip(self.cells, coarse.cells, strict=True)]
        expected = tuple(m * factor for m, factor in zip(coarse.cells, factors, strict=True))
        if expected != self.cells or (coarse.lower, coarse.upper, coarse.periodic) != (self.lower, self.upper, self.periodic):
            raise OpbenchError(f"grid: {coarse.shape} is no coarsening of {self.shape} on this domain; choose a whole factor of its cells")
        return values[(..., *(slice(None, None, factor) for factor in factors))]


@dataclass(frozen=True)
class Middles(Grid):
    """Points in the middles of equal cells, on the same domain as the grid whose cells they are: to draw at, not to refine."""

    @cached_property
    def spacing(self) -> tuple[float, ...]:
        return tuple((high - low) / n for low, high, n in zip(self.lower, self.upper, self.shape, strict=True))

    def coordinates(self) -> tuple[np.ndarray, ...]:
        return tuple(low + h * (np.arange(n) + 0.5) for low, h, n in zip(self.lower, self.spacing, self.shape, strict=True))
