"""A problem that is ready to be solved: every given value a tensor, every end of every bounded axis with its condition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from opbench.boundary import Boundary, Ends, Outflow, at_zero, evaluated, named, resolve
from opbench.boundary import conditions as all_of
from opbench.errors import OpbenchError
from opbench.field import Field
from opbench.find import known
from opbench.grid import AXES, Grid
from opbench.pde import PDE, EvolutionPDE, SteadyPDE, parts

ROUGH = 0.2  # fourth difference over size, over five points: a wave of nine has as much, and so has a jump by a fifteenth
PIECES = 4  # points along each axis of a cell; even, so that none lies in its middle, where a jump may lie
NOTHING = 1e-3  # of a sample's largest value: what its smallest ones are not measured by


@dataclass(frozen=True)
class Posed:
    """An equation on a grid with everything that it needs.

    unknowns: those of the equation that this grid has. initial: (field, sample, *space) of an evolution equation, or where
    Newton's iteration starts on a steady one; None where that is zero.
    given: inputs by name, float64 (sample, *space), or axes of length one where they do not vary.
    conditions: {bounded axis: {unknown: (lower, upper)}} as the user wrote them; ends: the same with values as tensors (sample, *space),
    of length one along the axis.
    """

    pde: PDE
    grid: Grid
    unknowns: tuple[Field, ...]
    initial: Tensor | None
    given: dict[str, Tensor]
    conditions: dict[str, dict[str, Ends]]
    ends: dict[str, dict[str, Ends]]
    samples: int
    device: str

    @property
    def name(self) -> str:
        return type(self.pde).__name__

    def unknown(self, values: Any) -> Any:
        """Arrays of the unknowns as the equation takes them: a sole one as it is, several as a mapping by name."""
        return values[0] if len(self.unknowns) == 1 else {field.name: v for field, v in zip(self.unknowns, values, strict=True)}

    def parts(self, made: Any) -> list[Any]:
        """What an equation made of its unknowns, in their order: the other way round."""
        return parts(made, [field.name for field in self.unknowns])

    def sample(self, index: int) -> "Posed":
        """One sample of the problem, on the CPU."""

        def chosen(value: Tensor, *_) -> Tensor:
            own = value[index : index + 1] if value.ndim > self.grid.dims and len(value) > 1 else value
            return own.cpu()

        given = {name: chosen(value) for name, value in self.given.items()}
        initial = None if self.initial is None else self.initial[:, index : index + 1].cpu()
        return replace(self, given=given, initial=initial, ends=evaluated(self.ends, chosen), samples=1, device="cpu")


def pose(
    pde: PDE, grid: Grid, given: Mapping[str, Any], boundary: Boundary | None = None, device: str = "cpu", cells: bool = True
) -> tuple[Posed, bool]:
    """The problem, and whether any given value had samples.

    boundary: as in opbench.boundary; a steady equation has Dirichlet(0.0) at all ends unless it is said.
    cells: whether coefficients that may jump may stand in the cells, as stencils of order 2 take them.
    Raises OpbenchError for names, shapes and values that do not fit.
    """
    name = type(pde).__name__
    if not isinstance(grid, Grid) or not isinstance(given, Mapping):
        raise OpbenchError(
            f"{name}: expected an opbench.Grid and given={{name: value}}, got {type(grid).__name__} and {type(given).__name__}"
        )
    if grid.dims not in pde.dims:
        raise OpbenchError(f"{name}: takes grids of {' or '.join(map(str, pde.dims))} axes, got {grid.dims} ({', '.join(grid.axes)})")
    if grid.axes != AXES[: grid.dims]:
        raise OpbenchError(f"{name}: expected axes named {', '.join(AXES[: grid.dims])}, got {', '.join(grid.axes)}")
    evolves, unknowns = isinstance(pde, EvolutionPDE), pde.outputs_on(grid.axes)
    if boundary is None:
        boundary = {} if evolves else at_zero(grid)
    conditions = resolve(boundary, grid, unknowns, name)
    guessed = not evolves and any(field.name in given for field in unknowns)
    fields = [*(unknowns if evolves or guessed else ()), *pde.inputs_on(grid.axes)]
    for key in given:
        known(f"field given to {name}", key, {*(field.name for field in (*unknowns, *fields)), *named(conditions)})
    tensors = {}
    for field in fields:
        value = given.get(field.name, 0.0 if guessed and field in unknowns else field.default)
        if value is None:
            raise OpbenchError(f"{name}: '{field.name}' ({field.unit}) is not given; add it to given={{...}}")
        tensors[field.name] = _tensor(pde, field, value, grid, device, cells)
        if field.least is not None and (smallest := float(tensors[field.name].min())) < field.least:
            raise OpbenchError(
                f"{name}: '{field.name}' must be {field.least:g} or more, its smallest value is {smallest:g}; check its sign"
            )

    def at_end(value: Any, axis: str, end: int, label: str) -> Tensor:
        if isinstance(value, str):
            known(f"entry of given for {label}", value, given)
            value = given[value]
        return _at_end(f"{name}: {label}", value, grid, axis, end, device)

    ends = evaluated(conditions, at_end)
    of_ends = {f"{u} at end {end} of {axis}": c.value for axis, u, end, c in all_of(ends) if not isinstance(c, Outflow)}
    counts = {key: len(value) for key, value in (tensors | of_ends).items() if value.ndim > grid.dims}
    for field in fields:
        others = [count for key, count in counts.items() if key != field.name]
        if field.uniform and np.shape(given.get(field.name, 0)) == grid.shape and grid.shape[0] not in others:
            raise OpbenchError(f"{name}: '{field.name}' is constant in space, got an array {grid.shape} as long as the grid; give a number")
    for key, value in of_ends.items():
        if len(grid.shape) == 1 and tuple(value.shape[:-1]) == grid.shape and grid.shape[0] not in [counts.get(name) for name in tensors]:
            raise OpbenchError(f"{name}: {key}: an end of a line is a point, got an array {grid.shape} as long as the grid; give a number")
    if len(set(counts.values()) - {1}) > 1:
        raise OpbenchError(f"{name}: the given fields disagree on the number of samples: {counts}")
    samples = max(counts.values(), default=1)
    tensors = {key: value if value.ndim > grid.dims else value[None] for key, value in tensors.items()}
    initial = torch.stack([tensors.pop(f.name).expand(samples, *grid.shape) for f in unknowns]) if evolves or guessed else None
    return Posed(pde, grid, unknowns, initial, tensors, conditions, ends, samples, device), bool(counts)


def _tensor(pde: PDE, field: Field, value: Any, grid: Grid, device: str, cells: bool) -> Tensor:
    label = f"{type(pde).__name__}: '{field.name}'"
    may_jump = cells and field.cells and not any(grid.periodic)
    if callable(value) and not isinstance(value, Tensor):
        at_points = _called(label, value, grid.mesh())  # which evolution takes by stencils of higher order, where nothing jumps
        there = may_jump and (isinstance(pde, SteadyPDE) or is_rough(_numbers(label, at_points, device), grid))
        value = _over_cells(label, value, grid, field.cells) if there else at_points
        if field.uniform and np.ndim(value):
            raise OpbenchError(f"{label} is constant in space, and its function gave an array {np.shape(value)}; give a number")
    tensor = _numbers(label, _in_order(value, grid), device)
    is_number = tensor.ndim == 0
    if is_number or (field.uniform and tensor.ndim == 1):
        tensor = tensor.reshape(*tensor.shape, *[1] * grid.dims)
    if tensor.numel() == 0:
        raise OpbenchError(f"{label} is empty, {tuple(tensor.shape)}; give one sample or more")
    constant = tuple(1 for _ in grid.shape)
    spaces = [constant] if field.uniform or is_number else [grid.shape] if field in pde.outputs else [grid.shape, constant]
    if may_jump:
        spaces.append(tuple(n - 1 for n in grid.shape))
    space = tuple(tensor.shape[-grid.dims :])
    if tensor.ndim - grid.dims not in (0, 1) or space not in spaces:
        shapes = " or ".join(f"{fit}, (sample, {', '.join(map(str, fit))})" for fit in spaces)
        expected = "a number or (sample,): it is constant in space" if field.uniform else f"{shapes} or a number"
        expected += "; in cells at order 2 only" if field.cells and not cells else ""
        raise OpbenchError(f"{label} has shape {tuple(tensor.shape)}; expected {expected}")
    return tensor


def _in_order(value: Any, grid: Grid) -> Any:
    """A labelled array's axes as the grid has them, behind any others; other arrays as they are."""
    dims = getattr(value, "dims", ())
    return value.transpose(..., *grid.axes) if isinstance(dims, tuple) and {*grid.axes} <= {*dims} else value


def is_rough(coefficient: Any, grid: Grid) -> bool:
    """Whether it varies so much from point to point, somewhere, that differences of higher order than 2 are wrong about it."""
    if not isinstance(coefficient, Tensor) or coefficient.ndim < grid.dims:
        return False
    space = tuple(range(-grid.dims, 0))
    least = NOTHING * coefficient.abs().amax(space, keepdim=True)
    for place in space:
        if coefficient.shape[place] > 4:
            size = coefficient.abs().unfold(place, 5, 1).mean(-1) + least
            if bool((torch.diff(coefficient, n=4, dim=place).abs() > ROUGH * size).any()):
                return True
    return False


def in_cells(coefficient: Any, grid: Grid) -> bool:
    """Whether it stands in the cells between the points of a grid without periodic axes."""
    return isinstance(coefficient, Tensor) and tuple(coefficient.shape[-grid.dims :]) == tuple(n - 1 for n in grid.shape)


def _at_end(label: str, value: Any, grid: Grid, axis: str, end: int, device: str) -> Tensor:
    """A value over one end, broadcastable to (sample, *space), of length one along the axis."""
    place = grid.axes.index(axis)
    if callable(value) and not isinstance(value, Tensor):
        positions = list(grid.coordinates())
        positions[place] = positions[place][[-end]]
        mesh = np.meshgrid(*positions, indexing="ij")
        value = np.take(_called(label, value, mesh) * np.ones(mesh[0].shape), 0, axis=place)
    tensor = _numbers(label, value, device)
    side = tuple(n for i, n in enumerate(grid.shape) if i != place)
    if tensor.ndim == 0:
        return tensor.reshape((1,) * grid.dims)
    if tensor.ndim == grid.dims + 1 and tuple(tensor.shape[1:]) == grid.shape:
        tensor = tensor.select(place + 1, -end)
    constant = tuple(1 for _ in side)
    if tuple(tensor.shape[tensor.ndim - len(side) :]) not in (side, constant) or tensor.ndim - len(side) not in (0, 1):
        shapes = dict.fromkeys((side, ("sample", *side), ("sample", *constant), ("sample", *grid.shape)))
        raise OpbenchError(f"{label} has shape {tuple(tensor.shape)}; expected {', '.join(map(str, shapes))} or a number")
    return tensor.unsqueeze(tensor.ndim - len(side) + place)


def _called(label: str, function: Any, mesh: Sequence[np.ndarray]) -> Any:
    try:
        value = function(*mesh)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise OpbenchError(f"{label}: the function failed, {reason}; it gets {len(mesh)} numpy arrays {mesh[0].shape}") from error
    if np.shape(value) not in ((), mesh[0].shape):
        raise OpbenchError(f"{label}: the function gave {np.shape(value)} for coordinates {mesh[0].shape}; return one value a point")
    return value


def _over_cells(label: str, function: Any, grid: Grid, power: int) -> Any:
    """Means over the cells between a grid's points, harmonic ones of the function's power: what flows across layers is then right.

    Where they meet within a cell that is known to a quarter of it.
    """
    value = _called(label, function, grid.refine(PIECES).middles().mesh())
    if not np.ndim(value):
        return value
    split = np.asarray(value).reshape([n for m in grid.cells for n in (m, PIECES)])
    within = tuple(range(1, 2 * grid.dims, 2))
    with np.errstate(divide="ignore"):  # nothing flows where a part of the cell lets nothing through
        means = np.mean(1 / split**power, within) ** (-1 / power)
    return np.where(np.ptp(split, within) == 0, split.max(within), means)


def _numbers(label: str, value: Any, device: str) -> Tensor:
    if np.ma.is_masked(value):
        raise OpbenchError(f"{label} has masked entries; give a value everywhere")
    try:
        tensor = value.detach() if isinstance(value, Tensor) else torch.from_numpy(_doubles(value))
    except (TypeError, ValueError) as error:
        kind = f"{type(value).__name__} of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
        raise OpbenchError(f"{label} must be numbers, an array or a function of the coordinates, real ones, got {kind}") from error
    if tensor.is_complex() or tensor.dtype == torch.bool:
        raise OpbenchError(f"{label} must be real numbers, got {tensor.dtype}")
    tensor = tensor.to(device=device, dtype=torch.float64)
    if not bool(torch.isfinite(tensor).all()):
        raise OpbenchError(f"{label} holds values that are not finite; check it before solving")
    return tensor


def _doubles(value: Any) -> np.ndarray:
    """A copy in float64, whatever the numbers' size and byte order; raises TypeError or ValueError for what is not real numbers."""
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" and not all(
        isinstance(entry, Real) and not isinstance(entry, bool | np.bool_) for entry in array.flat
    ):
        raise TypeError(f"{array.dtype} are no real numbers")
    return np.array(array, dtype=np.float64)
