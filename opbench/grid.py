"""Uniform tensor-product grids: n points without the end point on periodic axes, nodes with both ends on bounded ones."""

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
    def spacing(self) -> tuple[float, ...]:
        """Distance between neighbouring points, per axis."""
        cells = (n if wraps else n - 1 for n, wraps in zip(self.shape, self.periodic, strict=True))
        return tuple((high - low) / m for low, high, m in zip(self.lower, self.upper, cells, strict=True))

    def coordinates(self) -> tuple[np.ndarray, ...]:
        """Positions along each axis, float64."""
        return tuple(low + h * np.arange(n) for low, h, n in zip(self.lower, self.spacing, self.shape, strict=True))

    def mesh(self) -> tuple[np.ndarray, ...]:
        """Positions of all points, one array of the grid's shape an axis."""
        return tuple(np.meshgrid(*self.coordinates(), indexing="ij"))

    def refine(self, factor: int) -> "Grid":
        """The grid with `factor` times the cells: it holds every point of this one."""
        shape = (n * factor if wraps else (n - 1) * factor + 1 for n, wraps in zip(self.shape, self.periodic, strict=True))
        return Grid(self.axes, tuple(shape), self.lower, self.upper, self.periodic)

    def coarsen(self, factor: int) -> "Grid":
        """The grid of every `factor`-th point; raises OpbenchError where the cells are no multiple of it, or too few."""
        cells = [n if wraps else n - 1 for n, wraps in zip(self.shape, self.periodic, strict=True)]
        if any(m % factor or m < 2 * factor for m in cells):
            raise OpbenchError(f"grid: {self.shape} points make {tuple(cells)} cells, of which {factor} cannot be joined into one each")
        shape = (m // factor if wraps else m // factor + 1 for m, wraps in zip(cells, self.periodic, strict=True))
        return Grid(self.axes, tuple(shape), self.lower, self.upper, self.periodic)

    def middles(self) -> "Middles":
        """The middles of the cells between this grid's points."""
        cells = (n if wraps else n - 1 for n, wraps in zip(self.shape, self.periodic, strict=True))
        return Middles(self.axes, tuple(cells), self.lower, self.upper, self.periodic)

    def restrict(self, values: Any, coarse: "Grid") -> Any:
        """`values` (..., *shape) at the points of `coarse`, exactly; raises OpbenchError where those are not points of this grid."""
        factors = [
            (n if wraps else n - 1) // (m if wraps else m - 1) for n, m, wraps in zip(self.shape, coarse.shape, self.periodic, strict=True)
        ]
        expected = [m * f if wraps else (m - 1) * f + 1 for m, f, wraps in zip(coarse.shape, factors, self.periodic, strict=True)]
        if tuple(expected) != self.shape or (coarse.lower, coarse.upper, coarse.periodic) != (self.lower, self.upper, self.periodic):
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
