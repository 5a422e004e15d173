"""Steady linear equations, residual(p) = 0 with p given at the ends of all axes: multigrid-preconditioned conjugate gradients."""

from collections.abc import Callable, Mapping
from math import prod

import torch
from torch import Tensor

from opbench.derivatives.finite_difference import FiniteDifference
from opbench.errors import OpbenchError, SolverError
from opbench.grid import Grid
from opbench.pde import SteadyPDE
from opbench.solver.multigrid import COARSEST, Multigrid, Network, Unsuitable
from opbench.solver.probe import TAKEN, inside, probe

ITERATIONS = 500  # 10 to 15 are usual; noise of contrast 100 takes 60
CPU_NODES, GPU_NODES = 2**18, 2**24  # solved at once, all samples together: what a cache and a GPU's memory hold well


def solve_steady(
    pde: SteadyPDE, grid: Grid, given: Mapping[str, Tensor], tolerance: float = 1e-10, order: int = 2, lift: Tensor | None = None
) -> Tensor:
    """The sole unknown of `pde`, (sample, *shape), float64.

    given: per input a float64 tensor (sample, *shape), or with axes of length one. Nodal coefficients are taken to jump
    midway between nodes; where they jump on nodes, give the coefficient in cells, one entry less an axis (for 16 x 16
    blocks of 12 and 3 at 257 nodes a side the error falls from 3e-3 to 2e-4).
    tolerance: on the residual's 2-norm over that of the residual of p = lift, sample by sample.
    lift: (sample, *shape), the values at the ends of the axes, and zero inside; zero everywhere unless it is given.
    Takes equations that are affine and symmetric in the unknown: div_grad with a positive coefficient, laplacian, and
    multiples of the unknown that keep the matrix positive definite. Raises OpbenchError for a grid or an order that is
    not offered, SolverError for values that are not finite, Unsuitable for other equations and where the iteration does not converge.
    """
    _check(pde, grid, given, order)
    device = next((value.device for value in given.values()), torch.device("cpu"))
    samples = max((len(value) for value in (*given.values(), *(() if lift is None else (lift,)))), default=1)
    size = max(prod(grid.shape), COARSEST**2)  # of a sample: its fields, or the dense matrix of its coarsest level
    at_once = max(1, (GPU_NODES if device.type == "cuda" else CPU_NODES) // size)

    def shard(value: Tensor, first: int) -> Tensor:
        return value[first : first + at_once] if len(value) > 1 else value

    parts = []
    for first in range(0, samples, at_once):
        own = {name: shard(value, first) for name, value in given.items()}
        parts.append(_solve(pde, grid, own, tolerance, device, None if lift is None else shard(lift, first)))
    return torch.cat(parts)


def _check(pde: SteadyPDE, grid: Grid, given: Mapping[str, Tensor], order: int) -> None:
    if order != 2:
        raise OpbenchError(f"steady: order {order} is not offered, the solver's flux form is of order 2; refine the grid instead")
    if any(grid.periodic):
        axis = grid.axes[grid.periodic.index(True)]
        raise OpbenchError(f"steady: axis {axis} is periodic; the unknown is 0 at both ends of every axis here, so use bounded ones")
    if len(pde.outputs) != 1:
        raise OpbenchError(f"steady: {type(pde).__name__} has {len(pde.outputs)} unknowns; only equations with one are solved here")
    for name, value in given.items():
        if not bool(value.isfinite().all()):
            raise SolverError(f"steady: {name} has values that are not finite; correct them")


def _solve(pde: SteadyPDE, grid: Grid, given: Mapping[str, Tensor], tolerance: float, device: torch.device, lift: Tensor | None) -> Tensor:
    network, right = probe(pde, grid, given, device, 0.0 if lift is None else lift)
    sign = 1.0 if float(network.diagonal.sum()) > 0 else -1.0  # an equation may be written as laplacian(p) = -f
    network, right = network.times(sign), sign * right
    interior, _ = conjugate_gradients(network, right, Multigrid(network, grid.spacing), tolerance)
    unknown = torch.nn.functional.pad(interior, [1, 1] * grid.dims)
    unknown = unknown if lift is None else unknown + lift
    left = inside(pde.residual(unknown, given, FiniteDifference(grid)), grid.dims)
    rounding = torch.finfo(left.dtype).eps * _norm(network.diagonal * interior)
    if not bool((_norm(left) <= 10 * (tolerance * _norm(right) + rounding)).all()):
        raise Unsuitable(f"steady: {type(pde).__name__} is not affine in its unknown; {TAKEN}")
    return unknown


def conjugate_gradients(network: Network, right: Tensor, precondition: Callable[[Tensor], Tensor], tolerance: float) -> tuple[Tensor, int]:
    """The x with |A x - right| <= tolerance |right| sample by sample, (sample, *shape), and the number of iterations.

    A sample that has converged is left as it is. Raises Unsuitable where the matrix is not positive definite, or after
    ITERATIONS.
    """
    right = right.expand(torch.broadcast_shapes(right.shape, network.reaction.shape))
    x = p = torch.zeros_like(right)
    r, target = right.clone(), tolerance * _norm(right)
    product = torch.ones_like(target)
    for iteration in range(ITERATIONS + 1):
        size = _norm(r)
        active = ~(size <= target)
        if not bool(active.any()):
            return x, iteration
        z = size * precondition(r / torch.where(size > 0, size, 1.0))  # of norm one, so that float32 holds it
        previous, product = product, _dot(r, z)
        p = z + torch.where(active, product / previous, 0.0) * p
        q = network.apply(p)
        curvature = _dot(p, q)
        if bool((active & ~(curvature > 0)).any()):
            raise Unsuitable("steady: the matrix is not positive definite; check the signs of the terms")
        step = torch.where(active, product / curvature, 0.0)
        x = x + step * p
        r = r.addcmul(step, q, value=-1)
    relative = _norm(r) / _norm(right)
    raise Unsuitable(
        f"steady: {int((relative > tolerance).sum())} of {len(right)} samples have not converged in {ITERATIONS} iterations, the relative "
        f"residual is {float(relative.amax()):.1e} instead of {tolerance:g}; raise the tolerance or lower the coefficients' contrast"
    )


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """(sample, 1, ..., 1)."""
    return (a * b).sum(dim=tuple(range(1, a.ndim)), keepdim=True)


def _norm(a: Tensor) -> Tensor:
    return torch.linalg.vector_norm(a, dim=tuple(range(1, a.ndim)), keepdim=True)
