"""Fields between the points of a grid."""

import numpy as np
import pytest
import torch

from opbench.grid import Grid
from opbench.interpolation import at_points
from opbench.solver.manufactured import observed

PERIODIC = Grid(("x",), (32,), (0.0,), (1.0,), (True,))


def box(n: int) -> Grid:
    return Grid(("x", "y"), (n, n + 4), (0.0, -1.0), (1.0, 1.0), (False, False))


def points(count=200):
    return torch.rand(2, count, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * torch.tensor(
        [[1.0], [2.0]]
    ) - torch.tensor([[0.0], [1.0]])


def test_polynomials_up_to_the_degree_are_met_exactly_up_to_the_ends():
    grid, places = box(9), torch.cat((points(), torch.tensor([[0.0, 1.0], [-1.0, 1.0]], dtype=torch.float64)), 1)
    x, y = (torch.as_tensor(axis) for axis in grid.mesh())
    found = at_points((x**5 - 3 * x * y**4 + y)[None, None], grid, list(places), 5)[0, 0]
    torch.testing.assert_close(found, places[0] ** 5 - 3 * places[0] * places[1] ** 4 + places[1], rtol=1e-11, atol=1e-11)


def test_second_derivatives_of_a_wave_are_of_fourth_order():
    sizes, found = (16, 32, 64), []
    for n in sizes:
        grid = Grid(("x",), (n,), (0.0,), (1.0,), (True,))
        x = points()[0].clone().requires_grad_()
        values = at_points(torch.sin(2 * np.pi * torch.as_tensor(grid.mesh()[0])), grid, [x], 5)
        (slope,) = torch.autograd.grad(values.sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(slope.sum(), x)
        found.append(float((second + 4 * np.pi**2 * torch.sin(2 * np.pi * x)).detach().square().mean().sqrt()))
    orders = observed(sizes, found)
    assert orders[-1] >= 3.8, (found, orders)


def test_a_periodic_axis_wraps():
    field = torch.rand(32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x = torch.tensor([0.99, 1.99, -0.01], dtype=torch.float64)
    found = at_points(field, PERIODIC, [x], 3)
    assert float(found.max() - found.min()) < 1e-12, found


def test_degree_zero_takes_the_nearest_point():
    grid = Grid(("x",), (5,), (0.0,), (4.0,), (False,))
    found = at_points(torch.arange(5.0), grid, [torch.tensor([0.0, 0.4, 0.6, 2.5001, 3.9, 4.0])], 0)
    assert found.tolist() == [0, 0, 1, 3, 4, 4]


@pytest.mark.parametrize("degree", [0, 1, 5])
def test_samples_are_interpolated_alike(degree):
    grid, fields = box(9), torch.rand(2, 3, 9, 13, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    whole = at_points(fields, grid, list(points()), degree)
    torch.testing.assert_close(whole[1, 2], at_points(fields[1, 2], grid, list(points()), degree), rtol=0, atol=0)
