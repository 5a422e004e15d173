"""Mixed weak form: fluxes are unknowns of their own, tied to the gradient point by point and balanced on balls; reads no reference."""

import torch
from pydantic import PositiveFloat
from torch import Tensor

from opbench.derivatives.finite_difference import FiniteDifference
from opbench.derivatives.weak import Mixed
from opbench.errors import ConfigError
from opbench.losses import Network
from opbench.losses.weak import WeakLoss, WeakSettings
from opbench.model import Channel, Samples
from opbench.pde import SteadyPDE
from opbench.pointwise import plain, rms
from opbench.residual import Residual
from opbench.task import Problem


class MixedSettings(WeakSettings):
    """weight: of what the balance of fluxes leaves, beside what the fluxes miss, both relative and squared."""

    weight: PositiveFloat = 1.0


class MixedLoss(WeakLoss):
    """||s - k grad u||^2 + weight <div s, phi>^2 for equations with a div_grad or laplacian, the model answering s beside u.

    No derivative of a coefficient is taken, so that it may jump.
    Source: Zang and Koutsourelakis, DGenNO (2025), piecewise-constant Darcy flow.
    """

    Settings = MixedSettings

    def __init__(self, chosen: Problem, residual: Residual, settings: MixedSettings):
        if not isinstance(residual.pde, SteadyPDE):
            raise ConfigError(f"{chosen.name}: the mixed form takes steady equations so far; take --loss weak")
        super().__init__(chosen, residual, settings)
        self.steady = residual.pde
        self.stencils = FiniteDifference(residual.grid, 2)
        shape = (1, len(residual.channels), *residual.grid.shape)
        count = self.fluxes(torch.ones(shape, device=residual.posed.device)).shape[1]
        if count == 0:
            raise ConfigError(f"{chosen.name}: its equation has no div_grad or laplacian whose flux could be an unknown; take --loss weak")
        axes = residual.grid.axes
        self.auxiliary = tuple(Channel(f"flux_{axis}_{term}") for term in range(count // len(axes)) for axis in axes)

    def fluxes(self, given: Tensor) -> Tensor:
        """(b, c_in, *s) -> (b, flux, *s): those of what the equation lets expect, by stencils."""
        residual, d = self.residual, Mixed(self.stencils)
        expected = residual.posed.unknown(residual.expected(given).unbind(1))
        self.steady.residual(expected, plain(residual.coefficients(given)), d)
        return torch.cat([*d.own, given.new_zeros(len(given), 0, *residual.grid.shape)], 1)

    def expected(self, train: Samples) -> Tensor:
        with torch.no_grad():
            return torch.cat((super().expected(train), self.fluxes(train.given)), 1)

    def squares(self, network: Network, given: Tensor) -> Tensor:
        balls = self.balls(given)
        here = self.pointwise.at(network, given, balls.points)
        d = Mixed(here.d, list(here.auxiliary.unsqueeze(2).unbind(1)))
        left = rms(here.left(d, balls.tested)) / here.sizes(Mixed(here.d), balls.tested)
        with torch.no_grad():
            size = self.fluxes(given).square().flatten(2).mean(2).sum(1)
        missed = torch.cat(d.misses, 1).square().mean(2).sum(1) / size
        return missed + self.settings.weight * left.square().mean(1)
