"""Periodic evolution: fourth-order exponential time differencing with steps from a power-of-two ladder.

u_t = L u + N(u): the linear part is exponentiated exactly (its symbol is the response to a unit impulse), the rest by ETDRK4.
Sources: Cox and Matthews, J. Comput. Phys. 176 (2002), equations 26-29; error estimate: the embedded third-order formula that
replaces N(c) by N at the new time, which the next step needs anyway (Balac and Mahe, Comput. Phys. Commun. 184 (2013)).
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from opbench.derivatives.fourier import Fourier, FourierField
from opbench.errors import SolverError
from opbench.pde import EvolutionPDE

FINEST = 24  # halvings of an output interval after which a solve is called unstable
SHRINK = 1 / 32  # the estimate grows 16-fold when a step doubles; twice that keeps the next step from being rejected


@dataclass(frozen=True)
class Coefficients:
    """What one step size multiplies by; each broadcastable to (field, sample, *wavenumbers)."""

    whole: Tensor
    half: Tensor
    stage: Tensor
    first: Tensor
    middle: Tensor
    last: Tensor


def phi(z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """phi_k(z) = sum_j z^j / (j + k)!, k = 1, 2, 3: by that series where |z| < 1, else by recurrence from exp(z)."""
    small = z.abs() < 1
    near = torch.where(small, z, 0.0)
    series = [torch.zeros_like(z) for _ in range(3)]
    for j in range(18, -1, -1):  # 1 / 21! is below double precision
        for k in range(3):
            series[k] = series[k] * near / (j + k + 2) + 1
    factorial = (1.0, 2.0, 6.0)
    far = torch.where(small, 1.0, z)
    one = (torch.exp(far) - 1) / far
    two = (one - 1) / far
    three = (two - 0.5) / far
    pairs = zip((one, two, three), series, factorial, strict=True)
    return tuple(torch.where(small, s / f, direct) for direct, s, f in pairs)  # pyright: ignore[reportReturnType]


def coefficients(symbol: Tensor, step: float) -> Coefficients:
    """ETDRK4's coefficients for u_hat_t = symbol u_hat + N."""
    one, two, three = phi(step * symbol)
    return Coefficients(
        whole=torch.exp(step * symbol),
        half=torch.exp(step / 2 * symbol),
        stage=step / 2 * phi(step / 2 * symbol)[0],
        first=step * (one - 3 * two + 4 * three),
        middle=step * 2 * (two - 2 * three),
        last=step * (4 * three - two),
    )


class Semidiscrete:
    """An equation on a periodic grid, as an ordinary differential equation in Fourier space: (field, sample, *wavenumbers)."""

    def __init__(self, pde: EvolutionPDE, d: Fourier, given: Mapping[str, Tensor]):
        self.pde = pde
        self.d = d
        self.names = [field.name for field in pde.outputs]
        self.given = {name: value if d.uniform(value) else d.field(value) for name, value in given.items() if name not in self.names}
        self.symbol = self._probe()

    def unknown(self, state: Tensor):
        """The state as the equation knows it: a sole unknown as it is, several as a mapping by name."""
        fields = [FourierField(self.d, hat=hat) for hat in state]
        return fields[0] if len(fields) == 1 else dict(zip(self.names, fields, strict=True))

    def _stack(self, rate) -> Tensor:
        return torch.stack([rate[name].hat for name in self.names]) if isinstance(rate, Mapping) else rate.hat[None]

    def nonlinear(self, state: Tensor) -> Tensor:
        return self._stack(self.pde.nonlinear(self.unknown(state), self.given, self.d))

    def _probe(self) -> Tensor:
        """The linear part's symbol: its response to a unit impulse, whose own Fourier coefficients are all 1."""
        impulse = torch.zeros(1, *self.d.grid.shape, dtype=self.d.dtype, device=self.d.device)
        impulse[(0,) * impulse.ndim] = 1.0
        state = torch.fft.rfftn(impulse, dim=self.d.dim).expand(len(self.names), *[-1] * impulse.ndim)
        symbol = self._stack(self.pde.linear(self.unknown(state), self.given, self.d))
        noise = torch.rand(len(self.names), 1, *self.d.grid.shape, generator=torch.Generator().manual_seed(0), dtype=self.d.dtype)
        trial = torch.fft.rfftn(noise.to(self.d.device), dim=self.d.dim)
        missed = self._stack(self.pde.linear(self.unknown(trial), self.given, self.d)) - symbol * trial
        if float(missed.abs().max()) > 1e-9 * float((symbol * trial).abs().max()):
            name = type(self.pde).__name__
            raise SolverError(f"{name}: `linear` couples unknowns or varies in space; move such terms to `nonlinear`")
        return symbol.real if float(symbol.imag.abs().max()) == 0.0 else symbol


def evolve(system: Semidiscrete, initial: Tensor, times: Sequence[float], tolerance: float) -> tuple[Tensor, int]:
    """Values (time, field, sample, *space) at `times` (the first is the initial state's) and the number of steps taken.

    tolerance: bound on the estimated relative L2 error of a step, per sample; the worst sample of the batch sets the step.
    Raises SolverError where no step is small enough.
    """
    state = torch.fft.rfftn(initial, dim=system.d.dim)
    rate = system.nonlinear(state)
    ladder: dict[float, Coefficients] = {}
    values, level, steps, previous = [initial], 0, 0, None
    for start, stop in itertools.pairwise(times):
        interval = float(f"{stop - start:.12e}")  # equal intervals share their coefficients whatever their last bits say
        if previous is not None and interval != previous:
            level = max(0, level + round(torch.tensor(interval / previous).log2().ceil().item()))
        position, previous = 0, interval
        while position < 2**level:
            step = interval / 2**level
            if step not in ladder:
                ladder[step] = coefficients(system.symbol, step)
            new, new_rate, error = _step(system, state, rate, ladder[step])
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
    """The state one step later, its rate, and the estimated relative error (largest over samples)."""
    half = c.half * state
    a = half + c.stage * rate
    rate_a = system.nonlinear(a)
    rate_b = system.nonlinear(half + c.stage * rate_a)
    rate_c = system.nonlinear(c.half * a + c.stage * (2 * rate_b - rate))
    new = c.whole * state + c.first * rate + c.middle * (rate_a + rate_b) + c.last * rate_c
    new_rate = system.nonlinear(new)
    axes = (0, *range(2, new.ndim))
    size = torch.linalg.vector_norm(new, dim=axes)
    error = torch.linalg.vector_norm(c.last * (rate_c - new_rate), dim=axes)
    return new, new_rate, float(torch.where(error == 0, 0.0, error / size).max())


def _unstable(pde: EvolutionPDE, time: float, step: float) -> str:
    name = type(pde).__name__
    return f"{name}: unstable at t = {time:.6g}: no step down to {step:.1e} is accurate; refine the grid, or check the given fields"
