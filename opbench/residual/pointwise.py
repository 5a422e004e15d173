"""A task's own equation at points of a loss' choice, for models whose output at a point depends on no other point.

    steady       r = <residual(u)>
    evolving     r_k = <w_{k+1} - w_k> / dt - sum_l a_kl <rate(u_l)>            as in opbench.residual

< > is what a loss measures an expression by: its values at the points, or its integrals against test functions. Derivatives in space are
autograd's, those in time those of opbench.residual. Given fields are interpolated between their grid's points, with their nearest value
where their law jumps.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from opbench.data.recipe import Recipe
from opbench.data.samples import laws
from opbench.data.task import Problem
from opbench.derivatives import Derivatives
from opbench.derivatives.autograd import Autograd
from opbench.derivatives.fourier import FourierField
from opbench.errors import ConfigError, OpbenchError
from opbench.interpolation import at_points
from opbench.model import OperatorModel
from opbench.pde import ConservationLaw, SteadyPDE
from opbench.quadrature import means
from opbench.residual import Residual

DEGREE = 5  # of the interpolation: second derivatives of given fields are then of order 4
Network = Callable[[Tensor, Tensor], Tensor]  # given (b, c, *s), coords (*points, d) -> (b, channels, *points)
Measure = Callable[[Any], Tensor]  # an expression of the equation -> (b, level, m)


class Pointwise:
    """The equation of a residual, which says how it is posed on the grid that a task's inputs stand on.

    Raises ConfigError where the equation asks for what autograd has not, for steady equations of several unknowns and for tasks that
    ask for the last state alone.
    """

    def __init__(self, chosen: Problem, residual: Residual):
        assert isinstance(chosen.recipe, Recipe)
        several = isinstance(residual.pde, SteadyPDE) and len(residual.unknowns) > 1
        if several or chosen.task.kind == "final":
            what = "steady equations of one unknown" if several else "tasks of neighbouring states"
            raise ConfigError(f"{chosen.name}: the losses at points of their own take {what} so far; take --loss physics")
        self.on_grid, self.grid, self.channels = residual, residual.grid, chosen.spec.out_channels
        jumping = {name for name, law in laws(chosen.plan, "train").items() if law.jumps}
        self.degrees = {field.name: 0 if field.name in jumping else DEGREE for field in chosen.recipe.fields}
        self.matrix: Tensor | None = None
        if levels := chosen.levels:
            self.matrix = means(len(levels) - 1).to(residual.posed.device, residual.dtype)
        self._require_local(chosen.name)

    def at(self, network: Network, given: Tensor, points: Tensor) -> "AtPoints":
        """The model's answer at points (p, d) and what is given there, points shared by the batch."""
        given = given.to(self.on_grid.dtype)
        coordinates = [x.clone().requires_grad_() for x in points.to(given.dtype).unbind(1)]
        coords = torch.stack(coordinates, -1).reshape(-1, *[1] * (self.grid.dims - 1), self.grid.dims)
        answer = network(given, coords).flatten(2).to(given.dtype)
        return AtPoints(self, given, coordinates, answer[:, : self.channels], answer[:, self.channels :])

    def _require_local(self, name: str) -> None:
        residual, channels = self.on_grid, self.channels
        given = torch.ones(1, len(residual.channels), *self.grid.shape, device=residual.posed.device)
        points = torch.tensor([self.grid.lower, self.grid.upper], device=given.device)
        here = self.at(lambda _, coords: coords.sum(-1).expand(1, channels, *coords.shape[:-1]), given, points)
        try:
            here.left(here.d, lambda expression: expression)
        except OpbenchError as error:
            raise ConfigError(f"{name}: {error}; take --loss physics") from error


class AtPoints:
    """One batch at one set of points: what `Pointwise` makes an equation's expressions of.

    levels (b, unknown, level, p), the initial state first where there is one; auxiliary (b, channels, p): what a model answers beside.
    """

    def __init__(self, owner: Pointwise, given: Tensor, coordinates: Sequence[Tensor], answer: Tensor, auxiliary: Tensor):
        self.owner, self.auxiliary = owner, auxiliary
        self.d = Autograd(dict(zip(owner.grid.axes, coordinates, strict=True)))
        residual, names = owner.on_grid, [field.name for field in owner.on_grid.unknowns]
        initial = residual.levels(given, None)
        if isinstance(residual.pde, SteadyPDE):
            self.initial = torch.zeros_like(answer[:, :1]).expand(-1, len(names), -1).unsqueeze(2)
            self.levels = answer.unflatten(1, (len(names), -1))
        else:
            states = [self._here(name, state, coordinates) for name, state in zip(names, initial.unbind(1), strict=True)]
            self.initial = torch.stack(states, 1)
            self.levels = torch.cat((self.initial, answer.unflatten(1, (len(names), -1))), 2)
        self.coefficients = {name: self._here(name, value, coordinates) for name, value in plain(residual.coefficients(given)).items()}

    def left(self, d: Derivatives, measure: Measure) -> Tensor:
        """(b, unknown, level, m): what is left of the equation, written with the derivatives d, as `measure` sees it."""
        residual = self.owner.on_grid
        if isinstance(residual.pde, SteadyPDE):
            return self._act(residual.pde.residual, self.levels, d, measure)
        rate = self._act(residual.rate, self.levels, d, measure)
        change = self._act(self._conserved, self.levels, d, measure).diff(dim=2) / residual.frame
        assert self.owner.matrix is not None
        return change - torch.einsum("kl,bulm->bukm", self.owner.matrix, rate)

    def sizes(self, d: Derivatives, measure: Measure) -> Tensor:
        """(b, unknown): what a residual is measured by, as `Residual.sizes` and by the same measure; no gradient goes through."""
        residual = self.owner.on_grid
        if isinstance(residual.pde, SteadyPDE):
            return rms(self._act(residual.pde.residual, self.initial, d, measure)).detach()
        held = rms(self._act(self._conserved, self.initial, d, measure))
        change = residual.frame * rms(self._act(residual.rate, self.initial, d, measure))
        return (torch.where(held > 0, held, change) / residual.time).detach()

    def _here(self, name: str, value: Tensor, coordinates: Sequence[Tensor]) -> Tensor:
        """A field on the grid (b, level, *s) at the points, (b, level, p); or (b, level, 1) where it is constant in space."""
        grid = self.owner.grid
        if value.shape[-grid.dims :].numel() == 1:
            return value.flatten(-grid.dims)
        return at_points(value.expand(*value.shape[: -grid.dims], *grid.shape), grid, coordinates, self.owner.degrees[name])

    def _conserved(self, unknown: Any, given: Mapping[str, Any], d: Derivatives) -> Any:
        pde = self.owner.on_grid.pde
        return pde.conserved(unknown, given) if isinstance(pde, ConservationLaw) else unknown

    def _act(self, function: Callable[..., Any], levels: Tensor, d: Derivatives, measure: Measure) -> Tensor:
        posed = self.owner.on_grid.posed
        parts = posed.parts(function(posed.unknown(levels.unbind(1)), self.coefficients, d))
        return torch.stack(torch.broadcast_tensors(*map(measure, parts)), 1)


def plain(coefficients: Mapping[str, Any]) -> dict[str, Tensor]:
    """Coefficients on a grid as tensors, whatever they are to the grid's own derivatives."""
    return {name: value.values if isinstance(value, FourierField) else value for name, value in coefficients.items()}


def rms(values: Tensor) -> Tensor:
    """(b, unknown, level, m) -> (b, unknown)."""
    return values.square().flatten(2).mean(2).sqrt()


def one_point_at_a_time(model: OperatorModel) -> str:
    """Empty where a model's answer at a point is a function of that point and of what is given; else what is wrong, found by trial."""
    spec, training = model.spec, model.training
    given = torch.linspace(-1, 1, 2 * spec.in_channels * math.prod(spec.grid.shape)).sin().reshape(2, spec.in_channels, *spec.grid.shape)
    lower, upper = torch.tensor(spec.grid.lower), torch.tensor(spec.grid.upper)
    points = lower + (upper - lower) * torch.tensor([0.21, 0.34, 0.55]).reshape(-1, *[1] * spec.dims)
    model.eval()
    try:
        with torch.no_grad():
            together = model(given, points)
            if together.shape != (2, spec.out_channels, *points.shape[:-1]):
                return "answers on the grid of what it is given, not at points of a loss' choice"
            alone = torch.cat([model(given, points[i : i + 1]) for i in range(len(points))], 2)
    except Exception:  # whatever a model that expects its grid makes of other points
        return "answers on the grid of what it is given, not at points of a loss' choice"
    finally:
        model.train(training)
    if not torch.allclose(together, alone, rtol=1e-4, atol=1e-5):
        return "its answer at a point depends on the other points that it is asked for"
    return "" if (together != together[:, :, :1]).any() else "its answer does not depend on the coordinates"
