"""Periodic evolution: fourth-order exponential time differencing with steps from a power-of-two ladder.

u_t = L u + N(u): the linear part is exponentiated exactly (its symbol is the response to unit impulses), the rest by ETDRK4.
Sources: Cox and Matthews, J. Comput. Phys. 176 (2002), equations 26-29; error estimate: the embedded third-order formula that
replaces N(c) by N at the new time, which the next step needs anyway (Balac and Mahe, Comput. Phys. Commun. 184 (2013)).
"""

import itertools
import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from opbench.derivatives.fourier import Fourier, FourierField
from opbench.errors import SolverError
from opbench.pde import EvolutionPDE, parts
from opbench.solver.exponential import Coefficients, add_product, coefficients, matrix_product, phi_matrices, phi_numbers, product

FINEST = 24  # halvings of an output interval after which a solve is called unstable
SHRINK = 1 / 32  # the estimate grows 16-fold when a step doubles; twice that keeps the next step from being rejected


class NotDiagonal(SolverError):
    """A linear part whose coefficients vary in space: no symbol holds it, so that only an explicit scheme can step it."""


class Semidiscrete:
    """An equation on a periodic grid, as an ordinary differential equation in Fourier space: (field, sample, *wavenumbers)."""

    def __init__(self, pde: EvolutionPDE, d: Fourier, given: Mapping[str, Tensor]):
        self.pde = pde
        self.d = d
        self.names = [field.name for field in pde.outputs_on(d.grid.axes)]
        self.given = {name: value if d.uniform(value) else d.field(value) for name, value in given.items() if name not in self.names}
        self.symbol = self._probe()
        self.has_nonlinear = type(pde).nonlinear is not EvolutionPDE.nonlinear
        self.coupled = self.symbol.ndim > d.grid.dims + 2
        self._coefficients: dict[float, Coefficients] = {}

    def unknown(self, state: Tensor):
        """The state as the equation knows it: a sole unknown as it is, several as a mapping by name."""
        fields = [FourierField(self.d, hat=hat) for hat in state]
        return fields[0] if len(fields) == 1 else dict(zip(self.names, fields, strict=True))

    def _stack(self, rate) -> Tensor:
        return torch.stack(torch.broadcast_tensors(*(part.hat for part in parts(rate, self.names))))

    def nonlinear(self, state: Tensor) -> Tensor:
        return self._stack(self.pde.nonlinear(self.unknown(state), self.given, self.d))

    def coefficients(self, step: float) -> Coefficients:
        """Of one step, kept for the next solve too."""
        if step not in self._coefficients:
            self._coefficients[step] = coefficients(self.symbol, step, phi_matrices if self.coupled else phi_numbers)
        return self._coefficients[step]

    def _probe(self) -> Tensor:
        """The linear part's symbol: its responses to a unit impulse of each unknown, whose own Fourier coefficients are all 1.

        (field, sample or 1, *wavenumbers) where it couples no two unknowns, else (field_out, field_in, sample or 1, *wavenumbers).
        """
        count = len(self.names)
        impulses = torch.zeros(count, count, 1, *self.d.grid.shape, dtype=self.d.dtype, device=self.d.device)
        impulses[(range(count), range(count), *[0] * (self.d.grid.dims + 1))] = 1.0
        symbol = torch.stack([self._linear(torch.fft.rfftn(impulse, dim=self.d.dim)) for impulse in impulses], 1)
        self._require_convolution(symbol)
        symbol = symbol.real if float(symbol.imag.abs().max()) == 0.0 else symbol
        own = torch.stack([symbol[i, i] for i in range(count)])
        return symbol if int(symbol.count_nonzero()) > int(own.count_nonzero()) else own

    def _linear(self, state: Tensor) -> Tensor:
        return self._stack(self.pde.linear(self.unknown(state), self.given, self.d))

    def _require_convolution(self, symbol: Tensor) -> None:
        noise = torch.rand(len(self.names), 1, *self.d.grid.shape, generator=torch.Generator().manual_seed(0), dtype=self.d.dtype)
        trial = torch.fft.rfftn(noise.to(self.d.device), dim=self.d.dim)
        expected = matrix_product(symbol, trial)
        missed = (self._linear(trial) - expected).abs().flatten(1).amax(1)
        if not bool((missed <= 1e-9 * expected.abs().flatten(1).amax(1)).all()):
            name = type(self.pde).__name__
            raise NotDiagonal(f"{name}: `linear` has coefficients that vary in space; move such terms to `nonlinear`")


def evolve(system: Semidiscrete, initial: Tensor, times: Sequence[float], tolerance: float) -> tuple[Tensor, int]:
    """Values (time, field, sample, *space) at `times` (the first is the initial state's) and the number of steps taken.

    tolerance: bound on the estimated relative L2 error of a step, per sample; the worst sample of the batch sets the step.
    Raises SolverError where no step is small enough.
    """
    state = torch.fft.rfftn(initial, dim=system.d.dim)
    rate = system.nonlinear(state)
    values, level, steps, previous, error = [initial], 0, 0, None, 0.0
    for start, stop in itertools.pairwise(times):
        interval = float(f"{stop - start:.12e}")  # equal intervals share their coefficients whatever their last bits say
        if previous is not None and interval != previous:
            level = 0 if error == 0 else max(0, level + math.ceil(math.log2(interval / previous)))
        position, previous = 0, interval
        while position < 2**level:
            step = interval / 2**level
            new, new_rate, error = _step(system, state, rate, system.coefficients(step))
            steps += 1
            if not error <= tolerance:  # a NaN is refused too
                level, position = level + 1, position * 2
                if level > FINEST:
                    raise SolverError(_unstable(system.pde, start + interval * position / 2**level, step))
                continue
            state, rate, position = new, new_rate, position + 1
            if error < tolerance * SHRINK and position % 2 == 0 and level > 0:
                level, position = level - 1, position // 2
        values.append(torch.fft.irfftn(state, s=system.d.grid.shape, dim=system.d.dim))
    return torch.stack(values), steps


def _step(system: Semidiscrete, state: Tensor, rate: Tensor, c: Coefficients) -> tuple[Tensor, Tensor, float]:
    """The state one step later, its rate, and the estimated relative error (largest over samples).

    Sums are formed in place, for what they cost is memory traffic; rates are not, an equation may hold them.
    """
    if not system.has_nonlinear:
        return product(c.whole, state), rate, 0.0
    half = product(c.half, state)
    a = add_product(half.clone(), c.stage, rate)
    rate_a = system.nonlinear(a)
    rate_b = system.nonlinear(add_product(half, c.stage, rate_a))
    rate_c = system.nonlinear(add_product(product(c.half, a), c.stage, torch.sub(rate, rate_b, alpha=2), scale=-1))
    new = product(c.whole, state)
    for coefficient, share in ((c.first, rate), (c.middle, rate_a + rate_b), (c.last, rate_c)):
        add_product(new, coefficient, share)
    new_rate = system.nonlinear(new)
    error = _norm(product(c.last, rate_c - new_rate)) / _norm(new).clamp(min=torch.finfo(torch.float64).tiny)
    return new, new_rate, float(error.max())


def _norm(state: Tensor) -> Tensor:
    """Per sample; of pairs of real numbers, which torch sums ten times faster than complex ones."""
    return torch.linalg.vector_norm(torch.view_as_real(state), dim=(0, *range(2, state.ndim + 1)))


def _unstable(pde: EvolutionPDE, time: float, step: float) -> str:
    name = type(pde).__name__
    return f"{name}: unstable at t = {time:.6g}: no step down to {step:.1e} is accurate; refine the grid, or check the given fields"
