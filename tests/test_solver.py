"""opbench.solver as a user calls it: shapes, names, agreement with closed forms and independent solutions, conservation."""

from pathlib import Path

import numpy as np
import pytest
import torch

from exact import burgers, navier_stokes
from opbench import Grid, OpbenchError, solve
from opbench.boundary import Dirichlet, Neumann

DATA = Path(__file__).parent / "data"
LINE = Grid(("x",), (128,), (0.0,), (1.0,), (True,))
X = LINE.coordinates()[0]


def torus(n: int) -> Grid:
    return Grid(("x", "y"), (n, n), (0.0, 0.0), (2 * np.pi, 2 * np.pi), (True, True))


def relative(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))


def test_burgers_agrees_with_the_independent_gauss_case():
    case = np.load(DATA / "burgers1d_gauss.npz")
    grid = Grid(axes=("x",), shape=(256,), lower=(-8.0,), upper=(8.0,), periodic=(True,))
    u0 = np.exp(-((grid.coordinates()[0] + 2) ** 2))
    answer = solve("burgers", grid, given={"velocity": u0, "viscosity": 0.1}, times=case["t"], tolerance=1e-8)
    assert answer.velocity.dims == ("time", "x")
    error = max(relative(ours, theirs) for ours, theirs in zip(answer.velocity.values, case["u_own"], strict=True))
    assert error < 1e-7


@pytest.mark.parametrize("order", [2, 4, 6])
def test_burgers_converges_to_cole_and_hopf_at_the_stencils_order(order):
    errors = []
    for n in (64, 128, 256):
        grid = Grid(("x",), (n,), (0.0,), (1.0,), (True,))
        x = grid.coordinates()[0]
        answer = solve("burgers", grid, {"velocity": np.sin(2 * np.pi * x), "viscosity": 0.03}, times=[0.3], tolerance=1e-10, order=order)
        errors.append(relative(answer.velocity.values[0], burgers.velocity(x, 0.3, 0.03)))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders[-1] > order - 0.1, f"errors {errors}, orders {orders}"


def test_navier_stokes_agrees_with_the_independent_decaying_case_and_converges_to_it():
    case = np.load(DATA / "ns2d_decay_torus.npz")
    errors = []
    for n in (64, 128, 256):
        grid = torus(n)
        x, y = grid.mesh()
        w0 = 2 * np.sin(2 * x) * np.cos(3 * y) + 1.5 * np.cos(x + 2 * y + 0.3) + np.sin(3 * x - y + 1)
        answer = solve("navier_stokes", grid, {"vorticity": w0, "viscosity": 0.01}, times=case["t"], tolerance=1e-6)
        errors.append(relative(answer.vorticity.values[..., :: n // 64, :: n // 64], case["w_own"]))
    assert errors[-1] < 1e-6, errors
    assert errors[1] < errors[0] / 50, errors


def test_navier_stokes_agrees_with_taylor_and_green():
    grid = torus(32)
    x, y = grid.mesh()
    answer = solve("navier_stokes", grid, {"vorticity": navier_stokes.taylor_green(x, y, 0, 0.1), "viscosity": 0.1}, times=[2.0])
    assert relative(answer.vorticity.values[0], navier_stokes.taylor_green(x, y, 2.0, 0.1)) < 1e-7


def test_forcing_balances_viscosity_in_a_steady_shear():
    grid = torus(32)
    _, y = grid.mesh()
    given = {"vorticity": np.cos(4 * y), "viscosity": 0.05, "forcing": 0.05 * 16 * np.cos(4 * y)}
    answer = solve("navier_stokes", grid, given, times=[1.0], scheme="spectral")
    assert relative(answer.vorticity.values[0], np.cos(4 * y)) < 1e-10


def test_momentum_of_burgers_and_circulation_of_navier_stokes_are_conserved():
    answer = solve("burgers", LINE, {"velocity": 1.5 + np.sin(2 * np.pi * X), "viscosity": 0.01}, times=[0.0, 0.5, 1.0])
    assert np.ptp(answer.velocity.mean("x").values) < 1e-13
    rng = np.random.default_rng(0)
    answer = solve("navier_stokes", torus(16), {"vorticity": rng.standard_normal((16, 16)), "viscosity": 0.1}, times=[0.0, 0.5])
    assert np.ptp(answer.vorticity.mean(("x", "y")).values) < 1e-12


def test_a_shifted_start_gives_the_shifted_answer():
    u = np.sin(2 * np.pi * X) + 0.3 * np.cos(4 * np.pi * X)
    plain, shifted = (solve("burgers", LINE, {"velocity": v, "viscosity": 0.02}, times=[0.5]).velocity.values for v in (u, np.roll(u, 7)))
    assert np.abs(np.roll(plain, 7, axis=-1) - shifted).max() < 1e-12


def test_samples_are_solved_as_they_would_be_alone():
    u = np.stack([np.sin(2 * np.pi * X), 2 * np.cos(2 * np.pi * X)])
    nu = np.array([0.01, 0.05])
    both = solve("burgers", LINE, {"velocity": u, "viscosity": nu}, times=[0.2, 0.4], tolerance=1e-10)
    assert both.velocity.dims == ("sample", "time", "x")
    for i in range(2):
        alone = solve("burgers", LINE, {"velocity": u[i], "viscosity": nu[i]}, times=[0.2, 0.4], tolerance=1e-10)
        assert relative(both.velocity.values[i], alone.velocity.values) < 1e-8


def test_numbers_arrays_and_tensors_are_the_same_to_solve():
    u = np.sin(2 * np.pi * X)
    pairs = ((u, 0.1), (torch.as_tensor(u), torch.tensor(0.1, dtype=torch.float64)), (u, np.float64(0.1)))
    pairs += ((u.astype(">f8"), 0.1), (u.astype(object), 0.1), (list(u), 0.1), (u.astype(np.longdouble), 0.1))
    first, *others = (solve("burgers", LINE, {"velocity": v, "viscosity": nu}, times=[0.1]).velocity.values for v, nu in pairs)
    assert all(np.array_equal(first, other) for other in others)


def test_functions_of_the_coordinates_are_evaluated_where_values_are_wanted():
    by_function = solve("burgers", LINE, {"velocity": lambda x: np.sin(2 * np.pi * x), "viscosity": 0.1}, times=[0.1])
    by_values = solve("burgers", LINE, {"velocity": np.sin(2 * np.pi * X), "viscosity": 0.1}, times=[0.1])
    assert np.array_equal(by_function.velocity, by_values.velocity)
    square = Grid(("x", "y"), (33, 33), (0, 0), (1, 1), (False, False))
    by_function = solve("darcy", square, {"permeability": lambda x, y: np.where(x < 0.5, 3.0, 12.0)})
    by_cells = solve("darcy", square, {"permeability": np.repeat([3.0, 12.0], 16)[:, None] * np.ones(32)})
    assert np.array_equal(by_function.pressure, by_cells.pressure)


@pytest.mark.parametrize("order", [2, 4])
def test_a_smooth_permeability_given_as_a_function_takes_any_order(order):
    """p = sin(pi x), k = 2 + sin x: -(k p')' = k pi^2 sin(pi x) - k' pi cos(pi x)."""
    given = {
        "permeability": lambda x: 2 + np.sin(x),
        "source": lambda x: (2 + np.sin(x)) * np.pi**2 * np.sin(np.pi * x) - np.cos(x) * np.pi * np.cos(np.pi * x),
    }
    errors = []
    for n in (17, 33, 65):
        line = Grid(("x",), (n,), (0.0,), (1.0,), (False,))
        errors.append(relative(solve("darcy", line, given, order=order).pressure.values, np.sin(np.pi * line.coordinates()[0])))
    assert np.log2(errors[-2] / errors[-1]) > order - 0.2, errors
    with pytest.raises(OpbenchError, match="in cells at order 2 only"):
        solve("darcy", line, {"permeability": np.ones(64)}, order=4)


@pytest.mark.parametrize("equation", ["heat", "wave"])
def test_layers_in_a_box_are_those_of_a_rod(equation):
    """The coefficient jumps along x, on nodes; nothing varies along y, whose ends are free."""
    rod = Grid(("x",), (17,), (0.0,), (1.0,), (False,))
    box = Grid(("x", "y"), (17, 9), (0.0, 0.0), (1.0, 1.0), (False, False))
    unknown, coefficient = {"heat": ("temperature", "diffusivity"), "wave": ("displacement", "speed")}[equation]
    rest = {"velocity": 0.0} if equation == "wave" else {}
    options = {"times": [0.1, 0.2], "tolerance": 1e-10}
    start, layers = (lambda x, *y: np.sin(np.pi * x)), (lambda x, *y: np.where(x < 0.5, 0.3, 1.2))
    cold, free = Dirichlet(0.0), Neumann(0.0)
    one = solve(equation, rod, {unknown: start, coefficient: layers, **rest}, boundary={"x": cold}, **options)
    both = solve(equation, box, {unknown: start, coefficient: layers, **rest}, boundary={"x": cold, "y": free}, **options)
    np.testing.assert_allclose(both[unknown].values, np.repeat(one[unknown].values[..., None], 9, axis=-1), atol=1e-8)
    cells = np.repeat([0.3, 1.2], 8)
    given = solve(equation, rod, {unknown: start, coefficient: cells, **rest}, boundary={"x": cold}, **options)
    np.testing.assert_array_equal(given[unknown].values, one[unknown].values)


def test_a_function_that_does_not_jump_is_evaluated_at_points_and_keeps_its_order():
    rod = Grid(("x",), (33,), (0.0,), (1.0,), (False,))
    given = {"temperature": lambda x: np.sin(np.pi * x)}
    smooth, jump = (lambda x: 1 + x), (lambda x: 1 + (x > 0.5))
    schemes = [solve("heat", rod, given | {"diffusivity": k}, [0.1], boundary={"x": Dirichlet(0.0)}).scheme for k in (smooth, jump)]
    assert ["order 4" in scheme for scheme in schemes] == [True, False], schemes
    with pytest.raises(OpbenchError, match="in cells at order 2 only"):
        solve("heat", rod, given | {"diffusivity": np.ones(32)}, [0.1], boundary={"x": Dirichlet(0.0)}, order=4)
    with pytest.raises(OpbenchError, match="order 4 is wrong between ends where a coefficient jumps"):
        solve("heat", rod, given | {"diffusivity": jump}, [0.1], boundary={"x": Dirichlet(0.0)}, order=4)


def test_darcy_agrees_with_the_independent_blocks_and_converges_to_them():
    case = np.load(DATA / "darcy2d_blocks.npz")
    errors = []
    for n in (65, 129, 257):
        grid = Grid(("x", "y"), (n, n), (0.0, 0.0), (1.0, 1.0), (False, False))
        cells = np.kron(case["a_cells"], np.ones(((n - 1) // 16, (n - 1) // 16)))
        answer = solve("darcy", grid, {"permeability": cells, "source": 1.0})
        assert answer.pressure.dims == ("x", "y")
        errors.append(relative(answer.pressure.values[:: (n - 1) // 64, :: (n - 1) // 64], case["u_own"]))
    assert errors[-1] < 1e-3, errors
    assert errors[0] > 2 * errors[1] > 4 * errors[2], errors


def test_the_initial_fields_stand_at_the_start_time():
    u = np.sin(2 * np.pi * X)
    at_zero = solve("burgers", LINE, {"velocity": u, "viscosity": 0.1}, times=[0.0, 0.1])
    later = solve("burgers", LINE, {"velocity": u, "viscosity": 0.1}, times=[5.0, 5.1], start=5.0)
    assert np.array_equal(at_zero.velocity.values[0], u)
    assert np.abs(at_zero.velocity.values - later.velocity.values).max() < 1e-10


def test_a_grid_that_memory_does_not_hold_is_told_in_one_line():
    huge = Grid(("x", "y"), (10**8, 10**8), (0.0, 0.0), (1.0, 1.0), (False, False))  # more than an address space
    for equation, given, times in (("poisson", {"source": 1.0}, None), ("heat", {"temperature": 0.0, "diffusivity": 1.0}, [1.0])):
        with pytest.raises(OpbenchError, match="100000000 x 100000000 points take more memory than there is"):
            solve(equation, huge, given, times, boundary={"x": Dirichlet(), "y": Dirichlet()})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"equation": "burger"}, "did you mean 'burgers'"),
        ({"given": {"velocity": X}}, "'viscosity' .* is not given"),
        ({"given": {"velocity": X, "viscosty": 1.0}}, "did you mean 'viscosity'"),
        ({"given": {"velocity": X[1:], "viscosity": 1.0}}, r"shape \(127,\); expected \(128,\)"),
        ({"given": {"velocity": X, "viscosity": X}}, "'viscosity' is constant in space"),
        ({"given": {"velocity": X * np.nan, "viscosity": 1.0}}, "not finite"),
        ({"given": {"velocity": np.stack([X, X]), "viscosity": np.ones(3)}}, "disagree on the number of samples"),
        ({"times": [0.2, 0.1]}, "times must increase"),
        ({"times": None}, "give times"),
        ({"grid": torus(8)}, "takes grids of 1 axes"),
        ({"grid": Grid(("x",), (128,), (0,), (1,), (False,))}, "axis x is bounded"),
        ({"grid": Grid(("z",), (128,), (0,), (1,), (True,))}, "expected axes named x, got z"),
        ({"given": {"velocity": X[:, None], "viscosity": 1.0}}, r"shape \(128, 1\)"),
        ({"given": {"velocity": "fast", "viscosity": 1.0}}, "must be numbers, an array or a function"),
        ({"given": {"velocity": lambda x: x[1:], "viscosity": 1.0}}, "return one value a point"),
        ({"given": {"velocity": np.zeros((0, 128)), "viscosity": 1.0}}, "is empty"),
        ({"tolerance": 0.0}, "tolerance: expected a number between 0 and 1"),
        ({"order": 0}, "order 0 is not offered"),
        ({"times": 1.0}, "times must be a sequence of numbers"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"scheme": "spectrl"}, "did you mean 'spectral'"),
        ({"order": 3}, "order 3 is not offered"),
        ({"given": {"velocity": X, "viscosity": -1.0}}, "'viscosity' must be 0 or more, its smallest value is -1; check its sign"),
        ({"order": "4"}, "order: expected a whole number"),
        ({"tolerance": "fine"}, "tolerance: expected a number"),
        ({"scheme": None}, "unknown scheme 'None'"),
        ({"start": None}, "start one, got .* None"),
        ({"times": [np.inf]}, "all finite, got 1"),
        ({"times": [0.1, np.nan]}, "all finite, got 2"),
        ({"grid": (128,)}, "expected an opbench.Grid .* got tuple"),
        ({"given": [X, 0.1]}, "given=.* got Grid and list"),
        ({"given": {"velocity": X, "viscosity": 1.0, 5: 1.0}}, "unknown field given to Burgers '5'"),
        ({"given": {"velocity": X, "viscosity": lambda x: 0.1 + 0 * x}}, "constant in space, and its function gave an array"),
        ({"given": {"velocity": lambda x, y: x, "viscosity": 1.0}}, "the function failed, TypeError: .*'y'; it gets 1 numpy arrays"),
        ({"given": {"velocity": np.ma.masked_greater(X, 0.5), "viscosity": 1.0}}, "has masked entries"),
        ({"given": {"velocity": X + 0j, "viscosity": 1.0}}, "real ones, got ndarray of complex128"),
        ({"boundary": Dirichlet()}, "expected a mapping from each bounded axis"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_users_mistake_is_told_in_one_line(change, message):
    call = {"equation": "burgers", "grid": LINE, "given": {"velocity": np.sin(2 * np.pi * X), "viscosity": 0.1}, "times": [0.1]} | change
    with pytest.raises(OpbenchError, match=message) as told:
        solve(**call)
    assert "\n" not in str(told.value)


def test_the_first_time_alone_is_the_given_state_between_ends_too():
    grid = Grid(("x",), (33,), (0.0,), (1.0,), (False,))
    start = 0.5 + 0.1 * np.cos(np.pi * grid.coordinates()[0])
    given = {"population": start, "diffusivity": 0.1, "growth": 1.0}
    answer = solve("fisher_kpp", grid, given, times=[0.0], boundary={"x": Neumann(0.0)})
    assert np.allclose(answer.population.values[0], start, rtol=0, atol=1e-15)


def test_a_jump_is_seen_beside_larger_values_elsewhere_and_in_other_samples():
    """The order is chosen for the roughest place of the roughest sample: stencils of order 4 blow up there."""
    rod = Grid(("x",), (33,), (0.0,), (1.0,), (False,))
    layers = np.where(rod.coordinates()[0] < 0.5, 1e-3, 2e-2)
    given = {"temperature": lambda x: 1 + np.cos(np.pi * x)}
    both = solve("heat", rod, given | {"diffusivity": np.stack([layers, np.ones(33)])}, [3.0], boundary={"x": Neumann(0.0)}, tolerance=1e-5)
    alone = solve("heat", rod, given | {"diffusivity": layers}, [3.0], boundary={"x": Neumann(0.0)}, tolerance=1e-5)
    np.testing.assert_allclose(both.temperature[0], alone.temperature, atol=1e-3)

    def beside(x):
        return np.where(x < 0.25, 0.01, 0.05) + 2 * np.exp(-(((x - 1) / 0.25) ** 2))

    assert "order 2" in solve("heat", rod, given | {"diffusivity": beside}, [0.1], boundary={"x": Neumann(0.0)}).scheme


def test_a_steady_equation_refuses_high_orders_where_a_coefficient_jumps():
    rod = Grid(("x",), (33,), (0.0,), (1.0,), (False,))
    given = {"permeability": lambda x: np.where(x < 0.5, 1.0, 20.0), "source": 0.0}
    ends = {"x": (Dirichlet(0.0), Neumann(0.3))}
    assert float(solve("darcy", rod, given, boundary=ends).pressure.max()) == pytest.approx(3.15)
    with pytest.raises(OpbenchError, match="Darcy: order 4 is wrong between ends where a coefficient jumps; take order 2"):
        solve("darcy", rod, given, boundary=ends, order=4)


def test_jumps_midway_between_periodic_points_are_of_second_order():
    """Against a much finer grid, on whose points the jumps lie midway too."""
    values = {}
    for n in (32, 96, 864):
        ring = Grid(("x",), (n,), (1 / n,), (2 + 1 / n,), (True,))  # centres of cells, whose thirds' centres are among them
        given = {"temperature": lambda x: np.exp(np.sin(np.pi * x)), "diffusivity": lambda x: np.where((x > 0.5) & (x < 1.5), 0.02, 1.0)}
        answer = solve("heat", ring, given, [0.1], tolerance=1e-6)
        assert "finite differences of order 2, " in answer.scheme
        values[n] = answer.temperature.values[0]
    coarse, fine = (np.linalg.norm(values[n] - values[864][(864 // n) // 2 :: 864 // n]) / np.linalg.norm(values[n]) for n in (32, 96))
    assert np.log(coarse / fine) / np.log(3) > 1.8, (coarse, fine)


def test_an_answer_goes_in_again_whatever_the_order_of_its_axes():
    grid = Grid(("x", "y"), (16, 16), (0.0, 0.0), (1.0, 1.0), (True, True))
    start = solve("heat", grid, {"temperature": lambda x, y: np.sin(2 * np.pi * (x + 2 * y)), "diffusivity": 0.01}, [0.1])
    field = start.temperature.isel(time=0)
    once, turned = (solve("heat", grid, {"temperature": given, "diffusivity": 0.01}, [0.1]) for given in (field, field.T))
    np.testing.assert_array_equal(turned.temperature, once.temperature)


@pytest.mark.parametrize(("place", "bound"), [(0.5, 1e-12), (0.5 + 1 / 32, 1e-12), (0.5 + 1 / 64, 1e-12), (0.53, 2e-3)])
def test_what_flows_across_a_jump_is_right_wherever_it_lies(place, bound):
    """On a node, in the middle of a cell, at a quarter of it, and anywhere: pressure falls from 1 to 0 through two layers."""
    rod = Grid(("x",), (17,), (0.0,), (1.0,), (False,))
    x = rod.coordinates()[0]
    flux = 1 / (place / 1 + (1 - place) / 20)
    exact = np.where(x < place, 1 - flux * x, flux * (1 - x) / 20)
    given = {"permeability": lambda x: np.where(x < place, 1.0, 20.0), "source": 0.0}
    answer = solve("darcy", rod, given, boundary={"x": (Dirichlet(1.0), Dirichlet(0.0))}).pressure.values
    assert np.abs(answer - exact).max() < bound
