"""Evolution on any grid, periodic or with ends: the method of lines, stepped explicitly with error control.

Sources of the pairs: Dormand and Prince, J. Comput. Appl. Math. 6 (1980), table 2; Bogacki and Shampine, Appl. Math. Lett. 2 (1989); of the
controller: Gustafsson, ACM Trans. Math. Softw. 17 (1991), and Hairer and Wanner, Solving Ordinary Differential Equations II, section IV.2.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from opbench.derivatives import Derivatives
from opbench.derivatives.fourier import Fourier
from opbench.derivatives.mirrored import Mirrored
from opbench.errors import SolverError
from opbench.pde import EvolutionPDE
from opbench.solver.chebyshev import Chebyshev, Rate, fastest_decay
from opbench.solver.ends import EndNodes
from opbench.solver.kernel import find_kernel
from opbench.solver.posed import Posed


@dataclass(frozen=True)
class Pair:
    """An embedded Runge-Kutta pair whose last stage is the new state, so that its rate is the next step's first.

    stages: the weights of the rates so far in each stage; error: of all rates in the estimate, which falls like step^order.
    """

    name: str
    stages: tuple[tuple[float, ...], ...]
    error: tuple[float, ...]
    order: int
    share: float = 1.0  # of the tolerance allowed to a step

    def step(self, rate_of: Rate, impose: Rate, state: Tensor, rate: Tensor, step: float) -> tuple[Tensor, Tensor, Tensor]:
        """The state one step later, its rate, and the estimated error."""
        rates, new = [rate], state
        for weights in self.stages:
            new = impose(_combined(state, step, weights, rates))
            rates.append(rate_of(new))
        return new, rates[-1], _combined(None, step, self.error, rates)


DORMAND_PRINCE = Pair(
    "Dormand-Prince 5(4)",
    (
        (1 / 5,),
        (3 / 40, 9 / 40),
        (44 / 45, -56 / 15, 32 / 9),
        (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
        (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
        (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
    ),
    (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40),
    5,
)
BOGACKI_SHAMPINE = Pair("Bogacki-Shampine 3(2)", ((1 / 2,), (0.0, 3 / 4), (2 / 9, 1 / 3, 4 / 9)), (-5 / 72, 1 / 12, 1 / 9, -1 / 8), 3)
LOOSE = 1e-5  # from this tolerance on the cheaper pair needs fewer rates, since stability and not accuracy limits its steps
REACH = 3.3  # of Dormand and Prince's pair: the fastest decay that a step of length one stays stable with
SAFETY, LEAST, MOST = 0.9, 0.2, 5.0  # of the controller
PROPORTIONAL, INTEGRAL = (
    0.4,
    0.7,
)  # over the pair's order: it settles at the stability limit, where one without memory is rejected again and again
STIFF = 40.0  # how many times farther than accuracy asks a pair would have to be held back by stability
SHORTEST = 1e-12  # of the time solved for; a step below is no step


class Lines:
    """An equation as an ordinary differential equation of its nodes' values, (field, sample, *space)."""

    def __init__(self, posed: Posed, d: Derivatives, order: int):
        self.posed, self.d = posed, d
        self.ends = EndNodes(posed, order) if posed.ends else None
        self.given = {name: self._field(value) for name, value in posed.given.items()}
        self.kernel = find_kernel(posed, d) if isinstance(d, Mirrored) else None

    def _field(self, value: Tensor):
        return self.d.field(value) if isinstance(self.d, Fourier) and not self.d.uniform(value) else value

    def impose(self, state: Tensor) -> Tensor:
        return state if self.ends is None else self.ends.impose(state)

    def rate(self, state: Tensor) -> Tensor:
        pde, posed = self.posed.pde, self.posed
        assert isinstance(pde, EvolutionPDE)
        act = pde.rate if self.kernel is None else pde.nonlinear
        rate = act(posed.unknown([self._field(values) for values in state]), self.given, self.d)
        stacked = torch.stack([part if isinstance(part, Tensor) else part.values for part in posed.parts(rate)])
        if self.kernel is not None:
            stacked.add_(self.kernel(state))
        return self.inside(stacked)

    def inside(self, change: Tensor) -> Tensor:
        """`change`, zero where a condition holds and not the equation."""
        return change if self.ends is None else change * self.ends.free


def march(lines: Lines, initial: Tensor, times: Sequence[float], tolerance: float) -> tuple[Tensor, int, str]:
    """Values (time, field, sample, *space) at `times` (the first is the initial state's), the steps taken and the method's name.

    tolerance: bound on the estimated relative L2 error of a step, per sample; the worst sample sets the step.
    Raises SolverError where no step is small enough.
    """
    span = times[-1] - times[0]
    state = lines.impose(initial.clone())
    rate = lines.rate(state)
    method = choose(lines, state, rate, span, tolerance)
    values = torch.empty(len(times), *state.shape, dtype=state.dtype, device=state.device)
    values[0], steps, step, before = state, 0, span * min(1.0, tolerance ** (1 / method.order)), 1.0
    for index, (start, stop) in enumerate(itertools.pairwise(times), start=1):
        time = start
        while time < stop:
            left = stop - time
            parts = math.ceil(left / step * (1 - 1e-9))  # equal ones, so that no tiny step is left over
            taken = left / parts
            new, new_rate, estimate = method.step(lines.rate, lines.impose, state, rate, taken)
            steps += 1
            error = _relative(lines.inside(estimate), new)
            excess = max(error / (tolerance * method.share), 1e-10) if error == error else math.inf  # a NaN is refused
            factor = SAFETY * excess ** (-INTEGRAL / method.order) * before ** (PROPORTIONAL / method.order)
            if excess <= 1:
                state, rate, time, before = new, new_rate, stop if parts == 1 else time + taken, excess
                grown = taken * min(MOST, max(LEAST, factor))
                step = max(step, grown) if parts == 1 else grown
            else:
                step = taken * max(LEAST, min(factor, SAFETY))
                method = choose(lines, state, rate, span, tolerance) if isinstance(method, Chebyshev) else method
                if step < SHORTEST * span:
                    raise SolverError(
                        f"{lines.posed.name}: unstable at t = {time:.6g}: no step down to {step:.1e} is accurate; lower the order, "
                        "refine the grid, or check the given fields and the boundary conditions"
                    )
        values[index] = state
    return values, steps, method.name


def choose(lines: Lines, state: Tensor, rate: Tensor, span: float, tolerance: float) -> Pair | Chebyshev:
    """A pair, or many stages where stability would hold a pair's steps far below those, about tolerance^(-1/3), that accuracy asks for."""
    if not tolerance < 1:  # fixed steps, of which the order counts
        return DORMAND_PRINCE
    pde = lines.posed.pde
    assert isinstance(pde, EvolutionPDE)
    if pde.dissipative and type(pde).linear is not EvolutionPDE.linear:  # else the decay depends on the state, and changes with it
        fastest = fastest_decay(lines.rate, lines.impose, state, rate) if lines.kernel is None else lines.kernel.fastest
        if fastest is not None and fastest * span > STIFF * tolerance ** (-1 / 3):
            return Chebyshev(fastest)
    return BOGACKI_SHAMPINE if tolerance >= LOOSE else DORMAND_PRINCE


def _relative(error: Tensor, state: Tensor) -> float:
    """L2 over L2 of the state, the largest of all samples."""
    axes = (0, *range(2, state.ndim))
    sizes = torch.linalg.vector_norm(error, dim=axes), torch.linalg.vector_norm(state, dim=axes)
    return float(torch.where(sizes[0] == 0, 0.0, sizes[0] / sizes[1]).max())


def _combined(state: Tensor | None, step: float, weights: Sequence[float], rates: Sequence[Tensor]) -> Tensor:
    """state + step * the weighted sum of the rates, in as few passes over memory as it has terms."""
    (first, rate), *others = ((step * weight, rate) for weight, rate in zip(weights, rates, strict=True) if weight)
    total = rate * first if state is None else torch.add(state, rate, alpha=first)
    for factor, rate in others:
        total.add_(rate, alpha=factor)
    return total
