"""The linear part as one stencil: the same numbers as the equation's own, and none where there is none."""

import numpy as np
import pytest
import torch

from opbench import Grid
from opbench.boundary import Neumann
from opbench.derivatives.mirrored import Mirrored
from opbench.field import Field
from opbench.pde import EvolutionPDE
from opbench.solver.kernel import find_kernel
from opbench.solver.posed import pose


class Two(EvolutionPDE):
    """u_t = a lap u - b lap lap u, v_t = c v_xx - v."""

    dims = (1, 2)
    inputs = (Field("a", uniform=True), Field("b", default=0.0, uniform=True), Field("c"))
    outputs = (Field("u"), Field("v"))

    def linear(self, unknown, given, d):
        u, v = unknown["u"], unknown["v"]
        lap = d.laplacian(u)
        return {"u": given["a"] * lap - given["b"] * d.laplacian(lap), "v": given["c"] * d.partial(v, "x", 2) - v}


class Coupled(Two):
    def linear(self, unknown, given, d):
        return {"u": given["a"] * d.laplacian(unknown["v"]), "v": 0.0 * unknown["v"]}


def posed(equation, shape, **given):
    axes = ("x", "y")[: len(shape)]
    grid = Grid(axes, shape, (0.0,) * len(shape), (1.0, 1.7)[: len(shape)], (False,) * len(shape))
    fields = {name: np.random.default_rng(0).standard_normal((3, *shape)) for name in ("u", "v")}
    return pose(equation(), grid, fields | {"a": np.array([0.1, 0.2, 0.3]), "c": 0.7} | given, dict.fromkeys(axes, Neumann()))[0]


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("shape", [(40,), (30, 29)])
@pytest.mark.parametrize("b", [0.0, 1e-3])
def test_it_gives_what_the_equation_gives_with_parameters_a_sample(shape, order, b):
    problem = posed(Two, shape, b=b)
    d = Mirrored(problem.grid, order)
    kernel = find_kernel(problem, d)
    assert kernel is not None
    ours, theirs = kernel(problem.initial), problem.pde.linear(problem.unknown(list(problem.initial)), problem.given, d)
    for name, part in zip(("u", "v"), ours, strict=True):
        assert float((part - theirs[name]).abs().max()) < 1e-12 * float(theirs[name].abs().max())


def test_its_fastest_decay_is_that_of_the_shortest_wave():
    problem = posed(Two, (40,))
    kernel = find_kernel(problem, Mirrored(problem.grid, 2))
    assert kernel is not None
    assert kernel.fastest == pytest.approx(4 * 0.7 * 39**2 + 1)


@pytest.mark.parametrize(
    ("equation", "points", "given", "order"),
    [(Coupled, 40, {}, 2), (Two, 40, {"c": 1 + np.linspace(0, 1, 40)}, 2), (Two, 9, {"b": 1e-3}, 6)],
    ids=["unknowns couple", "a coefficient varies", "the grid is too small"],
)
def test_there_is_none_where(equation, points, given, order):
    problem = posed(equation, (points,), **given)
    assert find_kernel(problem, Mirrored(problem.grid, order)) is None


def test_no_linear_part_is_a_stencil_of_nothing():
    class Still(Two):
        def linear(self, unknown, given, d):
            return {name: 0.0 * value for name, value in unknown.items()}

    problem = posed(Still, (12,))
    kernel = find_kernel(problem, Mirrored(problem.grid, 2))
    assert kernel is not None
    assert torch.equal(kernel(problem.initial), torch.zeros_like(problem.initial))
