"""The matrix of an affine residual, found by calling it: residual(p) = A p - b."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from opbench.derivatives.finite_difference import FiniteDifference
from opbench.errors import SolverError
from opbench.grid import Grid
from opbench.pde import SteadyPDE
from opbench.solver.multigrid import Network, Unsuitable

ROUNDING = 1e-9  # relative to the largest entry; entries that are equal agree to about 1e-15
TAKEN = "write it as one div_grad, laplacian or sum of them, plus multiples of the unknown and fields that do not depend on it"


class Positive(FiniteDifference):
    """Differences that refuse a diffusion coefficient that is not positive, by its name in `given`."""

    def __init__(self, grid: Grid, given: Mapping[str, Tensor], order: int = 2):
        super().__init__(grid, order)
        self.given = given

    def div_grad(self, coefficient: Tensor | float, field: Tensor) -> Tensor:
        smallest = float(torch.as_tensor(coefficient).detach().min())
        if not smallest > 0:
            name = next((name for name, value in self.given.items() if value is coefficient), "the coefficient of div_grad")
            raise SolverError(f"steady: {name} must be > 0 everywhere, its smallest value is {smallest:g}; correct it")
        return super().div_grad(coefficient, field)


def inside(values: Tensor, dims: int) -> Tensor:
    """Without the end points of the last `dims` axes."""
    return values[(..., *(slice(1, -1) for _ in range(dims)))]


def probe(
    pde: SteadyPDE, grid: Grid, given: Mapping[str, Tensor], device: torch.device, lift: Tensor | float = 0.0
) -> tuple[Network, Tensor]:
    """A and b at the interior nodes, (sample, *interior), for an unknown that is `lift` at the ends of all axes.

    Raises SolverError for a coefficient that is not positive, and for a matrix that is not symmetric or couples others
    than direct neighbours.
    """
    samples = max((len(value) for value in given.values()), default=1)
    unknown = (torch.zeros(samples, *grid.shape, dtype=torch.float64, device=device) + lift).requires_grad_()
    with torch.enable_grad():
        at_lift = inside(pde.residual(unknown, given, Positive(grid, given)), grid.dims)
    if not at_lift.requires_grad:
        raise SolverError(f"steady: {type(pde).__name__}'s residual does not depend on its unknown; {TAKEN}")

    def transposed(rows: Tensor) -> Tensor:
        """A^T rows, at all nodes; exact whatever the size of b, where differences of residuals would cancel."""
        return torch.autograd.grad(at_lift, unknown, rows.expand_as(at_lift), retain_graph=True)[0]

    network, asymmetry = _assemble(transposed, grid, device)
    trial = torch.rand(network.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(device)[None]
    missed = torch.linalg.vector_norm(inside(transposed(trial), grid.dims) - network.apply(trial), torch.inf)
    if not float(torch.maximum(asymmetry, missed)) <= ROUNDING * float(network.diagonal.abs().amax()):
        raise Unsuitable(f"steady: {type(pde).__name__} has a term that is not symmetric or not compact; {TAKEN}")
    return network, -at_lift.detach()


def _assemble(transposed: Callable[[Tensor], Tensor], grid: Grid, device: torch.device) -> tuple[Network, Tensor]:
    """The network, and the largest difference of two entries that ought to be equal.

    Neighbours of a node have colours of their own (i + 2 j mod 5 in two dimensions), so the products with 2 d + 1
    indicators hold every entry of a matrix that couples direct neighbours only (Curtis, Powell & Reid, J. Inst. Math.
    Appl. 13, 1974).
    """
    dims, colours = grid.dims, 2 * grid.dims + 1
    indices = torch.meshgrid(*(torch.arange(n, device=device) for n in grid.shape), indexing="ij")
    colour = torch.stack([step * index for step, index in enumerate(indices, start=1)]).sum(0) % colours
    indicators = ((inside(colour, dims) == c).to(torch.float64) for c in range(colours))
    products = torch.stack([transposed(indicator) for indicator in indicators])

    def entries(step: int) -> Tensor:
        """At each node, the entry in its column and in the row of its neighbour of a colour `step` higher."""
        return products.take_along_dim(((colour + step) % colours)[None, None], dim=0)[0]

    total = inside(entries(0), dims)
    faces, asymmetry = [], total.new_zeros(())
    for axis, n in enumerate(grid.shape):
        across = [slice(1, -1)] * dims
        across[axis] = slice(None)
        upper, lower = (-entries(sign * (axis + 1))[(slice(None), *across)] for sign in (1, -1))
        g = torch.cat((upper.narrow(axis + 1, 0, n - 2), lower.narrow(axis + 1, n - 1, 1)), axis + 1)
        difference = lower.narrow(axis + 1, 2, n - 2) - g.narrow(axis + 1, 1, n - 2)
        asymmetry = torch.maximum(asymmetry, torch.linalg.vector_norm(difference, torch.inf))
        total = total - g.narrow(axis + 1, 0, n - 2) - g.narrow(axis + 1, 1, n - 2)
        faces.append(g)
    return Network(tuple(faces), total), asymmetry
