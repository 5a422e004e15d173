"""A named quantity with a unit."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """A quantity that an equation takes or gives.

    default: makes it optional in `given`. uniform: it never varies in space. cells: it may jump, and may then be given in the cells
    between the points of a bounded grid, one entry less an axis; the power of it that multiplies a gradient, 0 of other fields. along: the
    axis whose component of a vector it is; it exists on grids that have the axis. positive: the equation holds for values > 0 only.
    multiplier: an unknown that enforces a constraint, which is its own equation (a pressure, div u = 0): it needs no condition at ends.
    least: what a given value may not be below, since the equation then has no solution that depends on it smoothly (a diffusivity, 0).
    """

    name: str
    unit: str = "1"
    default: float | None = None
    uniform: bool = False
    cells: int = 0
    along: str | None = None
    positive: bool = False
    multiplier: bool = False
    least: float | None = None
