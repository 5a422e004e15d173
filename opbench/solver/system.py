"""A steady equation and what holds at its ends, as one function of the nodes' values."""

from math import comb
from typing import Any

import torch
from torch import Tensor

from opbench.derivatives import Derivatives
from opbench.derivatives.stencil import weights
from opbench.errors import OpbenchError, SolverError
from opbench.pde import SteadyPDE
from opbench.solver.ends import EndNodes, from_end
from opbench.solver.jacobian import Pullback
from opbench.solver.posed import Posed
from opbench.solver.probe import Positive

ROUNDING = 1e-13  # of the largest row, by which a constant that cancels changes rows
EULER_MACLAURIN = {1: 1 / 12, 3: -1 / 720, 5: 1 / 30240}  # B_2k / (2 k)! of derivative 2 k - 1 at both ends (Abramowitz & Stegun, 23.1.30)


class System:
    """One sample of a steady problem: a function of (field, copy, *space), of the same shape, that vanishes at a solution.

    A multiplier's own row (div u = 0, for a pressure) does not contain it, and central differences on nodes do not see its sawteeth: the
    difference of its wide and its narrow second derivative is added there, which is smaller than the stencils' errors on what is smooth
    (after Rhie & Chow, AIAA J. 21, 1983; Brezzi & Pitkaranta, Efficient Solutions of Elliptic Systems, 1984). At ends without a condition
    it is extrapolated from inside. free: (field, 1, *space), where the equations themselves hold.
    """

    def __init__(self, posed: Posed, order: int):
        assert isinstance(posed.pde, SteadyPDE)
        self.posed, self.pde = posed, posed.pde
        self.d = Positive(posed.grid, posed.given, order)
        if any(field.multiplier for field in posed.unknowns):
            _require(posed, order + 4)
        self.ends = EndNodes(posed, order)
        zero = torch.zeros(len(posed.unknowns), 1, *posed.grid.shape, dtype=torch.float64)
        self.start = self.ends.impose(zero if posed.initial is None else posed.initial.clone())
        self.free = self.ends.free > 0
        for index in (index for index, field in enumerate(posed.unknowns) if field.multiplier):
            self.free[index] = self._extrapolated(self.free[index].to(torch.float64), torch.zeros_like(self.start[index])) > 0
        self.smoothing = {index: self._strength(index) for index, field in enumerate(posed.unknowns) if field.multiplier}

        self.floating = [index for index in range(len(posed.unknowns)) if self._floats(index)]

    def __call__(self, state: Tensor) -> Tensor:
        rows = self._rows(state)
        for index, strength in self.smoothing.items():
            rows[index] = self._extrapolated(rows[index] + strength * sawtooth(self.d, state[index]), state[index])
        return self.ends.replace(torch.stack(rows), state)

    def _rows(self, state: Tensor) -> list[Tensor]:
        found = self.pde.residual(self.posed.unknown(list(state)), self.posed.given, self.d)
        return [torch.as_tensor(part, dtype=torch.float64).expand(state.shape[1:]) for part in self.posed.parts(found)]

    def _extrapolated(self, rows: Tensor, field: Tensor) -> Tensor:
        """`rows`, but at ends the difference from the polynomial through the nodes inside, a degree above the stencils' order."""
        rows, degree = rows.clone(), self.d.order + 1
        for place, wraps in enumerate(self.posed.grid.periodic, start=1):
            for end in () if wraps else (0, 1):
                terms = [(-1) ** j * comb(degree + 1, j) * field.select(place, from_end(end, j)) for j in range(degree + 2)]
                rows.select(place, -end).copy_(torch.stack(terms).sum(0))
        return rows

    def _strength(self, index: int) -> float:
        """Of a multiplier's smoothing: its Schur complement, with the diagonal for the others' matrix, at the node in the middle."""
        middle = (0, *(n // 2 for n in self.posed.grid.shape))
        others = [other for other in range(len(self.start)) if other != index]
        impulse = torch.zeros_like(self.start)
        impulse[(index, *middle)] = 1.0
        gradient = torch.stack(self._rows(self.start + impulse)) - torch.stack(self._rows(self.start))
        pull = Pullback(lambda states: torch.stack(self._rows(states)), self.start)
        coupling = float((pull(impulse)[others] * gradient[others]).sum())
        diagonal = float(torch.stack([pull(impulse.roll(other - index, 0))[(other, *middle)] for other in others]).mean())
        if coupling == 0 or diagonal == 0:
            name = self.posed.unknowns[index].name
            raise SolverError(f"{self.posed.name}: nothing resists the constraint that {name} enforces; give the others a Laplacian")
        twice = [self.d.partial(self.d.partial(impulse[index], axis), axis) for axis in self.d.axes]
        return coupling / float(torch.stack(twice).sum(0)[middle]) / diagonal

    def _floats(self, index: int) -> bool:
        """Whether a constant may be added to an unknown and nothing changes."""
        state = torch.rand(self.start.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        raised = state.clone()
        raised[index] += 1.0
        rows = self(state)
        return bool(self.free[index].any()) and float((self(raised) - rows).abs().max()) <= ROUNDING * float(rows.abs().max())

    def mean(self, field: Tensor) -> Tensor:
        """Of (1, *space) over the domain, to the order of the stencils: the trapezoidal rule with Euler and Maclaurin's ends."""
        for wraps in self.posed.grid.periodic:
            field = field.mean(dim=1) if wraps else _average(field, self.d.order)
        return field


def _require(posed: Posed, points: int) -> None:
    """Enough nodes inside to continue a multiplier to the ends from."""
    for axis, n, wraps in zip(posed.grid.axes, posed.grid.shape, posed.grid.periodic, strict=True):
        if n < points and not wraps:
            raise OpbenchError(f"{posed.name}: axis {axis} has {n} points, {points} are needed here; refine the grid or lower the order")


def sawtooth(d: Derivatives, field: Any) -> Any:
    """Twice differenced less its second derivative: as small as the stencils' errors on what is smooth, large on sawteeth."""
    twice = -d.laplacian(field)
    for axis in d.axes:
        twice = d.partial(d.partial(field, axis), axis) + twice
    return twice


def _average(field: Tensor, order: int) -> Tensor:
    """Along axis 1, which holds both ends."""
    n = field.shape[1]
    total = ((field[:, 1:] + field[:, :-1]) / 2).sum(dim=1)
    for derivative, share in EULER_MACLAURIN.items():
        if derivative + 1 < order:
            for j, w in enumerate(weights(tuple(range(order)), derivative)):
                total = total + share * w * (field[:, j] + field[:, n - 1 - j])
    return total / (n - 1)
