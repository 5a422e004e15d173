"""Bumps, discs, blocks and Riemann states lie where their laws put them and have the values that they state."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from opbench.errors import OpbenchError
from opbench.find import find
from opbench.grid import Grid
from opbench.samplers import Placed


def law(name: str, **settings) -> Placed:
    return find("samplers", name, Placed).model_validate_json(json.dumps({"sampler": name, **settings}))


def line(points: int = 101, periodic: bool = False) -> Grid:
    return Grid(("x",), (points,), (0.0,), (1.0,), (periodic,))


def plane(points: int, half: float = 1.0, periodic: bool = False) -> Grid:
    return Grid(("x", "y"), (points, points), (-half, -half), (half, half), (periodic, periodic))


def draws(chosen: Placed, grid: Grid, count: int) -> np.ndarray:
    return np.stack([chosen.draw(np.random.default_rng(i), grid) for i in range(count)])


@given(st.floats(0.03, 0.7), st.integers(0, 99), st.sampled_from([1, 2]))
def test_a_bump_and_its_images_hold_one_bumps_volume_wherever_it_lies(width, seed, dims):
    grid = line(128, periodic=True) if dims == 1 else plane(128, 0.5, periodic=True)
    field = law("gaussian_bumps", width=width, amplitude=3.0).draw(np.random.default_rng(seed), grid)
    volume = field.mean()  # of the unit cell; exact for a smooth periodic function
    assert abs(volume / (3.0 * (2 * np.pi * width**2) ** (dims / 2)) - 1) < 1e-9


def test_a_bump_on_bounded_axes_is_the_formula():
    field = law("gaussian_bumps", width=0.2, amplitude=-2.0, centre=[0.25, 0.5], background=1.0).draw(np.random.default_rng(0), plane(9))
    x, y = plane(9).mesh()
    assert np.abs(field - 1 + 2 * np.exp(-((x - 0.25) ** 2 + (y - 0.5) ** 2) / 0.08)).max() < 1e-14


def test_the_number_of_bumps_takes_every_value_of_its_range_and_no_other():
    counts = np.round(draws(law("gaussian_bumps", count=[2, 4], width=1e4), line(3), 300)[:, 0])  # so wide that each is 1 everywhere
    assert set(counts) == {2.0, 3.0, 4.0}
    assert abs(counts.mean() - 3) < 0.2


def test_pdebenchs_dam_is_two_deep_in_a_disc_of_random_radius():
    dam = law("disc", radius=[0.3, 0.7], centre=[0, 0], inside=2, outside=1)
    fields = draws(dam, plane(201, 2.5), 400)
    assert set(np.unique(fields)) == {1.0, 2.0}
    radii = np.sqrt((fields - 1).mean((1, 2)) * 201**2 / 200**2 * 25 / np.pi)
    assert 0.28 < radii.min() < 0.32, radii.min()
    assert 0.68 < radii.max() < 0.72, radii.max()
    assert abs(radii.mean() - 0.5) < 0.02, radii.mean()  # one standard deviation is 0.006
    x, y = plane(201, 2.5).mesh()
    assert (fields[:, np.hypot(x, y) < 0.3] == 2).all()
    assert (fields[:, np.hypot(x, y) > 0.7] == 1).all()


@pytest.mark.parametrize("centre", [[0.0, 0.0], [0.95, -0.99], [1.0, 1.0]])
def test_a_disc_keeps_its_area_across_a_periodic_end(centre):
    field = law("disc", radius=0.4, centre=centre, inside=1, outside=0).draw(np.random.default_rng(0), plane(400, periodic=True))
    assert abs(field.mean() * 4 / (np.pi * 0.16) - 1) < 0.01, field.mean()


def test_a_smooth_rim_is_halfway_on_the_radius():
    field = law("disc", radius=0.5, centre=[0.0, 0.0], inside=3, outside=1, width=0.05).draw(np.random.default_rng(0), plane(9))
    assert field[4, 4] == pytest.approx(3, abs=1e-6)
    assert field[2, 4] == pytest.approx(2, abs=1e-12)
    assert field[0, 4] == pytest.approx(1, abs=1e-6)


def test_the_later_of_two_discs_covers_the_earlier():
    fields = draws(law("disc", count=2, radius=2.0, centre=[0, 0], inside=[1, 2], outside=0), plane(5), 50)
    assert (np.ptp(fields.reshape(50, -1), axis=1) == 0).all()
    assert abs(fields.mean() - 1.5) < 0.2


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 4), st.integers(0, 99))
def test_blocks_are_constant_and_as_many_as_stated(first, second, each, seed):
    grid = Grid(("x", "y"), (first * each + 1, second * each + 1), (0.0, 0.0), (1.0, 3.0), (False, False))
    field = law("blocks", cells=[first, second], between=[0.1, 1.0]).draw(np.random.default_rng(seed), grid)
    pieces = field[:-1, :-1].reshape(first, each, second, each)  # a node on a border is in the upper block
    assert (pieces == pieces[:, :1, :, :1]).all()
    assert len(np.unique(field)) == first * second
    assert (field[-1] == field[-2]).all() or each == 1


def test_the_levels_of_blocks_are_equally_likely():
    fields = draws(law("blocks", cells=[16, 16], levels=[3, 12, 7]), plane(32), 40)
    values, counts = np.unique(fields, return_counts=True)
    assert list(values) == [3, 7, 12]
    assert np.abs(counts / fields.size - 1 / 3).max() < 0.02, counts  # one standard deviation is 0.005


def test_random_values_of_blocks_are_uniform_or_uniform_in_their_logarithm():
    flat = draws(law("blocks", cells=[8, 8], between=[0.1, 10]), plane(8), 60)
    log = np.log10(draws(law("blocks", cells=[8, 8], between=[0.1, 10], log=True), plane(8), 60))
    assert abs(flat.mean() - 5.05) < 0.2, flat.mean()  # one standard deviation is 0.05
    assert abs(log.mean()) < 0.04, log.mean()  # and 0.01
    assert abs(log.var() - 1 / 3) < 0.02, log.var()


def test_sods_states_jump_in_the_middle_and_the_right_one_holds_there():
    field = law("riemann", states=[1, 0.125], position=[0.5]).draw(np.random.default_rng(0), line())
    assert (field[:50] == 1).all()
    assert (field[50:] == 0.125).all()


def test_pdebenchs_shock_tubes_jump_between_a_quarter_and_three_with_states_uniform_in_their_logarithm():
    fields = draws(law("riemann", states=[[0.01, 100], [0.01, 100]], position=[[0.25, 0.75]], log=True), line(1001), 2000)
    left, right = np.log10(fields[:, [0, -1]]).T
    jumps = (fields == fields[:, :1]).sum(1) / 1000
    assert jumps.min() >= 0.25
    assert jumps.max() <= 0.751
    assert abs(jumps.mean() - 0.5) < 0.02, jumps.mean()  # one standard deviation is 0.003
    assert np.abs([left.mean(), right.mean()]).max() < 0.1  # and 0.026
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.1


def test_quadrants_are_those_of_lax_and_liu():
    """Configuration 3: density 1.5 upper right, 0.5323 upper left, 0.138 lower left, 0.5323 lower right."""
    field = law("riemann", states=[1.5, 0.5323, 0.138, 0.5322], position=[0.25, 0.5]).draw(np.random.default_rng(0), plane(9))
    assert (field[5:, 6:] == 1.5).all()
    assert (field[:5, 6:] == 0.5323).all()
    assert (field[:5, :6] == 0.138).all()
    assert (field[5:, :6] == 0.5322).all()


def test_two_states_in_two_dimensions_jump_along_x_only():
    field = law("riemann", states=[1, 2], position=[0.0]).draw(np.random.default_rng(0), plane(9))
    assert (field[:4] == 1).all()
    assert (field[4:] == 2).all()


@pytest.mark.parametrize("width", [0.0, 0.02])
def test_on_a_periodic_axis_the_states_jump_back_at_the_end(width):
    field = law("riemann", states=[1, 2], position=[0.5], width=width).draw(np.random.default_rng(0), line(1000, periodic=True))
    steps = np.abs(field - np.roll(field, 1))
    steep = np.flatnonzero(steps > 0.9 * steps.max())
    assert field.mean() == pytest.approx(1.5, abs=1e-3)
    assert abs(steps.sum() - 2) < 1e-3
    assert all(min(i, 1000 - i) < 10 or abs(i - 500) < 10 for i in steep), steep
    assert width == 0 or steps.max() < 1.01 * 0.5 / width / 1000


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("riemann", {"states": [1, 2, 3], "position": [0.5]}, "2 states and 1 position, or 4 states"),
        ("riemann", {"states": [[0, 2], 3], "position": [0.5], "log": True}, "positive ranges"),
        ("disc", {"radius": [0.7, 0.3], "inside": 1, "outside": 0}, "low < high"),
        ("disc", {"radius": 0, "inside": 1, "outside": 0}, "must be positive"),
        ("blocks", {"cells": [4]}, "either levels, two or more, or between"),
        ("blocks", {"cells": [4], "levels": [1, 2], "between": [1, 2]}, "either levels, two or more, or between"),
        ("blocks", {"cells": [0], "levels": [1, 2]}, "one or more an axis"),
        ("blocks", {"cells": [4], "between": [0, 2], "log": True}, "low > 0"),
        ("gaussian_bumps", {"count": [5, 1], "width": 0.1}, "low < high"),
    ],
)
def test_a_law_that_cannot_be_is_refused_with_the_reason(name, settings, message):
    with pytest.raises(ValidationError, match=message):
        law(name, **settings)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("riemann", {"states": [1, 2, 3, 4], "position": [0.5, 0.5]}, "four quadrants need two axes"),
        ("riemann", {"states": [1, 2], "position": [1.5]}, "lies outside axis x"),
        ("disc", {"radius": 0.1, "centre": [0, 0], "inside": 1, "outside": 0}, "one entry an axis, 1"),
        ("blocks", {"cells": [4, 4], "levels": [1, 2]}, "one entry an axis, 1"),
    ],
)
def test_a_law_on_a_grid_that_it_does_not_fit_says_what_it_expected(name, settings, message):
    with pytest.raises(OpbenchError, match=message):
        law(name, **settings).draw(np.random.default_rng(0), line())
