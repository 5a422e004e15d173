"""What is said of the ends of an axis: its forms, and what is refused."""

import numpy as np
import pytest

from opbench import Grid, OpbenchError, solve
from opbench.boundary import Dirichlet, Neumann, Outflow, Robin, Wall, resolve
from opbench.field import Field
from opbench.pde import EvolutionPDE

LINE = Grid(("x",), (13,), (0.0,), (1.0,), (False,))
SQUARE = Grid(("x", "y"), (17, 17), (0.0, 0.0), (1.0, 1.0), (False, False))
FLOW = (Field("velocity_x", along="x"), Field("velocity_y", along="y"), Field("pressure"))


class Heat(EvolutionPDE):
    """u_t = k lap u."""

    dims = (1, 2)
    inputs = (Field("diffusivity", uniform=True, default=1.0),)
    outputs = (Field("temperature", "K"),)

    def linear(self, u, given, d):
        return given["diffusivity"] * d.laplacian(u)


def steady(boundary, **changes):
    """The line's temperature after a long time."""
    call = {"grid": LINE, "given": {"temperature": 0.0}, "times": [6.0], "tolerance": 1e-6, "order": 2} | changes
    return solve(Heat, boundary=boundary, **call).temperature.values


X = LINE.coordinates()[0]


@pytest.mark.parametrize(
    ("ends", "exact"),
    [
        ((Dirichlet(1.0), Dirichlet(3.0)), 1 + 2 * X),
        ((Dirichlet(1.0), Neumann(0.5)), 1 + 0.5 * X),
        ((Neumann(0.5), Dirichlet(2.0)), 2.5 - 0.5 * X),
        ((Robin(2.0, 1.0), Dirichlet(0.0)), (1 - X) / 3),  # 2 u - u' = 1 at x = 0
        ((Dirichlet(0.0), Robin(1.0, 2.0)), X),  # u + u' = 2 at x = 1
    ],
    ids=["given both", "given, slope", "slope, given", "radiating, given", "given, radiating"],
)
def test_heat_between_two_ends_settles_on_the_straight_line_that_they_ask_for(ends, exact):
    assert np.abs(steady({"x": ends})[-1] - exact).max() < 1e-5


def test_a_value_may_be_a_number_an_entry_of_given_an_array_or_a_function():
    side = SQUARE.coordinates()[1]
    values = {"array": np.sin(np.pi * side), "function": lambda x, y: np.sin(np.pi * y), "name": "hot"}
    answers = []
    for kind, value in values.items():
        given = {"temperature": 0.0} | ({"hot": np.sin(np.pi * side)} if kind == "name" else {})
        boundary = {"x": (Dirichlet(value), Dirichlet()), "y": Dirichlet()}
        answers.append(solve(Heat, SQUARE, given, times=[0.2], boundary=boundary).temperature.values)
    assert np.array_equal(answers[0], answers[1])
    assert np.array_equal(answers[0], answers[2])
    assert np.allclose(answers[0][0, 0], values["array"])


def test_values_may_differ_from_sample_to_sample():
    both = steady({"x": (Dirichlet("left"), Dirichlet(0.0))}, given={"temperature": 0.0, "left": np.array([1.0, 2.0])})
    assert both.shape == (2, 1, 13)
    assert np.abs(both[1, 0] - 2 * (1 - X)).max() < 1e-5


def test_a_wall_holds_the_normal_component_and_frees_the_rest():
    ends = resolve({"x": Wall(), "y": (Wall(), Outflow())}, SQUARE, FLOW, "flow")
    assert ends["x"] == {"velocity_x": (Dirichlet(), Dirichlet()), "velocity_y": (Neumann(), Neumann()), "pressure": (Neumann(), Neumann())}
    assert ends["y"]["velocity_y"] == (Dirichlet(), Outflow())


@pytest.mark.parametrize(
    ("boundary", "message"),
    [
        (None, r"axis x is bounded; give boundary=\{'x'"),
        ({"y": Dirichlet()}, "unknown axis of Heat 'y'"),
        ({"x": (Dirichlet(),)}, "has 1 entries; give one for both ends"),
        ({"x": 1.0}, "expected Dirichlet, Neumann"),
        ({"x": {"temprature": Dirichlet()}}, "did you mean 'temperature'"),
        ({"x": Dirichlet("hot")}, "unknown entry of given"),
        ({"x": Dirichlet(np.zeros(3))}, "disagree on the number of samples"),
        ({"x": Dirichlet(np.nan)}, "not finite"),
        ({"x": Dirichlet([None])}, "must be numbers"),
        ({"x": Robin(np.ones(2), 0.0)}, "factor must be one finite number"),
        ({"x": (Dirichlet(), Robin(-25.0, 0.0))}, "factor -25 gains more than this grid resolves, -12.5; refine"),
        ([Dirichlet()], "expected a mapping from each bounded axis to its condition"),
    ],
    ids=repr,
)
def test_a_mistake_at_the_ends_is_told_in_one_line(boundary, message):
    with pytest.raises(OpbenchError, match=message) as told:
        solve(Heat, LINE, {"temperature": np.zeros((2, 13))}, times=[0.1], boundary=boundary)
    assert "\n" not in str(told.value)


def test_ends_of_a_periodic_axis_are_refused():
    ring = Grid(("x",), (32,), (0.0,), (1.0,), (True,))
    with pytest.raises(OpbenchError, match="axis x is periodic and has no ends"):
        solve(Heat, ring, {"temperature": 0.0}, times=[0.1], boundary={"x": Dirichlet()})


def test_one_value_for_several_unknowns_is_refused():
    with pytest.raises(OpbenchError, match="gives one value to velocity_x, velocity_y, pressure"):
        resolve({"x": Dirichlet(1.0), "y": Wall()}, SQUARE, FLOW, "flow")


def test_grids_too_small_for_a_slope_or_a_pressure_are_refused():
    few = Grid(("x",), (4,), (0.0,), (1.0,), (False,))
    with pytest.raises(OpbenchError, match="axis x has 4 points, and a slope of order 4 at its end needs 5"):
        solve(Heat, few, {"temperature": 0.0}, times=[0.1], boundary={"x": Neumann(1.0)})
    square = Grid(("x", "y"), (5, 5), (0.0, 0.0), (1.0, 1.0), (False, False))
    with pytest.raises(OpbenchError, match="axis x has 5 points, 6 are needed here"):
        solve("stokes", square, {"viscosity": 1.0}, boundary={"x": Dirichlet(), "y": Dirichlet()})
