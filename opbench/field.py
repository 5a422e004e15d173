"""A named quantity with a unit."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """A quantity that an equation takes or gives; `default` makes it optional in `given`, `uniform` says that it never varies in space."""

    name: str
    unit: str = "1"
    default: float | None = None
    uniform: bool = False
