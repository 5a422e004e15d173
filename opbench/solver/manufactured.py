"""Manufactured solutions: a formula is differentiated exactly and by stencils, and the difference must fall at the stencils' order.

They prove the stencils and the treatment of ends, not the equation: a wrong factor passes here.
Source of the method: Roache, J. Fluids Eng. 124 (2002).
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from opbench.boundary import Dirichlet, Neumann, Robin
from opbench.derivatives import Derivatives
from opbench.derivatives.autograd import Autograd
from opbench.derivatives.fourier import FourierField
from opbench.field import Field
from opbench.grid import AXES, Grid
from opbench.pde import PDE, EvolutionPDE, SteadyPDE, parts
from opbench.solver import compute, pose

FACTOR = 1.3  # of Robin conditions
BOUNDED_WAVES = 5.0  # radians over the unit box
BOUNDED_TIME = 0.05  # long enough for errors at the ends to spread, short against any growth


class WithStream(Autograd):
    """Autograd that knows one inverse Laplacian: that of the manufactured unknown."""

    def __init__(self, coords: Mapping[str, Tensor], stream: Tensor):
        super().__init__(coords)
        self.stream = stream

    def inverse_laplacian(self, field: Any) -> Tensor:
        return self.stream


def wave(coords: Sequence[Tensor], seed: int) -> Tensor:
    """A smooth formula, 2 pi periodic with zero mean, different for every seed, between -1.6 and 1.6."""
    total = torch.zeros_like(coords[0])
    for k in (1, 2):
        phase = torch.stack([((seed + 3 * i + k) % 3 - 1 or 1) * x for i, x in enumerate(coords)]).sum(0)
        total = total + torch.sin(k * phase + seed) / k**2
    return total + 0.3 * torch.cos(torch.stack(list(coords)).sum(0) + seed)


def coefficients(pde: PDE, axes: Sequence[str], coords: Sequence[Tensor]) -> dict[str, Tensor]:
    """All different and positive; what may vary in space does."""
    return {
        f.name: torch.full((1,) * len(axes), 0.7 + 0.1 * i, dtype=torch.float64) if f.uniform else 2 + wave(coords, 11 + i)
        for i, f in enumerate(pde.inputs_on(axes))
    }


class Manufactured:
    """An equation with manufactured unknowns on a periodic grid: what `rate` or `residual` gives by autograd, and by a discretisation."""

    def __init__(self, pde: PDE, dims: int, n: int):
        axes = AXES[:dims]
        self.pde = pde
        self.grid = Grid(axes, (n,) * dims, (0.0,) * dims, (2 * np.pi,) * dims, (True,) * dims)
        coords = [torch.tensor(x, requires_grad=True) for x in self.grid.mesh()]
        stream = wave(coords, 1)
        d = WithStream(dict(zip(axes, coords, strict=True)), stream)
        unknowns = pde.outputs_on(axes)
        if any(field.positive for field in unknowns):
            states = [0.6 + 0.15 * wave(coords, 5 + i) for i in range(len(unknowns))]
        else:
            states = [d.laplacian(stream), *(wave(coords, 5 + i) for i in range(len(unknowns) - 1))]
        given = coefficients(pde, axes, coords)
        self.names = [field.name for field in unknowns]
        self.given = {name: value.detach() for name, value in given.items()}
        self.exact = [part.detach() for part in parts(act(pde)(self._passed(states), given, d), self.names)]
        self.states = [state.detach() for state in states]

    def _passed(self, states: Sequence[Any]) -> Any:
        return states[0] if len(states) == 1 else dict(zip(self.names, states, strict=True))

    def discrete(self, d: Derivatives) -> list[Tensor]:
        """What the equation gives where `d` differentiates."""
        return [
            part.values if isinstance(part, FourierField) else part
            for part in parts(act(self.pde)(self._passed(self.states), self.given, d), self.names)
        ]

    def deviation(self, d: Derivatives) -> float:
        """Relative L2 distance from the exact values, the largest over unknowns."""
        pairs = zip(self.discrete(d), self.exact, strict=True)
        return max(float((ours - exact).norm() / exact.norm()) for ours, exact in pairs if float(exact.norm()) > 0)


def act(pde: PDE) -> Callable[..., Any]:
    """The equation's own function of unknown, given and d."""
    if isinstance(pde, EvolutionPDE):
        return pde.rate
    assert isinstance(pde, SteadyPDE)
    return pde.residual


def observed(sizes: Sequence[int], errors: Sequence[float]) -> list[float]:
    """Orders between neighbouring sizes (points, or cells where that is what halves)."""
    return [
        float(np.log(e / f) / np.log(m / n)) if e > 0 and f > 0 else float("nan")
        for (n, e), (m, f) in itertools.pairwise(zip(sizes, errors, strict=True))
    ]


def bounded_error(equation: type[PDE], dims: int, kind: str, order: int, cells: int) -> float:
    """Relative L2 error of a solve on the unit box whose exact solution is a formula that no reflection or period helps.

    kind: of all ends: "dirichlet", "neumann" or "robin", with the values that the formula has there. The formula is made a solution by a
    source; an evolution equation starts on it and must stay.
    """
    axes = AXES[:dims]
    grid = Grid(axes, (cells + 1,) * dims, (0.0,) * dims, (1.0,) * dims, (False,) * dims)
    coords = [torch.tensor(x, requires_grad=True) for x in grid.mesh()]
    d = Autograd(dict(zip(axes, coords, strict=True)))
    unknowns = equation().outputs_on(axes)
    fine = [BOUNDED_WAVES * x for x in coords]
    states = [0.6 + 0.15 * wave(fine, 5 + i) for i in range(len(unknowns))]
    named = {field.name: state for field, state in zip(unknowns, states, strict=True)}
    given = coefficients(equation(), axes, coords)
    forces = parts(act(equation())(states[0] if len(states) == 1 else named, given, d), [*named])
    boundary = {
        axis: tuple({n: _condition(kind, s, d, axis, place, end) for n, s in named.items()} for end in (0, 1))
        for place, axis in enumerate(axes)
    }
    arrays = {name: value.detach() for name, value in given.items()}
    arrays = {name: value.reshape(-1)[:1].reshape(()) if value.numel() == 1 else value for name, value in arrays.items()}
    sources = {source(name): force.detach() for name, force in zip(named, forces, strict=True)}
    pde = forced(equation)()
    initial = {name: state.detach() for name, state in named.items()} if isinstance(pde, EvolutionPDE) else {}
    posed, _ = pose(pde, grid, {**initial, **arrays, **sources}, boundary)  # pyright: ignore[reportArgumentType]
    times = (0.0, BOUNDED_TIME) if initial else None
    values = compute(posed, times, 1e-11, order).values
    ours = {name: (value[0, -1] if initial else value[0]) for name, value in values.items()}
    return max(float((ours[name] - s.detach()).norm() / s.detach().norm()) for name, s in named.items())


def _condition(kind: str, state: Tensor, d: Autograd, axis: str, place: int, end: int) -> Any:
    value = state.detach().select(place, -end)
    slope = (1 if end else -1) * d.partial(state, axis).detach().select(place, -end)
    return {"dirichlet": Dirichlet(value), "neumann": Neumann(slope), "robin": Robin(FACTOR, FACTOR * value + slope)}[kind]


def source(unknown: str) -> str:
    return f"source of {unknown}"


def forced(equation: type[PDE]) -> type[PDE]:
    """The same equation less a given source for each unknown."""
    sources = tuple(Field(source(field.name), along=field.along) for field in equation.outputs)

    def less(value: Any, given: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: part - given[source(name)] for name, part in value.items()}
        return value - given[source(equation.outputs[0].name)]

    def residual(self, unknown, /, given, d):
        return less(equation.residual(self, unknown, given, d), given)  # pyright: ignore[reportAttributeAccessIssue]

    def nonlinear(self, unknown, /, given, d):
        return less(equation.nonlinear(self, unknown, given, d), given)  # pyright: ignore[reportAttributeAccessIssue]

    changed = {"nonlinear": nonlinear} if issubclass(equation, EvolutionPDE) else {"residual": residual}
    return type(f"Forced{equation.__name__}", (equation,), {"inputs": (*equation.inputs, *sources), **changed})  # pyright: ignore[reportReturnType]
