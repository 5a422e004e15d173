"""An equation on one grid, applied to batches of levels: what it leaves of them.

    steady       r = residual(u)
    evolving     r_k = (w_{k+1} - w_k) / dt - sum_l a_kl rate(u_l)       w = u, or conserved(u) of a conservation law

The initial state is level 0, so an initial condition holds by construction. The sum integrates the cubic through the four levels nearest to
an interval (Adams and Moulton's formula of order 4 inside): w enters by neighbouring levels alone, so no odd-even mode is invisible.
Where the equation is u_t = L u + N(u) on a periodic grid and the symbol of L is the same for all samples, L is exponentiated as the solver
does it, r_k = (u_{k+1} - e^{L dt} u_k) / dt - sum_l b_kl(L dt) N(u_l): waves that decay within a frame then cost no accuracy.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from opbench.boundary import Dirichlet, Outflow, Robin, conditions, homogeneous
from opbench.derivatives.circulant import Circulant
from opbench.derivatives.finite_difference import FiniteDifference
from opbench.derivatives.fourier import Fourier, FourierField
from opbench.derivatives.spectral import Dealiased, Spectral
from opbench.derivatives.stencil import weights
from opbench.errors import ConfigError
from opbench.model import coordinates
from opbench.pde import ConservationLaw, EvolutionPDE, SteadyPDE
from opbench.residual.integrals import Exponential, Linear, Polynomial, integral
from opbench.residual.norms import Norm, inverse_laplacian, mean_squares, rms
from opbench.solver import Posed
from opbench.solver.ends import EndNodes
from opbench.solver.system import System, sawtooth

Differences = Literal["stencils", "spectral"]


class Strong:
    """An equation, applied to batches of what a model is given and what it predicts, in physical units.

    posed: the problem of one sample. channels: what a model is given, by name, the initial states first. times: of the levels, None where
    the equation is steady. order: of the solver's stencils.
    norm: "l2" of the residual; "inverse", of its inverse Laplacian, for steady equations with Dirichlet ends: what it leaves of a reference
    is about what the solver on this grid errs by (darcy_2d mini: 0.010 and 0.011), where the L2 norm says nothing (0.78); "auto" is the
    inverse where it is possible.
    derivatives: "stencils", or "spectral" on periodic grids, products dealiased.
    A steady equation is taken as the solver takes it: a multiplier's own row is smoothed, and what is fixed up to a constant has zero mean.
    Raises ConfigError for a norm or derivatives that do not fit, calling the problem by `name`.
    """

    def __init__(
        self,
        name: str,
        posed: Posed,
        channels: Sequence[str],
        times: Sequence[float] | None,
        order: int,
        dtype: torch.dtype = torch.float32,
        norm: Norm = "auto",
        derivatives: Differences = "stencils",
    ):
        self.pde, self.posed, self.grid, self.dtype = posed.pde, posed, posed.grid, dtype
        self.unknowns = posed.unknowns
        self.channels = {channel: i for i, channel in enumerate(channels)}
        self.uniform = {field.name for field in self.pde.inputs if field.uniform}
        self.d, self.exact, self.order = _derivatives(name, posed, order, dtype, derivatives)
        self.inverse = inverse_laplacian(name, posed, dtype, norm)
        self.smoothing: dict[str, float] = {}
        self.multipliers = [index for index, field in enumerate(self.unknowns) if field.multiplier]
        self.rows = [index for index, field in enumerate(self.unknowns) if not field.multiplier]
        self.system: System | None = None
        self.integral: Polynomial | Exponential | Linear | None = None
        if times is None:
            self.system = System(posed.sample(0), self.order)
            self.smoothing = {self.unknowns[index].name: strength for index, strength in self.system.smoothing.items()}
            self.free = self.system.free.to(posed.device, dtype)
        else:
            self.frame, self.time = times[1] - times[0], times[-1] - times[0]
            self.free = EndNodes(posed, self.order).free.to(dtype)
            self.integral = integral(self, len(times) - 1)

    def fields(self, given: Tensor, prediction: Tensor) -> Tensor:
        """(b, c_in, *s), (b, c_out, *s) -> the residual (b, unknown, level, *s), zero where a condition holds instead."""
        given, prediction = given.to(self.dtype), prediction.to(self.dtype)
        levels, coefficients = self.levels(given, prediction), self.coefficients(given)
        if self.integral is None:
            return self._steady(levels, coefficients)
        return self.integral(levels, coefficients) * self.free

    def relative(self, given: Tensor, prediction: Tensor, causal: float = 0.0) -> Tensor:
        """(b,): the root mean square of the residual and of what the ends miss, in units of the sample's own size.

        causal: eps of the weights exp(-eps sum of the squared residuals before) that the levels' squares get; 0 is one for all.
        """
        expected, sizes = self.scales(given)
        squares = (self._squares(self.fields(given, prediction)) / sizes.square().unsqueeze(2)).mean(1)
        if causal:
            before = squares.detach().cumsum(1) - squares.detach()
            squares = squares * torch.exp(-causal * before)
        total = squares.mean(1)
        for miss in self.misses(given, prediction, expected):
            total = total + miss.square().flatten(1).mean(1)
        return total.sqrt()

    def sizes(self, given: Tensor) -> Tensor:
        """(b, unknown): what a residual is measured by, from what is given alone.

        Steady: the residual of zero; of a multiplier's row, which zero solves, that of the state to expect. Evolving: the initial state
        over the time asked for, or where it vanishes the change that its rate makes in a frame; a residual of one would then be an error
        of about the size of the state.
        """
        return self.scales(given)[1]

    def expected(self, given: Tensor) -> Tensor:
        """(b, c_in, *s) -> (b, unknown, level, *s): what the equation lets expect without any label, for statistics and sizes.

        Evolving: the initial state. Steady: c m(x) with one bump m an unknown, which the rows answer as strongly as the sources, with the
        sign for which <m, residual(c m)> = 0.
        """
        return self.scales(given)[0]

    @torch.no_grad()
    def scales(self, given: Tensor) -> tuple[Tensor, Tensor]:
        """`expected` and `sizes`, which share their work."""
        given = given.to(self.dtype)
        initial, coefficients = self.levels(given, None), self.coefficients(given)
        if self.system is not None:
            return self._steady_scales(initial, coefficients, given)
        held = self.conserved(initial, coefficients)
        size, change = rms(held), rms(self.frame * self.act(self.rate, initial, coefficients))
        return initial, torch.where(size > 0, size, change) / self.time

    def _steady_scales(self, initial: Tensor, coefficients: Mapping[str, Any], given: Tensor) -> tuple[Tensor, Tensor]:
        count, ones = len(self.unknowns), [1] * self.grid.dims
        bumps = self._bumps(given)
        alone = bumps * torch.eye(count, dtype=self.dtype, device=given.device).reshape(1, count, count, *ones)  # a level for each of them
        found = self._steady(torch.cat((initial, alone), 2), coefficients)
        load, answers = found[:, :, :1], found[:, :, 1:] - found[:, :, :1]
        squares = self._squares(torch.cat((load, answers), 2))
        strengths = squares[:, self.rows].sum(1).sqrt()
        along = -(alone * load).flatten(3).sum((1, 3)) * (alone * answers).flatten(3).sum((1, 3))
        share = torch.copysign(strengths[:, :1] / strengths[:, 1:], along)
        expected, sizes = bumps * share.reshape(-1, count, 1, *ones), squares[:, :, 0].sqrt()
        if self.multipliers:
            sizes[:, self.multipliers] = rms(self._steady(expected, coefficients)[:, self.multipliers])
        return expected, sizes

    def _squares(self, fields: Tensor) -> Tensor:
        """Mean squares (b, unknown, level) of (b, unknown, level, *s), in the norm asked for; of a multiplier's row as it is."""
        if self.inverse is None:
            return mean_squares(fields)
        if not self.multipliers:
            return mean_squares(self.inverse(fields))
        smoothed = iter(self.inverse(fields[:, self.rows]).unbind(1))
        rows = [field if index in self.multipliers else next(smoothed) for index, field in enumerate(fields.unbind(1))]
        return mean_squares(torch.stack(rows, 1))

    def misses(self, given: Tensor, prediction: Tensor, expected: Tensor) -> Iterator[Tensor]:
        """What each condition misses by at the end that it holds at, relative to the unknown's size, (b, level, *side).

        Of an unknown that is fixed up to a constant its mean, (b, level), which the solver makes zero.
        """
        given, prediction = given.to(self.dtype), prediction.to(self.dtype)
        held = [part for part in conditions(self.posed.ends) if not isinstance(part[-1], Outflow)]
        floating = [] if self.system is None else self.system.floating
        if not held and not floating:
            return
        levels = self.levels(given, prediction)[:, :, -prediction.shape[1] // len(self.unknowns) :]
        sizes = rms(expected).clamp(min=torch.finfo(self.dtype).tiny)
        for axis, unknown, end, condition in held:
            place, index = self.grid.axes.index(axis), [field.name for field in self.unknowns].index(unknown)
            value = condition.value.to(self.dtype)
            value = (value if value.ndim > self.grid.dims else value[None]).unsqueeze(1).select(place + 2, 0)
            miss = self._miss(levels[:, index], place, end, condition, value)
            yield miss / sizes[:, index].reshape(-1, *[1] * (miss.ndim - 1))
        for index in floating:
            assert self.system is not None
            yield self.system.mean(levels[:, index].flatten(0, 1)).reshape(levels.shape[0], -1) / sizes[:, [index]]

    def _bumps(self, given: Tensor) -> Tensor:
        """(b, unknown, 1, *s): one for every unknown, zero where it is, of zero mean where a constant changes nothing."""
        assert self.system is not None
        bumps = self.mollifier(coordinates(self.grid, given.dtype, given.device)) + 0 * self.levels(given, None)
        for index in self.system.floating:
            waves = torch.zeros_like(bumps[:1, index])
            for place, wraps in enumerate(self.grid.periodic):
                shape = [1] * self.grid.dims
                n = shape[place] = self.grid.shape[place]
                angle = torch.arange(n, device=given.device, dtype=self.dtype) * torch.pi * (2 / n if wraps else 1 / (n - 1))
                waves = waves + torch.cos(angle).reshape(shape)
            bumps[:, index] = waves
        return bumps

    def mollifier(self, coords: Tensor) -> Tensor:
        """(*s, d) -> (unknown, 1, *s): between 0 and 1, zero where an unknown is, and with a slope there."""
        factors = []
        for field in self.unknowns:
            factor = torch.ones_like(coords[..., 0])
            for place, axis in enumerate(self.grid.axes):
                if axis in self.posed.conditions:
                    x = (coords[..., place] - self.grid.lower[place]) / (self.grid.upper[place] - self.grid.lower[place])
                    lower, upper = (isinstance(c, Dirichlet) and homogeneous(c) for c in self.posed.conditions[axis][field.name])
                    factor = factor * (4 * x * (1 - x) if lower and upper else x * (2 - x) if lower else (1 - x) * (1 + x) if upper else 1)
            factors.append(factor)
        return torch.stack(factors).unsqueeze(1)

    def levels(self, given: Tensor, prediction: Tensor | None) -> Tensor:
        """(b, unknown, level, *s): the initial state, where there is one, and what is predicted; zeros for a steady state without."""
        count = len(self.unknowns)
        predicted = None if prediction is None else prediction.unflatten(1, (count, -1))
        if isinstance(self.pde, SteadyPDE):
            return torch.zeros_like(given[:, :1, None]).expand(-1, count, -1, *self.grid.shape) if predicted is None else predicted
        initial = given[:, :count].unsqueeze(2)
        return initial if predicted is None else torch.cat((initial, predicted), 2)

    def coefficients(self, given: Tensor) -> dict[str, Any]:
        """The equation's inputs by name, each broadcastable to (b, level, *s): from the channels that a model is told, or fixed."""
        told = {name: given[:, [i]] for name, i in self.channels.items() if name in self.posed.given}
        point = (..., *[slice(0, 1)] * self.grid.dims)
        values = {name: value.to(self.dtype).unsqueeze(1) for name, value in self.posed.given.items() if name not in told}
        values |= {name: value[point] if name in self.uniform else value for name, value in told.items()}
        if isinstance(self.d, Fourier):
            return {name: value if self.d.uniform(value) else self.d.field(value) for name, value in values.items()}
        return values

    def act(self, function: Callable[..., Any], levels: Tensor, coefficients: Mapping[str, Any]) -> Tensor:
        """A function of the equation (rate, residual, ...) at all levels, (b, unknown, level, *s)."""
        fields = [self.d.field(values) if isinstance(self.d, Fourier) else values for values in levels.unbind(1)]
        made = function(self.posed.unknown(fields), coefficients, self.d)
        return torch.stack([part.values if isinstance(part, FourierField) else part for part in self.posed.parts(made)], 1)

    def _steady(self, levels: Tensor, coefficients: Mapping[str, Any]) -> Tensor:
        """The rows of a steady equation, zero where a condition holds instead."""

        def rows(unknown: Any, given: Mapping[str, Any], d: Any) -> Any:
            assert isinstance(self.pde, SteadyPDE)
            found = self.pde.residual(unknown, given, d)
            smoothed = {name: found[name] + sawtooth(d, unknown[name]) * strength for name, strength in self.smoothing.items()}
            return found | smoothed if smoothed else found

        return self.act(rows, levels, coefficients) * self.free

    def rate(self, unknown: Any, given: Mapping[str, Any], d: Any) -> Any:
        assert isinstance(self.pde, EvolutionPDE)
        return self.pde.rate(unknown, given, d)

    def conserved(self, levels: Tensor, coefficients: Mapping[str, Any]) -> Tensor:
        """What the rate is the derivative of."""
        pde = self.pde
        if not isinstance(pde, ConservationLaw) or type(pde).conserved is ConservationLaw.conserved:
            return levels
        return self.act(lambda unknown, given, d: pde.conserved(unknown, given), levels, coefficients)

    def _miss(self, field: Tensor, place: int, end: int, condition: Any, value: Tensor) -> Tensor:
        """The end node less the value that its condition asks for, given the nodes inside; field (b, level, *s)."""
        axis = place + 2
        if isinstance(condition, Dirichlet):
            return field.select(axis, -end) - value
        slope, spacing = weights(tuple(range(self.order + 1)), 1), self.grid.spacing[place]
        factor = condition.factor if isinstance(condition, Robin) else 0.0
        inside = [w * field.select(axis, -1 - j if end else j) for j, w in enumerate(slope) if j]
        return field.select(axis, -end) - (value + sum(inside[1:], inside[0]) / spacing) / (factor - slope[0] / spacing)


def _derivatives(name: str, posed: Posed, order: int, dtype: torch.dtype, kind: Differences) -> tuple[Any, Any, int]:
    """What differentiates, the same in float64 on periodic grids, and the stencils' order.

    The order is the recipe's on periodic grids; 4 at most beside ends, 2 where a solution may jump or nothing damps.
    """
    pde, grid = posed.pde, posed.grid
    even = 2 if isinstance(pde, ConservationLaw) else order + order % 2
    if kind == "spectral":
        if not all(grid.periodic):
            axes = ", ".join(axis for axis, wraps in zip(grid.axes, grid.periodic, strict=True) if not wraps)
            raise ConfigError(
                f"{name}: spectral derivatives take periodic axes, and {axes} is bounded; take --set loss.derivatives=stencils"
            )
        return Dealiased(grid, posed.device, dtype), Spectral(grid, posed.device), even
    if all(grid.periodic):
        return Circulant(grid, even, posed.device, dtype), Circulant(grid, even, posed.device), even
    damped = isinstance(pde, SteadyPDE) or (isinstance(pde, EvolutionPDE) and pde.dissipative)
    low = min(even, 4 if damped else 2)
    return FiniteDifference(grid, low), None, low
