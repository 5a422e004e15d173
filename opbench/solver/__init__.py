"""One call solves any equation of opbench by finite differences: `solve("burgers", grid, given={...}, times=t)`."""

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from opbench.derivatives.circulant import Circulant
from opbench.derivatives.spectral import Spectral
from opbench.errors import OpbenchError, SolverError
from opbench.field import Field
from opbench.find import find, known
from opbench.grid import AXES, Grid
from opbench.pde import PDE, EvolutionPDE, SteadyPDE
from opbench.provenance import resolve_device
from opbench.solver.evolution import Semidiscrete, evolve
from opbench.solver.steady import solve_steady

if TYPE_CHECKING:
    import xarray

Scheme = Literal["finite_difference", "spectral"]


def solve(
    equation: str | type[PDE],
    grid: Grid,
    given: Mapping[str, Any],
    times: Sequence[float] | np.ndarray | None = None,
    *,
    start: float = 0.0,
    tolerance: float = 1e-8,
    order: int | None = None,
    scheme: Scheme = "finite_difference",
    device: str = "cpu",
) -> "xarray.Dataset":
    """Solve an equation and return its unknowns by name.

    equation: a name that `opbench list` shows, or a PDE class.
    given: initial fields, coefficient fields and parameters by name, as numbers, numpy arrays or tensors, (*space) or (sample, *space),
        or functions of the coordinates; parameters that are constant in space as a number or (sample,). A coefficient that jumps on
        grid points (`permeability`) is best given in the cells between them, one entry less an axis; a function is evaluated there.
    times: when the answer is wanted, strictly increasing; None for a steady equation.
    start: the time of the initial fields; no entry of `times` lies before it.
    tolerance: relative error allowed a time step, or the relative residual of a steady solve.
    order: of the stencils: 2, 4, 6 or 8; by default 8 in time-dependent problems and 2 (harmonic faces) in steady ones.
    scheme: "spectral" replaces the stencils on periodic grids, to check the one against the other.
    The answer has dims (sample, time, *axes): sample only where `given` had it, time only where the equation evolves.
    Raises OpbenchError (wrong shape or name), SolverError (unstable, not converged).
    """
    pde = _equation(equation)
    tensors, batched = prepare(pde, grid, given, resolve_device(device))
    wanted = _increasing(equation, times, start) if isinstance(pde, EvolutionPDE) else None
    if wanted is None and times is not None:
        raise OpbenchError(f"{equation}: is steady and takes no times; leave them out")
    if not 0 < tolerance < 1:
        raise OpbenchError(f"{equation}: tolerance: expected a number between 0 and 1, got {tolerance!r}")
    used = (2 if wanted is None else 8) if order is None else order
    stops = wanted if wanted is None or wanted[0] == start else (start, *wanted)
    values, steps = compute(pde, grid, tensors, stops, tolerance, used, scheme)
    if wanted is not None:
        values = {name: value[:, -len(wanted) :] for name, value in values.items()}
    attributes = {"equation": type(pde).__name__, "scheme": scheme, "order": used, "tolerance": tolerance, "steps": steps}
    return _dataset(pde, grid, values, wanted, batched, attributes)


def compute(
    pde: PDE,
    grid: Grid,
    given: Mapping[str, Tensor],
    times: Sequence[float] | None,
    tolerance: float,
    order: int,
    scheme: Scheme = "finite_difference",
) -> tuple[dict[str, Tensor], int]:
    """The unknowns by name and the number of steps, for what `prepare` returns.

    They are (sample, time, *space) at `times`, the first of which is that of the initial fields, or (sample, *space) for times = None.
    """
    if isinstance(pde, SteadyPDE):
        known("scheme of a steady equation", scheme, ["finite_difference"])
        return {pde.outputs[0].name: solve_steady(pde, grid, given, tolerance, order)}, 0
    assert isinstance(pde, EvolutionPDE)
    assert times is not None
    known("scheme", scheme, get_args(Scheme))
    device = next(iter(given.values())).device
    d = Spectral(grid, device) if scheme == "spectral" else Circulant(grid, order, device)
    samples = max(len(value) for value in given.values())
    initial = torch.stack([given[field.name].expand(samples, *grid.shape) for field in pde.outputs])
    values, steps = evolve(Semidiscrete(pde, d, given), initial, times, tolerance)
    return {field.name: values[:, i].transpose(0, 1) for i, field in enumerate(pde.outputs)}, steps


def prepare(pde: PDE, grid: Grid, given: Mapping[str, Any], device: str = "cpu") -> tuple[dict[str, Tensor], bool]:
    """Every given value as a float64 tensor (sample, *space), axes of length 1 where it does not vary; and whether any had samples."""
    name = type(pde).__name__
    if grid.dims not in pde.dims:
        raise OpbenchError(f"{name}: takes grids of {' or '.join(map(str, pde.dims))} axes, got {grid.dims} ({', '.join(grid.axes)})")
    if grid.axes != AXES[: grid.dims]:
        raise OpbenchError(f"{name}: expected axes named {', '.join(AXES[: grid.dims])}, got {', '.join(grid.axes)}")
    if isinstance(pde, EvolutionPDE) and not all(grid.periodic):
        bounded = grid.axes[grid.periodic.index(False)]
        raise OpbenchError(f"{name}: evolves on periodic axes only, axis {bounded} is bounded; make it periodic")
    fields = [*(pde.outputs if isinstance(pde, EvolutionPDE) else ()), *pde.inputs]
    for key in given:
        known(f"field given to {name}", key, [field.name for field in fields])
    tensors = {}
    for field in fields:
        value = given.get(field.name, field.default)
        if value is None:
            raise OpbenchError(f"{name}: '{field.name}' ({field.unit}) is not given; add it to given={{...}}")
        tensors[field.name] = _tensor(f"{name}: '{field.name}'", value, field, grid, device)
    counts = {key: len(value) for key, value in tensors.items() if value.ndim > grid.dims}
    for field in fields:
        others = [count for key, count in counts.items() if key != field.name]
        if field.uniform and np.shape(given.get(field.name, 0)) == grid.shape and grid.shape[0] not in others:
            raise OpbenchError(f"{name}: '{field.name}' is constant in space, got an array {grid.shape} as long as the grid; give a number")
    if len(set(counts.values()) - {1}) > 1:
        raise OpbenchError(f"{name}: the given fields disagree on the number of samples: {counts}")
    return {key: value if value.ndim > grid.dims else value[None] for key, value in tensors.items()}, bool(counts)


def _tensor(label: str, value: Any, field: Field, grid: Grid, device: str) -> Tensor:
    in_cells = field.cells and not any(grid.periodic)
    if callable(value) and not isinstance(value, Tensor):
        positions = [(x[1:] + x[:-1]) / 2 for x in grid.coordinates()] if in_cells else grid.coordinates()
        mesh = np.meshgrid(*positions, indexing="ij")
        value = value(*mesh)
        if np.shape(value) not in ((), mesh[0].shape):
            raise OpbenchError(f"{label}: the function gave {np.shape(value)} for coordinates {mesh[0].shape}; return one value a point")
    try:
        tensor = value.detach() if isinstance(value, Tensor) else torch.as_tensor(np.array(value))
    except (TypeError, ValueError) as error:
        raise OpbenchError(f"{label} must be numbers, an array or a function of the coordinates, got {type(value).__name__}") from error
    if tensor.is_complex() or tensor.dtype == torch.bool:
        raise OpbenchError(f"{label} must be real numbers, got {tensor.dtype}")
    tensor = tensor.to(device=device, dtype=torch.float64)
    is_number = tensor.ndim == 0
    if is_number or (field.uniform and tensor.ndim == 1):
        tensor = tensor.reshape(*tensor.shape, *[1] * grid.dims)
    if tensor.numel() == 0:
        raise OpbenchError(f"{label} is empty, {tuple(tensor.shape)}; give one sample or more")
    spaces = [(1,) * grid.dims if field.uniform or is_number else grid.shape]
    if in_cells:
        spaces.append(tuple(n - 1 for n in grid.shape))
    space = tuple(tensor.shape[-grid.dims :])
    if tensor.ndim - grid.dims not in (0, 1) or space not in spaces:
        shapes = " or ".join(f"{fit}, (sample, {', '.join(map(str, fit))})" for fit in spaces)
        expected = "a number or (sample,): it is constant in space" if field.uniform else f"{shapes} or a number"
        raise OpbenchError(f"{label} has shape {tuple(tensor.shape)}; expected {expected}")
    if not bool(torch.isfinite(tensor).all()):
        raise OpbenchError(f"{label} holds values that are not finite; check it before solving")
    return tensor


def _equation(equation: str | type[PDE]) -> PDE:
    cls = find("pdes", equation, PDE) if isinstance(equation, str) else equation
    if not (isinstance(cls, type) and issubclass(cls, PDE)):
        raise OpbenchError(f"{equation}: is no equation; give a name that `opbench list` shows, or a subclass of PDE")
    return cls()


def _increasing(equation: Any, times: Any, start: float) -> tuple[float, ...]:
    if times is None:
        raise OpbenchError(f"{equation}: evolves in time; give times=[...], when the answer is wanted")
    try:
        stored = tuple(float(t) for t in times)
    except (TypeError, ValueError) as error:
        raise OpbenchError(f"{equation}: times must be a sequence of numbers, got {times!r:.60}") from error
    if not stored or any(not a < b for a, b in itertools.pairwise(stored)) or stored[0] < start:
        raise OpbenchError(f"{equation}: times must increase strictly from start = {start:g} on, got {len(stored)}: {stored[:3]}...")
    return stored


def _dataset(pde: PDE, grid: Grid, values: Mapping[str, Tensor], times, batched: bool, attributes: Mapping[str, Any]) -> "xarray.Dataset":
    import xarray

    dims = (*(("sample",) if batched else ()), *(("time",) if times else ()), *grid.axes)
    coords = dict(zip(grid.axes, grid.coordinates(), strict=True)) | ({"time": np.array(times)} if times else {})
    units = {field.name: field.unit for field in pde.outputs}
    arrays = {name: (dims, (v if batched else v[0]).cpu().numpy(), {"units": units[name]}) for name, v in values.items()}
    for name, (_, array, _) in arrays.items():
        if not np.isfinite(array).all():
            raise SolverError(f"{type(pde).__name__}: '{name}' is not finite; refine the grid, or check the given fields")
    return xarray.Dataset(arrays, coords=coords, attrs=dict(attributes))
