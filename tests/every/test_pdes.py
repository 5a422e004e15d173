"""What every equation keeps: it shows its stencils' order on manufactured fields, and an exact solution stands in tests/exact.

A manufactured field proves the stencils, not the equation: a wrong factor passes here. What proves the equation is in tests/exact.
"""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from opbench.derivatives.autograd import Autograd
from opbench.derivatives.circulant import Circulant
from opbench.derivatives.finite_difference import FiniteDifference
from opbench.derivatives.fourier import FourierField
from opbench.derivatives.spectral import Spectral
from opbench.find import find, names, summary
from opbench.grid import Grid
from opbench.pde import PDE, EvolutionPDE

EXACT = Path(__file__).parent.parent / "exact"
CASES = [(name, dims) for name in names("pdes") for dims in find("pdes", name, PDE).dims]
EVOLVING = [case for case in CASES if issubclass(find("pdes", case[0], PDE), EvolutionPDE)]  # steady ones are never solved in Fourier space
SIZES = (24, 48, 96)


class WithStream(Autograd):
    """Autograd that knows one inverse Laplacian: that of the manufactured unknown."""

    def __init__(self, coords, stream):
        super().__init__(coords)
        self.stream = stream

    def inverse_laplacian(self, field):
        return self.stream


def wave(coords: list[torch.Tensor], seed: int) -> torch.Tensor:
    """A smooth periodic formula with zero mean, different for every seed."""
    total = torch.zeros_like(coords[0])
    for k in (1, 2):
        phase = sum(((seed + 3 * i + k) % 3 - 1 or 1) * x for i, x in enumerate(coords))
        total = total + torch.sin(k * phase + seed) / k**2
    return total + 0.3 * torch.cos(sum(coords) + seed)


def manufactured(name: str, dims: int, n: int):
    """An equation, its grid, exact values of rate or residual, and the fields they belong to; float64, one sample."""
    pde = find("pdes", name, PDE)()
    axes = ("x", "y", "z")[:dims]
    grid = Grid(axes, (n,) * dims, (0.0,) * dims, (2 * np.pi,) * dims, (True,) * dims)
    coords = [torch.tensor(x, requires_grad=True) for x in grid.mesh()]
    stream = wave(coords, 1)
    d = WithStream(dict(zip(axes, coords, strict=True)), stream)
    states = [d.laplacian(stream), *(wave(coords, 5 + i) for i in range(len(pde.outputs) - 1))]
    unknown = states[0] if len(states) == 1 else {f.name: s for f, s in zip(pde.outputs, states, strict=True)}
    given = {
        f.name: torch.tensor(0.7 + 0.1 * i, dtype=torch.float64) if f.uniform else 2 + wave(coords, 11 + i)
        for i, f in enumerate(pde.inputs)
    }
    act = pde.rate if isinstance(pde, EvolutionPDE) else pde.residual
    exact = act(unknown, given, d)
    return pde, grid, act, unknown, given, exact


def fields(value):
    return list(value.values()) if isinstance(value, dict) else [value]


def plain(value) -> torch.Tensor:
    return value.values if isinstance(value, FourierField) else value


def detached(value):
    return {k: v.detach() for k, v in value.items()} if isinstance(value, dict) else value.detach()


def deviation(name: str, dims: int, n: int, discretise) -> float:
    _, grid, act, unknown, given, exact = manufactured(name, dims, n)
    ours = act(detached(unknown), {k: v.detach() for k, v in given.items()}, discretise(grid))
    pairs = zip(fields(ours), fields(exact), strict=True)
    return max(float((plain(o) - e.detach()).norm() / e.detach().norm()) for o, e in pairs)


@pytest.mark.parametrize("order", [2, 4, 6, 8])
@pytest.mark.parametrize(("name", "dims"), CASES)
def test_stencils_show_their_order_on_the_equation(name, dims, order):
    errors = [deviation(name, dims, n, lambda grid: FiniteDifference(grid, order)) for n in SIZES]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders[-1] > order - 0.15, f"errors {errors}, orders {orders}"


@pytest.mark.parametrize(("name", "dims"), EVOLVING)
def test_circulant_stencils_give_the_same_values(name, dims):
    _pde, grid, act, unknown, given, _ = manufactured(name, dims, 24)
    given = {k: v.detach() for k, v in given.items()}
    there = act(detached(unknown), given, FiniteDifference(grid, 4))
    d = Circulant(grid, 4)
    u = detached(unknown)
    here = act({k: d.field(v) for k, v in u.items()} if isinstance(u, dict) else d.field(u), given, d)
    for a, b in zip(fields(here), fields(there), strict=True):
        assert float((a.values - b).norm() / b.norm()) < 1e-12


@pytest.mark.parametrize(("name", "dims"), EVOLVING)
def test_spectral_derivatives_are_exact_on_resolved_waves(name, dims):
    assert deviation(name, dims, 32, Spectral) < 1e-11


@pytest.mark.parametrize("name", names("pdes"))
def test_an_exact_solution_stands_beside_the_tests(name):
    assert (EXACT / f"{name}.py").is_file(), f"write tests/exact/{name}.py: a closed form, or where an independent solution comes from"
    module = import_module(f"exact.{name}")
    assert module.__doc__
    assert [f for f in vars(module).values() if callable(f) and getattr(f, "__module__", "") == module.__name__]


@pytest.mark.parametrize("name", names("pdes"))
def test_an_equation_names_its_fields_units_and_formula(name):
    pde = find("pdes", name, PDE)
    assert "=" in summary("pdes", name), "the first line states the equation"
    for field in (*pde.inputs, *pde.outputs):
        assert field.unit


@pytest.mark.parametrize(("name", "dims"), EVOLVING)
def test_the_linear_part_is_linear_and_does_not_know_where_it_is(name, dims):
    pde, grid, _, unknown, given, _ = manufactured(name, dims, 24)
    d = FiniteDifference(grid, 4)
    u, given = detached(unknown), {k: v.detach() for k, v in given.items()}
    moved = {k: v.roll(5, -1) for k, v in u.items()} if isinstance(u, dict) else u.roll(5, -1)
    double = {k: 2 * v for k, v in u.items()} if isinstance(u, dict) else 2 * u
    for once, twice, there in zip(*(fields(pde.linear(v, given, d)) for v in (u, double, moved)), strict=True):
        assert torch.allclose(2 * once, twice)
        assert torch.allclose(once.roll(5, -1), there)
