"""How the reference solver is verified: manufactured solutions, independent solutions, conservation; what `opbench verify-solver` prints.

What an equation is verified by stands in tests/exact/<equation>.py, whose first docstring line says what it is:
CASES, solutions that a formula or an independent computation vouches for; INVARIANTS, what the equation keeps; ENDS, the kinds of boundary
that it is verified with besides periodic ones.
"""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from opbench.boundary import Boundary
from opbench.derivatives.finite_difference import FiniteDifference
from opbench.derivatives.stencil import ORDERS
from opbench.errors import OpbenchError
from opbench.find import find, known, names, shipped
from opbench.grid import Grid
from opbench.pde import PDE, ConservationLaw
from opbench.solver import compute, pose, solve
from opbench.solver.manufactured import Manufactured, bounded_error, observed

PERIODIC_SIZES = (24, 48, 96)
BOUNDED_CELLS = {1: (24, 48, 96), 2: (12, 24, 48)}
ROUNDING = 1e-10  # of bounded solves: below it errors are those of the time steps
TIME_STEPS = (32, 64, 128)  # over the first part of a case's time
TIME_SHARE = 0.25
SLACK = 0.15  # what an observed order may fall short of the nominal one by

Fields = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """A solution that the solver must converge to.

    name, source: what it is and who vouches for it. grid: of a number of points an axis. given: as in `solve`, on a grid.
    exact: the unknowns at `times`, (time, *space), or (*space) of a steady equation (any subset of the unknowns).
    sizes: numbers of points, three or more, coarse to fine. bound: on the relative L2 error at the last size.
    rate: the order that the errors show at the last two sizes, less 0.1 at most; None where they reach rounding or the tolerance, or jump.
    options: of `solve` (order, tolerance, scheme).
    """

    name: str
    source: str
    grid: Callable[[int], Grid]
    given: Callable[[Grid], Mapping[str, Any]]
    exact: Callable[[Grid], Fields]
    sizes: tuple[int, ...]
    bound: float
    times: tuple[float, ...] | None = None
    rate: float | None = None
    boundary: Boundary | None = None
    options: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Invariant:
    """A quantity that a solution keeps: `quantity(values, grid)`, values (time, *space) by unknown, is constant over time.

    bound: on its largest change over its size (given by `scale` where the quantity itself is zero).
    """

    name: str
    grid: Grid
    given: Callable[[Grid], Mapping[str, Any]]
    quantity: Callable[[Fields, Grid], np.ndarray]
    times: tuple[float, ...]
    bound: float
    boundary: Boundary | None = None
    options: Mapping[str, Any] | None = None
    scale: float | None = None


@dataclass(frozen=True)
class Finding:
    """What one check found.

    label: what was checked; sizes, errors: numbers of points, cells or steps, and the relative L2 errors there; order: observed at the
    last two; least: what the order must reach, bound: what the last error must stay below (None: not asked).
    """

    label: str
    sizes: tuple[int, ...]
    errors: tuple[float, ...]
    least: float | None = None
    bound: float | None = None

    @property
    def order(self) -> float | None:
        return observed(self.sizes, self.errors)[-1] if len(self.sizes) > 1 else None

    @property
    def passed(self) -> bool:
        reached = self.least is None or (self.order is not None and self.order >= self.least)
        return reached and (self.bound is None or self.errors[-1] <= self.bound)

    def __str__(self) -> str:
        sizes, errors = ", ".join(map(str, self.sizes)), ", ".join(f"{error:.1e}" for error in self.errors)
        order = "" if self.order is None else f", order {self.order:.2f}"
        asked = [] if self.least is None else [f"order >= {self.least:.2f}"]
        asked += [] if self.bound is None else [f"error <= {self.bound:.1e}"]
        return f"{'ok  ' if self.passed else 'FAIL'} {self.label}: {errors} at {sizes}{order} ({', '.join(asked)})"


def folder() -> Path:
    """Where the solutions lie."""
    return shipped("exact", "tests/exact")


def solutions(equation: str) -> ModuleType:
    """tests/exact/<equation>.py; raises UnknownName for an equation, OpbenchError where it has none."""
    path = folder() / f"{known('equation', equation, names('pdes'))}.py"
    if not path.is_file():
        raise OpbenchError(f"{equation}: nothing vouches for it; write {path} with CASES, INVARIANTS and ENDS")
    spec = importlib.util.spec_from_file_location(f"opbench_exact_{equation}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def checks(equation: str) -> dict[str, Callable[[], Finding]]:
    """Every check of an equation by its label, to be run one by one."""
    module, pde = solutions(equation), find("pdes", equation, PDE)
    found: dict[str, Callable[[str], Finding]] = {}
    for dims in pde.dims:
        where = f"in {dims}-D, " if len(pde.dims) > 1 else ""
        for order in ORDERS:
            found[f"{where}manufactured, periodic stencils of order {order}"] = partial(stencils, pde, dims, order)
        for kind in module.ENDS:
            for order in ORDERS if dims == 1 and getattr(pde, "dissipative", True) else ORDERS[:2]:
                found[f"{where}manufactured, {kind} ends, order {order}"] = partial(bounded, pde, dims, kind, order)
    cases: tuple[Case, ...] = module.CASES
    found |= {case.name: partial(agreement, equation, case) for case in cases}
    if any(case.times and not issubclass(pde, ConservationLaw) for case in cases):
        found["time steps"] = partial(time_steps, pde, next(case for case in cases if case.times))
    found |= {f"{entry.name} is kept": partial(drift, equation, entry) for entry in module.INVARIANTS}
    return {label: partial(check, label) for label, check in found.items()}


def stencils(pde: type[PDE], dims: int, order: int, label: str) -> Finding:
    """The equation's rate or residual by stencils against its exact value."""
    errors = []
    for n in PERIODIC_SIZES:
        case = Manufactured(pde(), dims, n)
        errors.append(case.deviation(FiniteDifference(case.grid, order)))
    return Finding(label, PERIODIC_SIZES, tuple(errors), least=order - SLACK)


def bounded(pde: type[PDE], dims: int, kind: str, order: int, label: str) -> Finding:
    """Whole solves between ends of one kind; sizes whose errors are those of the time steps are left out."""
    cells = BOUNDED_CELLS[dims]
    errors = [bounded_error(pde, dims, kind, order, n) for n in cells]
    kept = [i for i, error in enumerate(errors) if error > ROUNDING or i < 2]
    return Finding(label, tuple(cells[i] for i in kept), tuple(errors[i] for i in kept), least=order - SLACK)


def agreement(equation: str, case: Case, label: str) -> Finding:
    """Solves at all sizes against the solution that the case brings."""
    errors = []
    for n in case.sizes:
        grid = case.grid(n)
        answer = solve(equation, grid, case.given(grid), case.times, boundary=case.boundary, **(case.options or {}))
        errors.append(max(distance(answer[name].values, exact) for name, exact in case.exact(grid).items()))
    return Finding(label, case.sizes, tuple(errors), None if case.rate is None else case.rate - 0.1, case.bound)


def time_steps(pde: type[PDE], case: Case, label: str) -> Finding:
    """Fixed steps of one interval against many: fourth order or better where anything is left to step."""
    grid = case.grid(case.sizes[0])
    posed, _ = pose(pde(), grid, case.given(grid), case.boundary)
    assert case.times
    span = TIME_SHARE * case.times[-1]

    def last(steps: int) -> np.ndarray:
        solution = compute(posed, tuple(span * k / steps for k in range(steps + 1)), float("inf"), (case.options or {}).get("order"))
        return np.stack([values[:, -1].numpy() for values in solution.values.values()])

    best = last(8 * TIME_STEPS[-1])
    errors = tuple(distance(last(steps), best) for steps in TIME_STEPS)
    return Finding(label, TIME_STEPS, errors, *((None, 1e-10) if errors[-1] < 1e-10 else (4 - SLACK, None)))


def drift(equation: str, kept: Invariant, label: str) -> Finding:
    """The largest change of a conserved quantity."""
    answer = solve(equation, kept.grid, kept.given(kept.grid), kept.times, boundary=kept.boundary, **(kept.options or {}))
    quantity = kept.quantity({str(name): values.values for name, values in answer.items()}, kept.grid)
    scale = kept.scale if kept.scale is not None else np.abs(quantity).max()
    return Finding(label, (kept.grid.shape[0],), (float(np.abs(quantity - quantity[0]).max() / scale),), bound=kept.bound)


def distance(ours: np.ndarray, exact: np.ndarray) -> float:
    """Relative L2 over everything; the norm itself where the exact solution is zero."""
    return float(np.linalg.norm(ours - exact) / (np.linalg.norm(exact) or 1.0))
