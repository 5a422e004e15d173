"""Any steady equation between any ends: Newton's iteration with its exact sparse Jacobian, sample by sample.

Damping and stopping look at the next, simplified correction, so units and scalings of rows do not matter (Deuflhard, Newton Methods for
Nonlinear Problems, 2004, algorithm NLEQ-ERR).
"""

import torch
from torch import Tensor

from opbench.errors import SolverError
from opbench.solver.factor import SINGULAR, Factor
from opbench.solver.jacobian import Colouring, Pullback, assemble, reproduces
from opbench.solver.posed import Posed
from opbench.solver.system import System

ITERATIONS = 50  # Newton steps; three to eight are usual
SHORTEST = 2.0**-10  # share of a Newton step that is tried
CHORD = 0.1  # a factorisation that shrinks the correction to this share is used again
ROUNDING = 10.0  # rounding errors that a correction may consist of
DECIDED = 1e-4  # relative error by rounding beyond which a solution is none
ADVICE = "give a first guess of the unknowns in `given` (the solution of an easier problem), or refine the grid"
UNBALANCED = 0.1  # change of a solution, by sharing otherwise what its balance lacks, beyond which it has none; rough flows reach half
ROUNDED = 1e-6  # the same where all axes are periodic: central stencils balance what balances at the points


def solve_direct(posed: Posed, order: int, tolerance: float, factors: "Factors | None" = None) -> tuple[Tensor, int]:
    """The unknowns (field, sample, *space), float64, and the most Newton steps that a sample took: one where the equation is linear.

    tolerance: on the last correction of each unknown over the unknown, sample by sample. factors: those of an earlier call for the same
    equation, grid, ends and order, which serve again where the matrix is the same.
    An unknown that the problem fixes up to a constant (a pressure; anything between periodic or Neumann ends alone) gets zero
    mean. Its equations then hold up to one number that they share, an error of discretisation where they are compatible.
    Raises SolverError where the matrix is singular, the iteration does not converge, or the equations are not compatible.
    """
    factors, states, steps = factors or Factors(posed), [], 0
    for sample in range(posed.samples):
        state, taken = newton(System(posed.sample(sample), order), factors, tolerance)
        states.append(state)
        steps = max(steps, taken)
    return torch.cat(states, dim=1).to(posed.device), steps


class Factors:
    """Factorised Jacobians of one problem; the last one serves as long as it is the Jacobian."""

    def __init__(self, posed: Posed):
        self.posed = posed
        self.colouring: Colouring | None = None
        self.last: Factor | None = None

    def at(self, system: System, state: Tensor) -> Factor:
        pull = Pullback(system, state)
        if self.last is None or not reproduces(self.last.matrix, pull):
            self.last = Factor(self._matrix(pull), system)
        return self.last

    def _matrix(self, pull: Pullback):
        if self.colouring is not None:
            matrix = assemble(pull, self.colouring)
            if reproduces(matrix, pull):
                return matrix
        self.colouring = Colouring.of(pull, self.posed.grid.periodic)
        matrix = assemble(pull, self.colouring)
        if not reproduces(matrix, pull):
            raise SolverError(f"{self.posed.name}: its derivatives are not finite; check the given fields and the boundary conditions")
        return matrix


class Trial:
    """A state, the correction that a factorisation gives there, and a measure of corrections: the largest of an unknown's over its size.

    Where an unknown is rounding errors only, its size is what makes these as large as `tolerance`.
    """

    def __init__(self, system: System, factor: Factor, state: Tensor, tolerance: float):
        self.state = state
        self.correction = factor.solve(system(state))
        self.rounding = _norms(factor.rounding(state))
        self.scale = _norms(state) + ROUNDING / tolerance * self.rounding

    def size(self, correction: Tensor) -> float:
        norms = _norms(correction)
        return float(torch.where(norms == 0, 0.0, norms / self.scale).max())

    @property
    def left(self) -> float:
        return self.size(self.correction)


def newton(system: System, factors: Factors, tolerance: float) -> tuple[Tensor, int]:
    """The solution (field, 1, *space) of one sample, and the number of steps taken with a Jacobian of their own."""
    state = system.start
    if not bool(system(state).isfinite().all()):
        raise SolverError(f"{system.posed.name}: the equations are not finite at the first guess, zero unless it is given; {ADVICE}")
    for taken in range(1, ITERATIONS + 1):
        factor = factors.at(system, state)
        step, share = factor.solve(system(state)), 1.0
        trial = Trial(system, factor, state - step, tolerance)
        while not (trial.left <= tolerance or trial.left <= (1 - share / 2) * trial.size(step)):
            share /= 2
            if share < SHORTEST:
                raise SolverError(f"{system.posed.name}: Newton's iteration is stuck after {taken} steps; {ADVICE}")
            trial = Trial(system, factor, state - share * step, tolerance)
        while trial.left > tolerance:
            state = trial.state
            if share < 1 or trial.left > CHORD * trial.size(step):
                break
            step = trial.correction
            following = Trial(system, factor, state - step, tolerance)
            if not following.left <= trial.left:
                break
            trial = following
        else:
            return _finished(system, factor, trial), taken
    raise SolverError(f"{system.posed.name}: Newton's iteration has not converged in {ITERATIONS} steps; {ADVICE}")


def _finished(system: System, factor: Factor, trial: Trial) -> Tensor:
    """The solution, where it deserves the name."""
    state, name = trial.state - trial.correction, system.posed.name
    if bool((trial.rounding > DECIDED * _norms(state)).all()):
        raise SolverError(f"{name}: the equations are nearly singular, rounding decides the solution; {SINGULAR}")
    for index in system.floating:
        state[index] = state[index] - system.mean(state[index])
    allowed = ROUNDED if all(system.posed.grid.periodic) else UNBALANCED
    for index, change in factor.imbalance(system(state)).items():
        if change > allowed * float(state[index].norm()):
            raise SolverError(
                f"{name}: sources and boundary values of {system.posed.unknowns[index].name} do not balance, and no condition fixes it; "
                "give sources and fluxes that add up to zero, or a value at an end, or refine the grid"
            )
    return state


def _norms(state: Tensor) -> Tensor:
    return torch.linalg.vector_norm(state.flatten(1), dim=1)
