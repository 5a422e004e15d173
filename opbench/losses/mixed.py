"""Mixed weak form: fluxes are unknowns of their own, tied to the gradient point by point and balanced on balls; reads no reference."""

from typing import Any, Literal

import torch
from pydantic import PositiveFloat
from torch import Tensor

from opbench.data.task import Problem
from opbench.derivatives.finite_difference import FiniteDifference
from opbench.derivatives.weak import Mixed
from opbench.errors import ConfigError
from opbench.losses import Network
from opbench.losses.weak import WeakLoss, WeakSettings
from opbench.model import Channel, Samples
from opbench.pde import SteadyPDE
from opbench.residual import Residual
from opbench.residual.pointwise import plain, rms


class MixedSettings(WeakSettings):
    """weight: of what the balance of fluxes leaves, beside what the fluxes miss, both relative and squared.

    flux: "energy" divides a miss by the root of the coefficient, "plain" does not, as in DGenNO's released code.
    """

    weight: PositiveFloat = 1.0
    flux: Literal["energy", "plain"] = "energy"


class MixedLoss(WeakLoss):
    """||k^(-1/2) (s - k grad u)||^2 + weight <div s, phi>^2 for equations with a div_grad or laplacian; a model answers s beside u.

    No derivative of a coefficient is taken, so that it may jump. Where the fluxes balance exactly, the first term is the sum of the
    errors of u and of s in the energy norm (Prager and Synge, 1947), so that each is the best that the model can have; without the root
    of k, a model that does not resolve a jump is drawn to wrong means across it.
    Source: Zang and Koutsourelakis, DGenNO (2025), piecewise-constant Darcy flow, with the plain miss.
    """

    Settings = MixedSettings

    def __init__(self, chosen: Problem, residual: Residual, settings: MixedSettings):
        if not isinstance(residual.pde, SteadyPDE):
            raise ConfigError(f"{chosen.name}: the mixed form takes steady equations so far; take --loss weak")
        super().__init__(chosen, residual, settings)
        self.pde, self.stencils = residual.pde, FiniteDifference(residual.grid, 2)
        terms = self.terms(torch.ones(1, len(residual.channels), *residual.grid.shape, device=residual.posed.device))
        if not terms:
            raise ConfigError(f"{chosen.name}: its equation has no div_grad or laplacian whose flux could be an unknown; take --loss weak")
        axes = residual.grid.axes
        self.auxiliary = tuple(Channel(f"flux_{axis}_{term}") for term in range(len(terms) // len(axes)) for axis in axes)

    def terms(self, given: Tensor) -> list[tuple[Tensor, Any, Tensor]]:
        """Those of what the equation lets expect, by stencils: (flux, coefficient, gradient), each (b, 1, *s)."""
        residual, d = self.residual, Mixed(self.stencils)
        expected = residual.posed.unknown(residual.expected(given).unbind(1))
        self.pde.residual(expected, plain(residual.coefficients(given)), d)
        return d.terms

    def expected(self, train: Samples) -> Tensor:
        with torch.no_grad():
            return torch.cat((super().expected(train), *(flux for flux, *_ in self.terms(train.given))), 1)

    def squares(self, network: Network, given: Tensor) -> Tensor:
        balls, power = self.balls(given), {"energy": 0.5, "plain": 0.0}[self.settings.flux]
        here = self.pointwise.at(network, given, balls.points)
        d = Mixed(here.d, list(here.auxiliary.unsqueeze(2).unbind(1)))
        left = rms(here.left(d, balls.tested)) / here.sizes(Mixed(here.d), balls.tested)
        missed = [_mean_square((flux - k * gradient) / k**power) for flux, k, gradient in d.terms]
        with torch.no_grad():
            sizes = [_mean_square(flux / k**power) for flux, k, _ in self.terms(given)]
        return sum(missed) / sum(sizes) + self.settings.weight * left.square().mean(1)


def _mean_square(values: Tensor) -> Tensor:
    return values.square().flatten(1).mean(1)
