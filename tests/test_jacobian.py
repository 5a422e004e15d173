"""The sparse Jacobian: every entry of the dense one, found from few products, whatever the stencils and the ends."""

import numpy as np
import pytest
import torch

from opbench import Grid
from opbench.boundary import Dirichlet, Neumann, Robin
from opbench.pdes.darcy import Darcy
from opbench.pdes.steady_navier_stokes import SteadyNavierStokes
from opbench.solver import pose
from opbench.solver.jacobian import Colouring, Pullback, assemble, reproduces
from opbench.solver.system import System

REST = {"velocity_x": Dirichlet(), "velocity_y": Dirichlet()}


def flow(grid: Grid) -> System:
    boundary = {"y": (REST, {"velocity_x": Neumann(1.0), "velocity_y": Robin(2.0)})}
    boundary |= {} if grid.periodic[0] else {"x": REST}
    return System(pose(SteadyNavierStokes(), grid, {"viscosity": 0.3}, boundary)[0], 2)


def medium(grid: Grid, order: int) -> System:
    permeability = torch.rand(grid.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.5
    boundary = {axis: (Dirichlet(), Robin(1.5)) for axis, wraps in zip(grid.axes, grid.periodic, strict=True) if not wraps}
    return System(pose(Darcy(), grid, {"permeability": permeability}, boundary)[0], order)


def somewhere(system: System) -> torch.Tensor:
    return torch.rand(system.start.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def dense(system: System, state: torch.Tensor) -> np.ndarray:
    size = state.numel()
    matrix = torch.autograd.functional.jacobian(lambda s: system(s), state)
    return matrix.reshape(size, size).numpy()


def box(shape, wraps) -> Grid:
    return Grid(("x", "y")[: len(shape)], shape, (0.0,) * len(shape), (1.0,) * len(shape), wraps)


SYSTEMS = {
    **{f"line, order {p}": (lambda p=p: medium(box((23,), (False,)), p)) for p in (2, 4, 6, 8)},
    **{f"circle of {n}, order {p}": (lambda n=n, p=p: medium(box((n,), (True,)), p)) for n in (23, 24) for p in (2, 4)},
    "square, order 2": lambda: medium(box((9, 11), (False, False)), 2),
    "square, order 4": lambda: medium(box((11, 13), (False, False)), 4),
    "channel, order 2": lambda: medium(box((14, 9), (True, False)), 2),
    "flow in a box": lambda: flow(box((9, 8), (False, False))),
    "flow in a channel": lambda: flow(box((9, 8), (True, False))),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_entry_is_that_of_the_dense_matrix(name):
    system = SYSTEMS[name]()
    state = somewhere(system)
    pull = Pullback(system, state)
    found, exact = assemble(pull, Colouring.of(pull, system.posed.grid.periodic)).toarray(), dense(system, state)
    assert np.abs(found - exact).max() <= 1e-14 * np.abs(exact).max()


def test_far_fewer_products_than_rows_are_taken():
    system = medium(box((65, 65), (False, False)), 2)
    colouring = Colouring.of(Pullback(system, somewhere(system)), (False, False))
    assert len(colouring.rows()) <= 25, [owner.shape for owner in colouring.owners]


def test_a_colouring_that_misses_entries_is_noticed():
    """At rest the flow's convection shows no entries; in motion it has some."""
    system = flow(box((12, 12), (False, False)))
    rest, motion = Pullback(system, torch.zeros_like(system.start)), Pullback(system, somewhere(system))
    narrow = Colouring(tuple(owner.copy() for owner in Colouring.of(rest, (False, False)).owners))
    for owner in narrow.owners:
        owner[:, 5] = -1
    assert reproduces(assemble(rest, Colouring.of(rest, (False, False))), rest)
    assert not reproduces(assemble(rest, narrow), rest)
    assert not reproduces(assemble(rest, Colouring.of(rest, (False, False))), motion)


def test_rows_are_pulled_back_alike_however_many_at_once():
    system = medium(box((9, 9), (False, False)), 2)
    pull = Pullback(system, somewhere(system))
    rows = torch.rand(1, 7, 9, 9, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    together = pull(rows)
    pull.copies = 2
    assert torch.allclose(pull(rows), together, rtol=1e-14, atol=0)
