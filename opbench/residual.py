"""What a task's own equation leaves of a model's output, with the solver's stencils.

    static       r = residual(u)
    trajectory   r_k = (w_{k+1} - w_k) / dt - sum_l a_kl rate(u_l)       w = u, or conserved(u) of a conservation law
    step         the same with two levels, the trapezoidal rule

The initial state is level 0, so an initial condition holds by construction. The sum integrates the cubic through the four levels nearest to
an interval (Adams and Moulton's formula of order 4 inside): w enters by neighbouring levels alone, so no odd-even mode is invisible.
Where the equation is u_t = L u + N(u) on a periodic grid and the symbol of L is the same for all samples, L is exponentiated as the solver
does it, r_k = (u_{k+1} - e^{L dt} u_k) / dt - sum_l b_kl(L dt) N(u_l): waves that decay within a frame then cost no accuracy.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from opbench.boundary import Dirichlet, Outflow, Robin, conditions, homogeneous
from opbench.derivatives.circulant import Circulant
from opbench.derivatives.finite_difference import FiniteDifference
from opbench.derivatives.fourier import Fourier, FourierField
from opbench.derivatives.stencil import weights
from opbench.errors import ConfigError
from opbench.generation import draw, laws
from opbench.grid import Grid
from opbench.pde import ConservationLaw, EvolutionPDE, SteadyPDE
from opbench.quadrature import exponential, means, nearest
from opbench.recipe import Recipe
from opbench.solver import Posed, pose
from opbench.solver.evolution import NotDiagonal, Semidiscrete
from opbench.task import Problem

Norm = Literal["auto", "l2", "inverse"]


def unfit(chosen: Problem) -> str:
    """Why a task's equation makes nothing of a model's output, or an empty string."""
    if not isinstance(chosen.recipe, Recipe):
        return f"{chosen.name} comes without an equation; train on data"
    if chosen.task.kind == "final":
        return f"{chosen.name} asks for the last state alone, and the equation ties neighbouring ones; take {chosen.recipe.name}/trajectory"
    if isinstance(chosen.recipe.pde, SteadyPDE) and len(chosen.recipe.unknowns) > 1:
        names = ", ".join(field.name for field in chosen.recipe.unknowns)
        return f"{chosen.name} asks for {names}; of steady equations those of one unknown are taken so far, train on data"
    return ""


class Residual:
    """A task's equation on one grid, applied to batches of what a model is given and what it predicts, in physical units.

    norm: "l2" of the residual; "inverse", of its inverse Laplacian, for steady equations with Dirichlet ends: what it leaves of a reference
    is about what the solver on this grid errs by (darcy_2d mini: 0.010 and 0.011), where the L2 norm says nothing (0.78); "auto" is the
    inverse where it is possible. Raises ConfigError where the task is `unfit`, or the norm.
    """

    def __init__(
        self,
        chosen: Problem,
        grid: Grid | None = None,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        norm: Norm = "auto",
    ):
        if reason := unfit(chosen):
            raise ConfigError(reason)
        assert isinstance(chosen.recipe, Recipe)
        assert chosen.plan is not None
        self.pde, self.task, self.dtype = chosen.recipe.pde, chosen.task.kind, dtype
        self.grid = chosen.spec.grid if grid is None else grid
        self.channels = {channel.field: i for i, channel in enumerate(chosen.spec.inputs)}
        self.posed = _posed(chosen, self.grid, device)
        self.unknowns = self.posed.unknowns
        self.uniform = {field.name for field in self.pde.inputs if field.uniform}
        self.d, self.order = _derivatives(chosen.recipe, self.grid, device, dtype)
        self.free = _free(self.posed).to(dtype)
        self.inverse = _inverse_laplacian(chosen.name, self.posed, dtype, norm)
        times = chosen.plan.times
        self.frame = 0.0 if times is None else times[1] - times[0]
        self.time = self.frame if self.task == "step" or times is None else times[-1] - times[0]
        self.integral: _Polynomial | _Exponential | None = None
        if times is not None:
            self.integral = _integral(self, len(times) - 1 if self.task == "trajectory" else 1)

    def fields(self, given: Tensor, prediction: Tensor) -> Tensor:
        """(b, c_in, *s), (b, c_out, *s) -> the residual (b, unknown, level, *s), zero where a condition holds instead."""
        given, prediction = given.to(self.dtype), prediction.to(self.dtype)
        levels, coefficients = self.levels(given, prediction), self.coefficients(given)
        if isinstance(self.pde, SteadyPDE):
            left = self.act(self.pde.residual, levels, coefficients)
        else:
            assert self.integral is not None
            left = self.integral(levels, coefficients)
        return left * self.free

    def relative(self, given: Tensor, prediction: Tensor) -> Tensor:
        """(b,): the root mean square of the residual and of what the ends miss, in units of the sample's own size."""
        left = self._measured(self.fields(given, prediction))
        total = (left / self.sizes(given)).square().mean(1)
        for miss in self.misses(given, prediction):
            total = total + miss.square().flatten(1).mean(1)
        return total.sqrt()

    def sizes(self, given: Tensor) -> Tensor:
        """(b, unknown): what a residual is measured by, from what is given alone.

        Steady: the residual of zero. Evolving: the initial state over the time asked for, or where it vanishes the change that its rate
        makes in a frame; a residual of one would then be an error of about the size of the state.
        """
        coefficients, initial = self.coefficients(given.to(self.dtype)), self.levels(given.to(self.dtype), None)
        if isinstance(self.pde, SteadyPDE):
            return self._measured(self.act(self.pde.residual, initial, coefficients) * self.free)
        held = self.conserved(initial, coefficients)
        size, change = self._measured(held), self.frame * self._measured(self.act(self.rate, initial, coefficients))
        return torch.where(size > 0, size, change) / self.time

    def _measured(self, fields: Tensor) -> Tensor:
        """Root mean squares (b, unknown) of (b, unknown, level, *s), in the norm asked for."""
        return _rms(fields if self.inverse is None else self.inverse(fields))

    def misses(self, given: Tensor, prediction: Tensor) -> Iterator[Tensor]:
        """What each condition misses by at the end that it holds at, relative to the unknown's size, (b, level, *side)."""
        levels = self.levels(given.to(self.dtype), prediction.to(self.dtype))
        sizes = None
        for axis, unknown, end, condition in conditions(self.posed.ends):
            if isinstance(condition, Outflow):
                continue
            if sizes is None:
                sizes = _rms(self.expected(given)).clamp(min=torch.finfo(self.dtype).tiny)
            place, index = self.grid.axes.index(axis), [field.name for field in self.unknowns].index(unknown)
            value = condition.value.to(self.dtype)
            value = (value if value.ndim > self.grid.dims else value[None]).unsqueeze(1).select(place + 2, 0)
            miss = self._miss(levels[:, index, -prediction.shape[1] // len(self.unknowns) :], place, end, condition, value)
            yield miss / sizes[:, index].reshape(-1, *[1] * (miss.ndim - 1))

    def expected(self, given: Tensor) -> Tensor:
        """(b, c_in, *s) -> (b, unknown, level, *s): what the equation lets expect without any label, for statistics and sizes.

        Evolving: the initial state. Steady: c m(x) with one bump m and the c for which <m, residual(c m)> = 0 (Galerkin's method).
        """
        initial = self.levels(given.to(self.dtype), None)
        if not isinstance(self.pde, SteadyPDE):
            return initial
        coefficients, bump = self.coefficients(given.to(self.dtype)), self.mollifier(coordinates_of(self.grid, given)) + 0 * initial
        load = self.act(self.pde.residual, initial, coefficients) * self.free
        response = self.act(self.pde.residual, bump, coefficients) * self.free - load
        axes = tuple(range(1, bump.ndim))
        return -bump * (bump * load).sum(axes, keepdim=True) / (bump * response).sum(axes, keepdim=True)

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
        parts = list(made.values()) if isinstance(made, Mapping) else [made]
        return torch.stack([part.values if isinstance(part, FourierField) else part for part in parts], 1)

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


class _Polynomial:
    """(w_{k+1} - w_k) / dt - the mean over the interval of the polynomial through the nearest levels' rates."""

    def __init__(self, residual: Residual, intervals: int):
        self.owner = residual
        self.matrix = means(intervals).to(residual.posed.device, residual.dtype)

    def __call__(self, levels: Tensor, coefficients: Mapping[str, Any]) -> Tensor:
        rate = self.owner.act(self.owner.rate, levels, coefficients)
        mean = torch.einsum("kl,bul...->buk...", self.matrix, rate)
        return self.owner.conserved(levels, coefficients).diff(dim=2) / self.owner.frame - mean


class _Exponential:
    """(u_{k+1} - e^z u_k) / dt - sum_l b_l(z) N(u_l), z = L dt; symbol: of L, (unknown, 1, *wavenumbers)."""

    def __init__(self, residual: Residual, intervals: int, symbol: Tensor):
        self.owner = residual
        z = symbol[:, 0] * residual.frame
        kind = torch.promote_types(residual.dtype, torch.complex32) if z.is_complex() else residual.dtype
        self.decay = torch.exp(z).unsqueeze(1).to(kind)
        self.rows: dict[tuple[int, ...], list[int]] = {}
        for k, nodes in enumerate(nearest(intervals)):
            self.rows.setdefault(tuple(node - k for node in nodes), []).append(k)
        self.weights = {offsets: exponential(z, offsets).movedim(-1, 1).to(kind) for offsets in self.rows}

    def __call__(self, levels: Tensor, coefficients: Mapping[str, Any]) -> Tensor:
        owner, dims = self.owner, tuple(range(-self.owner.grid.dims, 0))
        assert isinstance(owner.pde, EvolutionPDE)
        state = torch.fft.rfftn(levels, dim=dims)
        force = torch.fft.rfftn(owner.act(owner.pde.nonlinear, levels, coefficients), dim=dims)
        parts: dict[int, Tensor] = {}
        for offsets, rows in self.rows.items():
            for k in rows:
                parts[k] = (self.weights[offsets] * force[:, :, k + offsets[0] : k + offsets[-1] + 1]).sum(2)
        integrals = torch.stack([parts[k] for k in sorted(parts)], 2)
        left = (state[:, :, 1:] - self.decay * state[:, :, :-1]) / owner.frame - integrals
        return torch.fft.irfftn(left, s=owner.grid.shape, dim=dims)


def _integral(residual: Residual, intervals: int) -> _Polynomial | _Exponential:
    told = set(residual.channels) & set(residual.posed.given)
    if isinstance(residual.d, Fourier) and not told and not isinstance(residual.pde, ConservationLaw):
        assert isinstance(residual.pde, EvolutionPDE)
        exact = Circulant(residual.grid, residual.order, residual.posed.device)
        try:
            symbol = Semidiscrete(residual.pde, exact, residual.posed.given).symbol
        except NotDiagonal:
            return _Polynomial(residual, intervals)
        if symbol.ndim == residual.grid.dims + 2:  # else it couples unknowns
            return _Exponential(residual, intervals, symbol)
    return _Polynomial(residual, intervals)


def coordinates_of(grid: Grid, like: Tensor) -> Tensor:
    """Positions of all points (*space, d), of a tensor's type and place."""
    return torch.as_tensor(np.stack(grid.mesh(), axis=-1), dtype=like.dtype, device=like.device)


def _posed(chosen: Problem, grid: Grid, device: str) -> Posed:
    """The problem of one training sample: what is not told to a model is the same in all of them."""
    assert isinstance(chosen.recipe, Recipe)
    assert chosen.plan is not None
    given = {}
    for name, values in draw(chosen.plan, "train", range(1), grid).items():
        given[name] = values[0] if values.ndim > 1 else float(values[0])
    for _, unknown, _, condition in conditions(chosen.recipe.conditions) if chosen.recipe.boundary else ():
        if isinstance(value := getattr(condition, "value", None), str) and laws(chosen.plan, "train")[value].random:
            raise ConfigError(f"{chosen.name}: the value of {unknown} at an end is random; the physics loss takes fixed ones so far")
    return pose(chosen.recipe.pde, grid, given, chosen.recipe.boundary or None, device)[0]


def _derivatives(recipe: Recipe, grid: Grid, device: str, dtype: torch.dtype) -> tuple[Any, int]:
    """The stencils and their order: the recipe's on periodic grids; 4 at most beside ends, 2 where a solution may jump or nothing damps."""
    even = recipe.solving.order + recipe.solving.order % 2
    if isinstance(recipe.pde, ConservationLaw):
        even = 2
    if all(grid.periodic):
        return Circulant(grid, even, device, dtype), even
    damped = isinstance(recipe.pde, SteadyPDE) or recipe.pde.dissipative  # pyright: ignore[reportAttributeAccessIssue]
    order = min(even, 4 if damped else 2)
    return FiniteDifference(grid, order), order


def _inverse_laplacian(name: str, posed: Posed, dtype: torch.dtype, norm: Norm) -> Callable[[Tensor], Tensor] | None:
    """The w with laplacian(w) = field, w = 0 at the ends of bounded axes, by second-order stencils on the field's odd extension."""
    grid = posed.grid
    fits = isinstance(posed.pde, SteadyPDE) and all(isinstance(c, Dirichlet) for *_, c in conditions(posed.ends))
    if norm == "l2" or (norm == "auto" and not fits):
        return None
    if not fits:
        raise ConfigError(f"{name}: the norm 'inverse' takes steady equations with Dirichlet ends or none; take --set loss.norm=l2")
    shape = tuple(n if wraps else 2 * (n - 1) for n, wraps in zip(grid.shape, grid.periodic, strict=True))
    upper = tuple(low + n * h for low, n, h in zip(grid.lower, shape, grid.spacing, strict=True))
    d = Circulant(Grid(grid.axes, shape, grid.lower, upper, (True,) * grid.dims), 2, posed.device, dtype)
    bounded = [place - grid.dims for place, wraps in enumerate(grid.periodic) if not wraps]

    def inverse(fields: Tensor) -> Tensor:
        for place in bounded:
            fields = torch.cat((fields, -fields.narrow(place, 1, fields.shape[place] - 2).flip(place)), place)
        whole = d.inverse_laplacian(fields).values
        return whole[(..., *(slice(n) for n in grid.shape))]

    return inverse


def _free(posed: Posed) -> Tensor:
    """(unknown, 1, *space): 1 where the equation holds and 0 where a condition does."""
    free = torch.ones(len(posed.unknowns), 1, *posed.grid.shape, dtype=torch.float64, device=posed.device)
    names = [field.name for field in posed.unknowns]
    for axis, unknown, end, condition in conditions(posed.ends):
        if not isinstance(condition, Outflow):
            free[names.index(unknown)].select(posed.grid.axes.index(axis) - posed.grid.dims, -end).zero_()
    return free


def _rms(values: Tensor) -> Tensor:
    """(b, unknown, level, *s) -> (b, unknown)."""
    return values.square().flatten(2).mean(2).sqrt()
