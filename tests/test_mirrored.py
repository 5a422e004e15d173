"""Mirrored: it is the periodic stencil on the even extension."""

import numpy as np
import pytest
import torch

from opbench.derivatives.circulant import Circulant
from opbench.derivatives.mirrored import Mirrored
from opbench.errors import OpbenchError
from opbench.grid import Grid

SHAPES = {
    "line": ((13,), (False,)),
    "plane": ((13, 11), (False, False)),
    "channel": ((11, 12), (False, True)),
    "box": ((10, 11, 12), (False,) * 3),
}


def extension(grid: Grid, field: torch.Tensor) -> tuple[Grid, torch.Tensor]:
    shape, upper = [], []
    for place, (n, h, low, wraps) in enumerate(zip(grid.shape, grid.spacing, grid.lower, grid.periodic, strict=True)):
        if not wraps:
            field = torch.cat((field, field.narrow(place + 1, 1, n - 2).flip(place + 1)), place + 1)
        shape.append(field.shape[place + 1])
        upper.append(low + shape[-1] * h)
    return Grid(grid.axes, tuple(shape), grid.lower, tuple(upper), (True,) * grid.dims), field


@pytest.mark.parametrize("order", [2, 4, 6, 8])
@pytest.mark.parametrize("name", SHAPES)
def test_it_gives_what_the_periodic_stencil_gives_on_the_even_extension(name, order):
    shape, periodic = SHAPES[name]
    grid = Grid(("x", "y", "z")[: len(shape)], shape, (0.0,) * len(shape), tuple(1.0 + 0.3 * i for i in range(len(shape))), periodic)
    field = torch.as_tensor(np.random.default_rng(0).standard_normal((2, *shape)))
    whole, extended = extension(grid, field)
    here, there = Mirrored(grid, order), Circulant(whole, order)
    inside = (slice(None), *(slice(0, n) for n in shape))
    pairs = [(here.laplacian(field), there.laplacian(extended))]
    pairs += [(here.partial(field, axis, k), there.partial(extended, axis, k)) for axis in grid.axes for k in (1, 2, 4) if order + k < 10]
    for ours, theirs in pairs:
        assert float((ours - theirs.values[inside]).abs().max()) < 1e-12 * float(theirs.values.abs().max())


def test_a_field_may_lack_axes_that_it_does_not_vary_along():
    grid = Grid(("x", "y"), (9, 10), (0.0, 0.0), (1.0, 1.0), (False, False))
    field = torch.as_tensor(np.random.default_rng(0).standard_normal((1, 9, 1)))
    found, expected = (Mirrored(grid).laplacian(values) for values in (field, field.expand(1, 9, 10)))
    assert torch.allclose(found.expand(1, 9, 10), expected, rtol=0, atol=1e-10)


def test_an_axis_too_short_for_the_stencil_is_told():
    grid = Grid(("x",), (6,), (0.0,), (1.0,), (False,))
    for wanted in (lambda d, u: d.laplacian(u), lambda d, u: d.partial(u, "x")):
        with pytest.raises(OpbenchError, match="axis x has 6 points, order 8 needs 9"):
            wanted(Mirrored(grid, 8), torch.zeros(1, 6, dtype=torch.float64))
