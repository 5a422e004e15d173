"""What holds at the two ends of a bounded axis, for every unknown or unknown by unknown.

    boundary = {"x": Dirichlet(0.0)}                                    # both ends of x, every unknown
    boundary = {"x": (Dirichlet(1.0), Neumann(0.0))}                    # the lower end, the upper end
    boundary = {"x": Wall(), "y": (Wall(), Outflow())}                  # every bounded axis has its own entry
    boundary = {"y": ({"velocity_x": Dirichlet(0.0), "velocity_y": Dirichlet(0.0)}, {...})}       # by unknown
    # the pressure of an incompressible flow is left out: div u = 0 holds at the ends too

A value is a number, the name of an entry of `given`, an array over that end ((*side) or (sample, *side): the grid without the axis, of
length one where it is constant), a field (sample, *grid), of which that end is taken, or a function of the coordinates there.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Annotated, Any, ClassVar, Literal, Union

import numpy as np
from pydantic import ConfigDict, Discriminator

from opbench.errors import OpbenchError
from opbench.field import Field
from opbench.find import known
from opbench.grid import Grid

Value = Any  # float | str | np.ndarray | torch.Tensor | Callable[..., np.ndarray]
STRICT = ConfigDict(extra="forbid")  # for recipes, where conditions are tables: { kind = "dirichlet", value = 1.0 }


@dataclass(frozen=True)
class Dirichlet:
    """u = value."""

    value: Value = 0.0
    kind: Literal["dirichlet"] = "dirichlet"
    __pydantic_config__: ClassVar[ConfigDict] = STRICT


@dataclass(frozen=True)
class Neumann:
    """du/dn = value, n the outward normal."""

    value: Value = 0.0
    kind: Literal["neumann"] = "neumann"
    __pydantic_config__: ClassVar[ConfigDict] = STRICT


@dataclass(frozen=True)
class Robin:
    """factor u + du/dn = value, n the outward normal; a number `factor`. A negative one gains, as fast as the grid resolves."""

    factor: float
    value: Value = 0.0
    kind: Literal["robin"] = "robin"
    __pydantic_config__: ClassVar[ConfigDict] = STRICT


@dataclass(frozen=True)
class Outflow:
    """Nothing is imposed: what is inside flows out. The equation itself holds at the end, by one-sided differences."""

    kind: Literal["outflow"] = "outflow"
    __pydantic_config__: ClassVar[ConfigDict] = STRICT


@dataclass(frozen=True)
class Wall:
    """A reflecting wall: the normal component of a vector is zero (Dirichlet), everything else has no slope (Neumann)."""

    kind: Literal["wall"] = "wall"
    __pydantic_config__: ClassVar[ConfigDict] = STRICT


Condition = Annotated[Union[Dirichlet, Neumann, Robin, Outflow, Wall], Discriminator("kind")]  # noqa: UP007
Side = Condition | dict[str, Condition]
Boundary = Mapping[str, Side | tuple[Side, Side]]
Ends = tuple[Any, Any]  # the conditions of one unknown at the lower and the upper end of one axis


def resolve(boundary: Boundary, grid: Grid, unknowns: Sequence[Field], name: str) -> dict[str, dict[str, Ends]]:
    """{bounded axis: {unknown: (condition at the lower end, at the upper end)}}, walls spelled out as Dirichlet and Neumann.

    Raises OpbenchError where an axis has no condition, or a periodic one has some; UnknownName for an axis or unknown that is not there.
    """
    if not isinstance(boundary, Mapping):
        raise OpbenchError(f"{name}: boundary: expected a mapping from each bounded axis to its condition, got {boundary!r:.60}")
    for axis in boundary:
        known(f"axis of {name}", axis, grid.axes)
    resolved = {}
    for axis, wraps in zip(grid.axes, grid.periodic, strict=True):
        if wraps and axis in boundary:
            raise OpbenchError(f"{name}: axis {axis} is periodic and has no ends; leave boundary['{axis}'] out, or make the axis bounded")
        if not wraps:
            if axis not in boundary:
                raise OpbenchError(f"{name}: axis {axis} is bounded; give boundary={{'{axis}': Dirichlet(0.0)}}, or another condition")
            entry = boundary[axis]
            sides = entry if isinstance(entry, (tuple, list)) else (entry, entry)
            if len(sides) != 2:
                raise OpbenchError(f"{name}: boundary['{axis}'] has {len(sides)} entries; give one for both ends, or (lower, upper)")
            lower, upper = (_by_unknown(side, axis, unknowns, name) for side in sides)
            resolved[axis] = {field.name: (lower[field.name], upper[field.name]) for field in unknowns}
    return resolved


def _by_unknown(side: Any, axis: str, unknowns: Sequence[Field], name: str) -> dict[str, Any]:
    if isinstance(side, Mapping):
        for key in side:
            known(f"unknown of {name} at the ends of {axis}", key, [field.name for field in unknowns])
        missing = [field.name for field in unknowns if field.name not in side and not field.multiplier]
        if missing:
            raise OpbenchError(f"{name}: boundary['{axis}'] says nothing of {', '.join(missing)}; give each unknown its condition")
        return {field.name: _spelled(side.get(field.name, Outflow()), field, axis, name) for field in unknowns}
    if len(unknowns) > 1 and not isinstance(getattr(side, "value", 0.0), str) and np.any(getattr(side, "value", 0.0) != 0.0):
        names = ", ".join(field.name for field in unknowns)
        raise OpbenchError(f"{name}: boundary['{axis}'] gives one value to {names}; give a mapping from each unknown to its condition")
    return {field.name: _spelled(Outflow() if field.multiplier else side, field, axis, name) for field in unknowns}


def _spelled(condition: Any, field: Field, axis: str, name: str) -> Any:
    if isinstance(condition, Wall):
        return Dirichlet() if field.along == axis else Neumann()
    if not isinstance(condition, (Dirichlet, Neumann, Robin, Outflow)):
        raise OpbenchError(f"{name}: boundary['{axis}']: expected Dirichlet, Neumann, Robin, Outflow or Wall, got {condition!r:.60}")
    if isinstance(condition, Robin) and not (isinstance(condition.factor, Real) and np.isfinite(condition.factor)):
        raise OpbenchError(f"{name}: boundary['{axis}']: Robin's factor must be one finite number, got {condition.factor!r:.60}")
    return condition


def conditions(resolved: Mapping[str, Mapping[str, Ends]]) -> Iterable[tuple[str, str, int, Any]]:
    """(axis, unknown, 0 or 1 for the lower or upper end, condition) of everything that `resolve` gave."""
    for axis, unknowns in resolved.items():
        for unknown, ends in unknowns.items():
            for end, condition in enumerate(ends):
                yield axis, unknown, end, condition


def at_zero(grid: Grid) -> Boundary:
    """Zero at all ends: what a steady equation has where nothing is said."""
    return {axis: Dirichlet() for axis, wraps in zip(grid.axes, grid.periodic, strict=True) if not wraps}


def homogeneous(condition: Any) -> bool:
    """Whether it is Dirichlet or Neumann with the number zero."""
    return isinstance(condition, (Dirichlet, Neumann)) and np.ndim(condition.value) == 0 and condition.value == 0.0


def named(resolved: Mapping[str, Mapping[str, Ends]]) -> set[str]:
    """The entries of `given` that values are taken from."""
    return {c.value for _, _, _, c in conditions(resolved) if isinstance(getattr(c, "value", None), str)}


def evaluated(resolved: Mapping[str, Mapping[str, Ends]], value: Callable[[Any, str, int, str], Any]) -> dict[str, dict[str, Ends]]:
    """The same with `value(condition's value, axis, end, label)` in the place of every value."""

    def at(condition: Any, axis: str, unknown: str, end: int) -> Any:
        if isinstance(condition, Outflow):
            return condition
        return replace(condition, value=value(condition.value, axis, end, f"boundary['{axis}'] of {unknown}"))

    return {
        axis: {unknown: (at(lower, axis, unknown, 0), at(upper, axis, unknown, 1)) for unknown, (lower, upper) in unknowns.items()}
        for axis, unknowns in resolved.items()
    }
