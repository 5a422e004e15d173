"""A named quantity with a unit."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """A quantity that an equation takes or gives.

    default: makes it optional in `given`. uniform: it never varies in space. cells: it may jump, and may then be given in the cells
    between the points of a bounded grid, one entry less an axis.
    """

    name: str
    unit: str = "1"
    default: float | None = None
    uniform: bool = False
    cells: bool = False
