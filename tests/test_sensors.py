import numpy as np
import pytest
import torch

from opbench.errors import ModelError
from opbench.grid import Grid
from opbench.models._sensors import at_sensors, every

WAVE = Grid(("x",), (32,), (0.0,), (2.0,), (True,))
PLATE = Grid(("x", "y"), (9, 17), (0.0, -1.0), (1.0, 1.0), (False, False))
CHANNEL = Grid(("x", "y"), (8, 9), (0.0, -1.0), (1.0, 1.0), (True, False))


def values(grid, function):
    return torch.from_numpy(np.broadcast_to(function(*grid.mesh()), grid.shape).copy())[None, None]


@pytest.mark.parametrize("factor", [1, 2, 3, 5])
@pytest.mark.parametrize("grid", [WAVE, PLATE, CHANNEL], ids=["periodic", "bounded", "mixed"])
def test_sensors_of_a_refined_grid_are_the_training_points_exactly(grid, factor):
    def function(*x):
        return np.sin(sum(7 * a for a in x))

    read = at_sensors(values(grid.refine(factor), function), grid)
    assert torch.allclose(read, values(grid, function), rtol=0, atol=1e-14)


def test_bounded_grids_that_do_not_nest_are_interpolated_exactly_for_multilinear_fields():
    def function(x, y):
        return 1 + 2 * x - 3 * y + x * y

    other = Grid(PLATE.axes, (13, 32), PLATE.lower, PLATE.upper, PLATE.periodic)
    gap = at_sensors(values(other, function), PLATE) - values(PLATE, function)
    assert gap.abs().max() < 1e-13, gap.abs().max()


@pytest.mark.parametrize(("grid", "shape"), [(WAVE, (48,)), (WAVE, (16,)), (CHANNEL, (12, 9))])
def test_a_periodic_grid_without_the_sensors_is_refused(grid, shape):
    with pytest.raises(ModelError, match="evaluate on whole refinements of the training grid"):
        at_sensors(torch.zeros(1, 1, *shape), grid)


def test_a_stride_takes_every_second_point():
    assert every(2, WAVE).shape == (16,)
    assert every(4, PLATE).shape == (3, 5)
    assert torch.equal(at_sensors(values(WAVE, np.sin), every(2, WAVE))[0, 0], values(WAVE, np.sin)[0, 0, ::2])


@pytest.mark.parametrize("stride", [0, -1, 3, 32])
def test_a_stride_that_does_not_divide_the_cells_is_refused(stride):
    with pytest.raises(ModelError, match=rf"sensor_stride \({stride}\) must divide the cells"):
        every(stride, WAVE)
