"""probe: the matrix that a residual stands for, whatever the equation, or a refusal in one line."""

from dataclasses import dataclass

import pytest
import torch
from torch.nn.functional import pad

from opbench.derivatives.finite_difference import FiniteDifference
from opbench.errors import SolverError
from opbench.field import Field
from opbench.grid import Grid
from opbench.pde import SteadyPDE
from opbench.pdes.darcy import Darcy
from opbench.solver.probe import inside, probe

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Equation(SteadyPDE):
    """Any residual, for one test."""

    dims = (1, 2, 3)
    inputs = (Field("permeability"), Field("source"))
    outputs = (Field("pressure"),)
    formula: object

    def residual(self, unknown, given, d):
        return self.formula(unknown, given, d)


def box(*shape: int) -> Grid:
    axes = ("x", "y", "z")[: len(shape)]
    return Grid(axes, shape, (0.0,) * len(shape), (1.0, 1.5, 0.7)[: len(shape)], (False,) * len(shape))


def fields(*shape: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    permeability = torch.rand(2, *shape, generator=generator, dtype=torch.float64) + 0.1
    return {"permeability": permeability, "source": torch.randn(2, *shape, generator=generator, dtype=torch.float64)}


@pytest.mark.parametrize("shape", [(6,), (6, 5), (5, 4, 6)])
def test_the_network_is_the_residuals_jacobian(shape):
    grid, given = box(*shape), fields(*shape)
    equation = Equation(lambda p, given, d: given["permeability"] * p - 3 * d.div_grad(given["permeability"], p) - given["source"])
    network, right = probe(equation, grid, given, CPU)

    def residual(interior):
        return inside(equation.residual(pad(interior, [1, 1] * len(shape)), given, FiniteDifference(grid)), len(shape))

    zero = torch.zeros_like(network.reaction)
    n = zero[0].numel()
    jacobian = torch.autograd.functional.jacobian(residual, zero)
    for sample in range(2):
        expected = jacobian[sample].reshape(n, 2, n)[:, sample]
        assert torch.allclose(network.dense()[sample], expected, rtol=1e-12, atol=1e-11), sample
    assert torch.equal(right, -residual(zero))


def test_a_huge_source_does_not_drown_the_matrix():
    grid, given = box(8, 9), fields(8, 9)
    tiny = {"permeability": 1e-20 * given["permeability"], "source": 1e6 * given["source"]}
    found, expected = probe(Darcy(), grid, tiny, CPU)[0].faces, probe(Darcy(), grid, given, CPU)[0].faces
    assert all(torch.allclose(1e20 * f, e, rtol=1e-12) for f, e in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    "formula",
    [
        lambda p, given, d: -d.laplacian(p) + d.partial(p, "x"),
        lambda p, given, d: -given["permeability"] * d.laplacian(p),
        lambda p, given, d: -d.laplacian(p) - d.partial(d.partial(p, "x"), "y"),
        lambda p, given, d: -d.partial(given["permeability"] * d.partial(p, "x"), "x"),
        lambda p, given, d: -d.laplacian(d.laplacian(p)),
    ],
    ids=["advection", "non-divergence form", "mixed derivative", "wide stencil", "fourth order"],
)
def test_a_matrix_of_another_kind_is_refused(formula):
    with pytest.raises(SolverError, match="Equation has a term that is not symmetric or not compact; write it as"):
        probe(Equation(formula), box(9, 8), fields(9, 8), CPU)


def test_a_coefficient_that_is_not_positive_is_named():
    given = fields(9, 8)
    given["permeability"][1, 3, 3] = -0.25
    with pytest.raises(SolverError, match=r"permeability must be > 0 everywhere, its smallest value is -0\.25"):
        probe(Darcy(), box(9, 8), given, CPU)
    squared = Equation(lambda p, given, d: -d.div_grad(0 * given["permeability"], p))
    with pytest.raises(SolverError, match="the coefficient of div_grad must be > 0 everywhere, its smallest value is 0"):
        probe(squared, box(9, 8), given, CPU)


def test_a_residual_without_its_unknown_is_refused():
    with pytest.raises(SolverError, match="does not depend on its unknown"):
        probe(Equation(lambda p, given, d: given["source"]), box(9, 8), fields(9, 8), CPU)
