"""The task's own equation against random test functions on balls (weak form): fewer derivatives of the model; reads no reference."""

from collections.abc import Callable
from typing import Any, Literal, Self

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from opbench.data.task import Problem
from opbench.derivatives.weak import Divergence, Weak
from opbench.errors import ConfigError
from opbench.grid import Grid
from opbench.losses import LossSettings, Network
from opbench.losses import _wendland as wendland
from opbench.losses._pointwise import PointwiseLoss, PointwiseSettings, drawn
from opbench.residual.pointwise import rms

RULES: dict[str, Callable[[int, int], tuple[Tensor, Tensor]]] = {"gauss": wendland.gauss, "mean": wendland.mean}


class WeakSettings(PointwiseSettings):
    """centres: balls, drawn anew at each step, for all samples of a batch.

    radius: the balls', in parts of the domain's shortest side; smallest: where it is given, radii lie between both, evenly in their
    logarithm. rule: "gauss" is a true integral with `nodes` Gauss points along the radius; "mean" is the plain mean over a regular grid
    of `nodes` an axis, without the volume factor. DGenNO's released code is radius = 1e-4, rule = "mean", nodes = 9.
    """

    centres: PositiveInt = 32
    radius: float = Field(default=0.1, gt=0, lt=0.5)
    smallest: float | None = Field(default=None, gt=0)
    rule: Literal["gauss", "mean"] = "gauss"
    nodes: int = Field(default=3, ge=2)


class Balls:
    """Balls in a domain with their quadrature nodes, `points` (ball * node, d), and the test functions there.

    A test function is scaled by radius^(1 - d): on balls that cover a domain to one density, the squares of what an equation leaves then
    add up to a norm like that of H^-1, whatever the radii.
    """

    def __init__(self, grid: Grid, settings: WeakSettings, unit: Tensor, share: Tensor):
        """unit: where the centres lie, (ball, d) in [0, 1); share: where the radii lie between smallest and largest, (ball,) in [0, 1)."""
        side = min(high - low for low, high in zip(grid.lower, grid.upper, strict=True))
        largest, smallest = settings.radius * side, (settings.smallest or settings.radius) * side
        radius = smallest * (largest / smallest) ** share[:, None]
        places, volumes = (part.to(unit) for part in RULES[settings.rule](grid.dims, settings.nodes))
        self.points = (drawn(grid, unit, radius)[:, None] + radius[:, :, None] * places).flatten(0, 1)
        scale = volumes * (radius if settings.rule == "gauss" else torch.ones_like(radius))  # radius^d of the volume, radius^(1 - d)
        slope = scale[..., None] / radius[..., None] * wendland.gradient(places)
        self.weights: dict[str | None, Tensor] = {None: scale * wendland.phi(places)}
        self.weights |= {axis: slope[..., place] for place, axis in enumerate(grid.axes)}

    def integral(self, field: Tensor, axis: str | None) -> Tensor:
        """(b, level, ball * node) -> (b, level, ball): over each ball, of the field times phi, or times its derivative along an axis."""
        weight = self.weights[axis]
        return (field.expand(*field.shape[:-1], weight.numel()).unflatten(-1, weight.shape) * weight).sum(-1)

    def tested(self, expression: Any) -> Tensor:
        return expression.tested(self.integral) if isinstance(expression, Divergence) else self.integral(expression, None)


class WeakLoss(PointwiseLoss):
    """The root mean square over balls of <residual, phi>, over that of zero's. Validation is the physics loss on the grid.

    Source: Zang and Koutsourelakis, DGenNO (2025), after ParticleWNN (Zang and Bao, 2023).
    """

    Settings = WeakSettings

    @classmethod
    def of(cls, chosen: Problem, settings: LossSettings, device: str = "cpu") -> Self:
        assert isinstance(settings, WeakSettings)
        if settings.smallest is not None and settings.smallest > settings.radius:
            raise ConfigError(f"loss weak: smallest ({settings.smallest}) is above radius ({settings.radius}); exchange them")
        return super().of(chosen, settings, device)

    def balls(self, given: Tensor) -> Balls:
        count, grid = self.settings.centres, self.residual.grid
        unit = wendland.latin_hypercube(count, grid.dims, given.device)
        return Balls(grid, self.settings, unit, torch.rand(count, device=given.device))

    def squares(self, network: Network, given: Tensor) -> Tensor:
        balls = self.balls(given)
        here = self.pointwise.at(network, given, balls.points)
        d = Weak(here.d)
        return (rms(here.left(d, balls.tested)) / here.sizes(d, balls.tested)).square().mean(1)
