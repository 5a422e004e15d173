"""Grids: positions, refinement and exact restriction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opbench.errors import OpbenchError
from opbench.grid import Grid


def line(n: int, periodic: bool) -> Grid:
    return Grid(("x",), (n,), (-1.0,), (3.0,), (periodic,))


def test_periodic_axes_leave_the_end_out_and_bounded_ones_hold_it():
    assert np.allclose(line(4, True).coordinates()[0], [-1, 0, 1, 2])
    assert np.allclose(line(5, False).coordinates()[0], [-1, 0, 1, 2, 3])


@given(n=st.integers(2, 40), factor=st.integers(1, 5), periodic=st.booleans())
def test_a_refined_grid_holds_the_coarse_points(n, factor, periodic):
    coarse = line(n, periodic)
    fine = coarse.refine(factor)
    assert np.allclose(fine.restrict(fine.coordinates()[0], coarse), coarse.coordinates()[0], atol=1e-12)


def test_restriction_to_points_that_are_not_there_is_refused():
    with pytest.raises(OpbenchError, match="no coarsening"):
        line(12, True).restrict(np.zeros(12), line(5, True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (8, 8)}, "shape has 2 entries for 1 axes"),
        ({"shape": 8}, r"write \(8,\)"),
        ({"upper": (-2.0,)}, "lower < upper"),
        ({"shape": (1,)}, "2 points or more"),
        ({"shape": ("many",)}, "shape must have one int an axis"),
        ({"lower": None}, "lower must have one float an axis"),
    ],
)
def test_a_grid_that_does_not_fit_together_is_refused(change, message):
    with pytest.raises(OpbenchError, match=message):
        Grid(**({"axes": ("x",), "shape": (8,), "lower": (0.0,), "upper": (1.0,), "periodic": (True,)} | change))


def test_the_middles_of_a_grids_cells_are_between_its_points_on_the_same_domain():
    grid = Grid(("x", "y"), (5, 4), (1.0, 0.0), (3.0, 1.0), (False, True))
    middles = grid.middles()
    assert middles.shape == (4, 4)
    assert np.allclose(middles.coordinates()[0], [1.25, 1.75, 2.25, 2.75])
    assert np.allclose(middles.coordinates()[1], [0.125, 0.375, 0.625, 0.875])
    assert middles.spacing == grid.spacing
    assert (middles.lower, middles.upper) == (grid.lower, grid.upper)
