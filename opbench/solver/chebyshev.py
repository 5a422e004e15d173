"""Stiff decay without solving equations: explicit steps whose many stages reach as far as the square of their number.

Source: Sommeijer, Shampine and Verwer, "RKC: an explicit solver for parabolic PDEs", J. Comput. Appl. Math. 88 (1998), section 2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import sqrt

import torch
from torch import Tensor

DAMPING = 2 / 13
SAFETY = 1.2  # on the fastest decay, which power iteration approaches from below
ITERATIONS, SETTLED = 30, 0.01
ALIGNED = 0.95  # the cosine between a fastest wave and minus its rate of change, 1 where it only decays, 0 where it only travels
PERTURBATION = 1e-6  # relative; of differences, whose own error is then about 1e-10

Rate = Callable[[Tensor], Tensor]


@cache
def coefficients(stages: int) -> tuple[float, tuple[tuple[float, float, float, float], ...]]:
    """The first stage's weight, and each later one's weights of the two before it, of the last rate and of the first."""
    middle = 1 + DAMPING / stages**2
    value, slope, bend = [1.0, middle], [0.0, 1.0], [0.0, 0.0]  # of the Chebyshev polynomials there
    for j in range(2, stages + 1):
        value.append(2 * middle * value[-1] - value[-2])
        slope.append(2 * value[j - 1] + 2 * middle * slope[-1] - slope[-2])
        bend.append(4 * slope[j - 1] + 2 * middle * bend[-1] - bend[-2])
    stretch = slope[-1] / bend[-1]
    b = [bend[j] / slope[j] ** 2 for j in range(2, stages + 1)]
    b = [b[0], 1 / middle, *b]
    later = []
    for j in range(2, stages + 1):
        last = 2 * b[j] * stretch / b[j - 1]
        later.append((2 * b[j] * middle / b[j - 1], -b[j] / b[j - 2], last, -(1 - b[j - 1] * value[j - 1]) * last))
    return b[1] * stretch, tuple(later)


@dataclass(frozen=True)
class Chebyshev:
    """A second-order method for a system whose fastest decay is `fastest`, in as many stages as a step needs."""

    fastest: float
    name: str = "Runge-Kutta-Chebyshev 2"
    order: int = 3  # of its error estimate
    share: float = 1 / 30  # of the tolerance allowed to a step, of which there are many whose errors add up

    def step(self, rate_of: Rate, impose: Rate, state: Tensor, rate: Tensor, step: float) -> tuple[Tensor, Tensor, Tensor]:
        """The state one step later, its rate, and the estimated error."""
        stages = max(2, 1 + int(sqrt(1.54 * step * self.fastest + 1)))
        first, later = coefficients(stages)
        before, now = state, impose(torch.add(state, rate, alpha=first * step))
        for mu, nu, last, start in later:
            new = state * (1 - mu - nu)
            new.add_(now, alpha=mu).add_(before, alpha=nu).add_(rate_of(now), alpha=last * step).add_(rate, alpha=start * step)
            before, now = now, impose(new)
        new_rate = rate_of(now)
        return now, new_rate, 0.8 * (state - now) + 0.4 * step * (rate + new_rate)


def fastest_decay(rate_of: Rate, impose: Rate, state: Tensor, rate: Tensor) -> float | None:
    """The largest rate of decay (field, sample, *space), by power iteration from the shortest wave; None where the fastest waves travel."""
    axes = (0, *range(2, state.ndim))

    def norm(values: Tensor) -> Tensor:
        return torch.linalg.vector_norm(values, dim=axes, keepdim=True)

    signs = torch.ones_like(state[:1, :1])
    for axis in range(2, state.ndim):
        signs = signs * (1 - 2 * (torch.arange(state.shape[axis], device=state.device) % 2)).reshape(-1, *[1] * (state.ndim - 1 - axis))
    small = PERTURBATION * norm(state)
    small = torch.where(small > 0, small, PERTURBATION)
    change, found, aligned = signs.expand_as(state), 0.0, 0.0
    for _ in range(ITERATIONS):
        wave = impose(state + change * (small / norm(change))) - state
        change = rate_of(state + wave) - rate
        growth = (norm(change) / norm(wave)).flatten()
        worst = int(growth.argmax())
        aligned = -float((wave * change).sum(axes)[worst] / (norm(wave) * norm(change)).flatten()[worst])
        before, found = found, float(growth[worst])
        if not found - before > SETTLED * found:
            break
    return SAFETY * found if aligned >= ALIGNED else None
