"""One call solves any equation of opbench by finite differences: `solve("burgers", grid, given={...}, times=t)`."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from opbench.boundary import Boundary, Dirichlet, Outflow, conditions, homogeneous
from opbench.derivatives.circulant import Circulant
from opbench.derivatives.finite_difference import FiniteDifference
from opbench.derivatives.fourier import Fourier
from opbench.derivatives.mirrored import Mirrored
from opbench.derivatives.spectral import Spectral
from opbench.errors import OpbenchError, SolverError, out_of_memory
from opbench.find import find, known
from opbench.grid import Grid
from opbench.pde import PDE, ConservationLaw, EvolutionPDE, SteadyPDE
from opbench.provenance import resolve_device
from opbench.solver.affine import exact_steps
from opbench.solver.direct import Factors, solve_direct
from opbench.solver.ends import EndNodes
from opbench.solver.evolution import NotDiagonal, Semidiscrete, evolve
from opbench.solver.explicit import REACH, Lines, march
from opbench.solver.mirror import Mirror, mirrored
from opbench.solver.multigrid import Unsuitable
from opbench.solver.noted import jumps, noted
from opbench.solver.posed import Posed, pose
from opbench.solver.shock import COURANT, Balance, conserve
from opbench.solver.steady import solve_steady

if TYPE_CHECKING:
    import xarray

Scheme = Literal["finite_difference", "spectral"]
PERIODIC_ORDER = 8  # of stencils that have no ends


def solve(
    equation: str | type[PDE],
    grid: Grid,
    given: Mapping[str, Any],
    times: Sequence[float] | np.ndarray | None = None,
    *,
    boundary: Boundary | None = None,
    start: float = 0.0,
    tolerance: float = 1e-8,
    order: int | None = None,
    scheme: Scheme = "finite_difference",
    device: str = "cpu",
) -> "xarray.Dataset":
    """Solve an equation and return its unknowns by name.

    equation: a name that `opbench list` shows, or a PDE class.
    given: initial fields, coefficient fields and parameters by name, as numbers, numpy arrays or tensors, (*space) or (sample, *space),
        or functions of the coordinates; parameters that are constant in space as a number or (sample,), and coefficients that happen to
        be as a number or (sample, 1), one axis of length one an axis of space. A coefficient that jumps on grid points (`permeability`,
        `diffusivity`, `speed`) is best given in the cells between them, one entry less an axis; a function that jumps is averaged there
        (stencils of higher order than 2 take points only, and so do grids with periodic axes, where jumps are taken to lie midway). Of a
        steady equation the unknowns may be given too: a first guess, zero elsewhere, for what is not linear.
    times: when the answer is wanted, strictly increasing; None for a steady equation.
    boundary: what holds at the ends of bounded axes, {"x": Dirichlet(0.0)} or {"x": (Dirichlet(1.0), Outflow())}: see opbench.boundary.
        A steady equation has Dirichlet(0.0) everywhere unless it is said.
    start: the time of the initial fields; no entry of `times` lies before it.
    tolerance: relative error allowed a time step, or the relative residual of a steady solve, or its last correction.
    order: of the stencils: 2, 4, 6 or 8; by default 8 in time-dependent problems that are periodic or a reflection makes so, 4 in others
        that something damps, and 2 (harmonic faces) in steady ones, where a coefficient jumps between ends, and in waves between ends,
        where 4 errs less over short times and may grow over long ones.
    scheme: "spectral" replaces the stencils on periodic grids, to check the one against the other.
    The answer has dims (sample, time, *axes): sample only where `given` had it, time only where the equation evolves.
    Raises OpbenchError (wrong shape or name), SolverError (unstable, not converged).
    """
    pde = _equation(equation)
    if not (isinstance(tolerance, Real) and 0 < tolerance < 1):
        raise OpbenchError(f"{equation}: tolerance: expected a number between 0 and 1, got {tolerance!r}")
    if not (order is None or isinstance(order, Integral)):
        raise OpbenchError(f"{equation}: order: expected a whole number, 2, 4, 6 or 8, got {order!r}")
    with _room(equation, grid):
        posed, batched = pose(pde, grid, given, boundary, resolve_device(device), cells=order in (None, 2))
    wanted = _increasing(equation, times, start) if isinstance(pde, EvolutionPDE) else None
    if wanted is None and times is not None:
        raise OpbenchError(f"{equation}: is steady and takes no times; leave them out")
    stops = wanted if wanted is None or wanted[0] == start else (start, *wanted)
    with _room(equation, grid):
        solution = compute(posed, stops, tolerance, order, scheme)
    values = solution.values if wanted is None else {name: value[:, -len(wanted) :] for name, value in solution.values.items()}
    attributes = {"equation": posed.name, "scheme": solution.scheme, "tolerance": tolerance, "steps": solution.steps}
    return _dataset(pde, grid, values, wanted, batched, attributes)


@dataclass(frozen=True)
class Solution:
    """The unknowns by name, (sample, time, *space) or, of a steady equation, (sample, *space); time steps taken, or the most Newton steps
    of a sample; the scheme in words."""

    values: dict[str, Tensor]
    steps: int
    scheme: str


def compute(
    posed: Posed,
    times: Sequence[float] | None,
    tolerance: float,
    order: int | None = None,
    scheme: Scheme = "finite_difference",
    factors: Factors | None = None,
) -> Solution:
    """Solve a posed problem; `times` begins with that of the initial fields, and is None for a steady equation.

    factors: as in `solve_direct`.
    """
    known("scheme", scheme, get_args(Scheme))
    if isinstance(posed.pde, SteadyPDE):
        known("scheme of a steady equation", scheme, ["finite_difference"])
        return _steady(posed, tolerance, 2 if order is None else order, factors)
    assert times is not None
    with torch.no_grad():
        values, steps, words = _evolve(posed, times, tolerance, order, scheme)
    return Solution({field.name: values[:, i].transpose(0, 1) for i, field in enumerate(posed.unknowns)}, steps, words)


def _steady(posed: Posed, tolerance: float, order: int, factors: Factors | None) -> Solution:
    """By conjugate gradients where one unknown with given ends makes a symmetric positive matrix of order 2; else by sparse factors."""
    assert isinstance(posed.pde, SteadyPDE)
    if not all(posed.grid.periodic):
        _require_smooth(posed, order, order > 2 and jumps(posed, noted(posed)))
    if order == 2 and len(posed.unknowns) == 1 and not any(posed.grid.periodic):
        ends = [condition for *_, condition in conditions(posed.conditions)]
        if all(isinstance(end, Dirichlet) for end in ends):
            name, shape = posed.unknowns[0].name, (1, posed.samples, *posed.grid.shape)
            zero = all(homogeneous(end) for end in ends)
            lift = None if zero else EndNodes(posed, order).impose(torch.zeros(shape, dtype=torch.float64, device=posed.device))[0]
            try:
                values = {name: solve_steady(posed.pde, posed.grid, posed.given, tolerance, order, lift)}
                return Solution(values, 0, f"central finite differences of order {order}, multigrid-preconditioned conjugate gradients")
            except Unsuitable:
                pass  # not linear, not symmetric, not positive, or of too high a contrast
    values, steps = solve_direct(posed, order, tolerance, factors)
    words = f"finite differences of order {order}, Newton's iteration with sparse LU factors"
    return Solution({field.name: value for field, value in zip(posed.unknowns, values, strict=True)}, steps, words)


def _evolve(posed: Posed, times: Sequence[float], tolerance: float, order: int | None, scheme: Scheme) -> tuple[Tensor, int, str]:
    """Values (time, field, sample, *space), steps and the scheme in words: exponential steps where the linear part is diagonal in Fourier
    space, explicit ones elsewhere, and between mirrors where the times are so close that these are cheaper; conservation laws by fluxes
    that bear jumps."""
    assert isinstance(posed.pde, EvolutionPDE)
    asked = isinstance(posed.pde, ConservationLaw)  # else smooth stencils may be, where it is known that nothing jumps yet
    if (asked or (scheme == "finite_difference" and order in (None, 3, 5))) and (law := posed.pde.undamped(posed.given)) is not None:
        known("scheme of a conservation law", scheme, ["finite_difference"])
        used = 5 if order is None else order
        words = f"conservative WENO finite differences of order {used}, ten-stage SSP Runge-Kutta steps, Courant number {COURANT} a stage"
        return *conserve(Balance(replace(posed, pde=law), used), times), words
    mirror = mirrored(posed) if posed.conditions else None
    if mirror is None:
        return _stepped(posed, times, tolerance, order, scheme)
    if mirror.on_nodes and scheme == "finite_difference":
        assert posed.initial is not None
        d = Mirrored(posed.grid, order or PERIODIC_ORDER)
        lines = Lines(replace(posed, conditions={}, ends={}), d, d.order)
        if nodes_are_cheaper(lines, mirror, times):
            values, steps, pair = march(lines, posed.initial, times, tolerance)
            return values, steps, f"central finite differences of order {d.order}, {pair} with error-controlled steps, ends by reflection"
    values, steps, words = _stepped(mirror.whole(posed), times, tolerance, order, scheme)
    return mirror.restrict(values), steps, f"{words}, ends by reflection"


def nodes_are_cheaper(lines: Lines, mirror: Mirror, times: Sequence[float]) -> bool:
    """Whether explicit steps on the nodes reach from one time to the next as cheaply as a single exponential one on the extension.

    That one costs about as many times more as there are more points; explicit ones are limited by the linear part's fastest decay.
    """
    if lines.kernel is None or len(times) < 2:
        return False
    steps = lines.kernel.fastest * (times[-1] - times[0]) / (len(times) - 1) / REACH
    return steps <= prod(mirror.periodic.shape) / prod(mirror.bounded.shape)


def _stepped(posed: Posed, times: Sequence[float], tolerance: float, order: int | None, scheme: Scheme) -> tuple[Tensor, int, str]:
    assert isinstance(posed.pde, EvolutionPDE)
    assert posed.initial is not None
    d, used, words = differences(posed, order, scheme)
    if isinstance(d, Fourier):
        try:
            values, steps = evolve(Semidiscrete(posed.pde, d, posed.given), posed.initial, times, tolerance)
            return values, steps, f"{words}, ETDRK4 with error-controlled steps"
        except NotDiagonal:
            pass  # a coefficient of the linear part varies in space: nothing to exponentiate
    lines = Lines(posed, d, used)
    if tolerance < 1 and posed.conditions:  # else fixed steps, of which the order counts
        values = exact_steps(lines, Lines(posed.sample(0), d, used), posed.initial, times)
        if values is not None:
            return values, len(times) - 1, f"{words}, the exponential of its matrix"
    values, steps, pair = march(lines, posed.initial, times, tolerance)
    return values, steps, f"{words}, {pair} with error-controlled steps"


def _order_between_ends(posed: Posed, order: int | None) -> int:
    """That of one-sided stencils; raises OpbenchError where they, or the conditions, do not do for the equation."""
    assert isinstance(posed.pde, EvolutionPDE)
    found, damped = noted(posed), posed.pde.dissipative
    if found.highest > 2:
        raise OpbenchError(
            f"{posed.name}: has derivatives of order {found.highest}, which one condition an end does not determine; make the axis "
            "periodic, or take conditions that a reflection gives"
        )
    if not damped and found.highest > 1 and any(isinstance(end, Outflow) for *_, end in conditions(posed.conditions)):
        raise OpbenchError(f"{posed.name}: Outflow would send its waves back, which run both ways; take another condition, farther off")
    rough = jumps(posed, found)
    used = (4 if damped and not rough else 2) if order is None else order
    _require_smooth(posed, used, rough)
    if used > 4 and not damped:
        raise OpbenchError(
            f"{posed.name}: order {used} is unstable between these ends, since nothing damps it; take order 2 or 4, or other conditions"
        )
    return used


def _may_jump(posed: Posed) -> bool:
    return any(field.cells and posed.given[field.name].numel() > posed.samples for field in posed.pde.inputs_on(posed.grid.axes))


def _require_smooth(posed: Posed, order: int, rough: bool) -> None:
    if order > 2 and rough:
        raise OpbenchError(f"{posed.name}: order {order} is wrong between ends where a coefficient jumps; take order 2")


def differences(posed: Posed, order: int | None, scheme: Scheme) -> tuple[Fourier | FiniteDifference, int, str]:
    """What differentiates an evolution equation without mirrors, its order, and both in words."""
    assert isinstance(posed.pde, EvolutionPDE)
    used = _order_between_ends(posed, order) if not all(posed.grid.periodic) else PERIODIC_ORDER if order is None else order
    if order is None and scheme == "finite_difference" and all(posed.grid.periodic) and _may_jump(posed) and jumps(posed, noted(posed)):
        return FiniteDifference(posed.grid, 2), 2, "finite differences of order 2"
    if scheme == "spectral":
        return Spectral(posed.grid, posed.device), used, "spectral derivatives"
    if all(posed.grid.periodic):
        return Circulant(posed.grid, used, posed.device), used, f"central finite differences of order {used}"
    return FiniteDifference(posed.grid, used), used, f"finite differences of order {used}, one-sided at the ends"


@contextmanager
def _room(equation: Any, grid: Grid) -> Iterator[None]:
    """Memory that does not suffice, told in a line."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        points = " x ".join(map(str, grid.shape))
        raise SolverError(
            f"{equation}: {points} points take more memory than there is; coarsen the grid, or solve fewer samples"
        ) from error


def _equation(equation: str | type[PDE]) -> PDE:
    cls = find("pdes", equation, PDE) if isinstance(equation, str) else equation
    if not (isinstance(cls, type) and issubclass(cls, PDE)):
        raise OpbenchError(f"{equation}: is no equation; give a name that `opbench list` shows, or a subclass of PDE")
    return cls()


def _increasing(equation: Any, times: Any, start: float) -> tuple[float, ...]:
    if times is None:
        raise OpbenchError(f"{equation}: evolves in time; give times=[...], when the answer is wanted")
    try:
        start, stored = float(start), tuple(float(t) for t in times)
    except (TypeError, ValueError) as error:
        shown = " ".join(repr(times).split())[:60]
        raise OpbenchError(f"{equation}: times must be a sequence of numbers and start one, got {shown} and {start!r:.60}") from error
    rising = bool(stored) and stored[0] >= start and all(a < b for a, b in itertools.pairwise(stored))
    if not rising or not np.isfinite([start, *stored]).all():
        shown = ", ".join(f"{t:g}" for t in stored[:3]) + (", ..." if len(stored) > 3 else "")
        raise OpbenchError(f"{equation}: times must increase strictly from start = {start:g} on, all finite, got {len(stored)}: ({shown})")
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
