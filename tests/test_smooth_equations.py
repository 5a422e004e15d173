"""What solutions of the smooth equations do besides converging: bounds, decay, symmetry, limits, and data of others."""

from pathlib import Path

import numpy as np
import pytest

from opbench import Grid, solve
from opbench.boundary import Dirichlet, Neumann, Robin
from opbench.find import find
from opbench.pde import PDE

DATA = Path(__file__).parent / "data"
CIRCLE = Grid(("x",), (64,), (0.0,), (2 * np.pi,), (True,))
LINE = Grid(("x",), (65,), (0.0,), (1.0,), (False,))
PERIODIC = {  # what is given besides the initial fields
    "advection": {"velocity_x": 0.7},
    "allen_cahn": {"diffusivity": 0.1, "reaction": 2.0},
    "burgers": {"viscosity": 0.05},
    "diffusion_sorption": {"diffusivity": 0.1},
    "fisher_kpp": {"diffusivity": 0.1, "growth": 2.0},
    "heat": {"diffusivity": 0.1},
    "kdv": {"dispersion": 0.02},
    "kuramoto_sivashinsky": {},
    "schroedinger": {},
    "wave": {"speed": 1.3},
}


def waves(x: np.ndarray) -> np.ndarray:
    """Positive, and symmetric about no point."""
    return np.exp(np.sin(x)) * (0.3 + 0.2 * np.cos(2 * x + 1))


def unknowns(equation: str) -> list[str]:
    return [field.name for field in find("pdes", equation, PDE).outputs]


def evolved(equation: str, initial: np.ndarray, times=(0.2,), tolerance: float = 1e-9, **given) -> dict[str, np.ndarray]:
    """Values (time, x) of each unknown, all started alike."""
    fields = dict.fromkeys(unknowns(equation), initial)
    answer = solve(equation, CIRCLE, {**fields, **PERIODIC[equation], **given}, times=times, tolerance=tolerance)
    return {str(name): answer[name].values for name in answer}


@pytest.mark.parametrize("equation", PERIODIC)
def test_a_shifted_start_gives_the_shifted_answer(equation):
    initial = waves(CIRCLE.coordinates()[0])
    plain, shifted = evolved(equation, initial), evolved(equation, np.roll(initial, 11))
    for name, values in plain.items():
        assert np.abs(np.roll(values, 11, axis=-1) - shifted[name]).max() < 1e-10 * np.abs(values).max(), name


@pytest.mark.parametrize("equation", sorted(set(PERIODIC) - {"burgers", "kdv", "kuramoto_sivashinsky", "advection"}))
def test_a_mirrored_start_gives_the_mirrored_answer(equation):
    initial = waves(CIRCLE.coordinates()[0])
    plain, mirrored = evolved(equation, initial), evolved(equation, np.roll(initial[::-1], 1))
    for name, values in plain.items():
        assert np.abs(np.roll(values[:, ::-1], 1, axis=-1) - mirrored[name]).max() < 1e-10 * np.abs(values).max(), name


@pytest.mark.parametrize("equation", ["burgers", "kuramoto_sivashinsky"])
def test_a_start_turned_about_a_point_gives_the_answer_turned(equation):
    initial = waves(CIRCLE.coordinates()[0])
    plain, turned = evolved(equation, initial)["velocity"], evolved(equation, -np.roll(initial[::-1], 1))["velocity"]
    assert np.abs(-np.roll(plain[:, ::-1], 1, axis=-1) - turned).max() < 1e-10


@pytest.mark.parametrize(("equation", "given"), [("wave", {}), ("schroedinger", {"potential": lambda x: np.cos(x)})])
def test_waves_run_backwards(equation, given):
    names, initial = unknowns(equation), waves(CIRCLE.coordinates()[0])
    there = evolved(equation, initial, **given)
    turned = {names[0]: there[names[0]][-1], names[1]: -there[names[1]][-1]}
    back = solve(equation, CIRCLE, {**turned, **PERIODIC[equation], **given}, times=[0.2], tolerance=1e-9)
    for name, sign in zip(names, (1, -1), strict=True):
        assert np.abs(sign * back[name].values[-1] - initial).max() < 1e-6


def test_heat_stays_between_its_extremes_and_flattens():
    times = np.linspace(0, 2, 9)
    temperature = evolved("heat", waves(CIRCLE.coordinates()[0]), times=times, diffusivity=lambda x: 0.3 + 0.2 * np.cos(x))["temperature"]
    assert (np.diff(temperature.max(-1)) < 0).all(), temperature.max(-1)
    assert (np.diff(temperature.min(-1)) > 0).all(), temperature.min(-1)


def test_the_energy_of_allen_cahn_falls():
    times = np.linspace(0, 4, 17)
    phase = evolved("allen_cahn", np.sin(CIRCLE.coordinates()[0]) + 0.3, times=times)["phase"]
    wavenumber = 1j * np.arange(33)
    slope = np.fft.irfft(wavenumber * np.fft.rfft(phase), n=64)
    energy = (0.1 * slope**2 / 2 + 2.0 * (phase**2 - 1) ** 2 / 4).sum(-1)
    assert (np.diff(energy) < 0).all(), energy


def test_a_population_grows_towards_one_and_never_beyond():
    population = evolved("fisher_kpp", 0.5 + 0.45 * np.sin(CIRCLE.coordinates()[0]), times=[0.5, 1.0, 4.0])["population"]
    assert (population > 0).all()
    assert (population < 1).all()
    assert (np.diff(population.min(-1)) > 0).all()
    assert population[-1].min() > 0.99


def test_a_uniform_population_grows_logistically():
    population = evolved("fisher_kpp", np.full(64, 0.2), times=[0.3, 1.0])["population"]
    assert np.abs(population[:, 0] - 1 / (1 + 4 * np.exp(-2.0 * np.array([0.3, 1.0])))).max() < 1e-8


def test_sorption_keeps_concentrations_between_those_that_enter_and_those_that_were_there():
    given = {"concentration": 0.1}  # PDEBench's coefficients and ends
    ends = (Dirichlet(1.0), Robin(1 / 5e-4, 0.0))
    u = solve("diffusion_sorption", LINE, given, times=[50.0, 250.0, 500.0], boundary={"x": ends}, tolerance=1e-7).concentration.values
    assert (u > 0).all(), u.min()
    assert (u <= 1).all(), u.max()
    assert (np.diff(u[:, 1:32], axis=0) > 0).all()


def test_an_offset_makes_sorption_start_from_nothing():
    given = {"concentration": lambda x: np.exp(-80 * x**2), "offset": 1e-6, "diffusivity": 0.01}
    ends = (Dirichlet(1.0), Neumann(0.0))
    u = solve("diffusion_sorption", LINE, given, times=[1.0], boundary={"x": ends}, tolerance=1e-7).concentration.values
    assert np.isfinite(u).all()


def test_a_wave_between_fixed_ends_agrees_with_the_data_of_others():
    case = np.load(DATA / "wave1d_exact.npz")
    grid = Grid(("x",), (201,), (0.0,), (1.0,), (False,))
    x = grid.coordinates()[0]
    given = {"displacement": np.sin(np.pi * x) + 0.5 * np.sin(4 * np.pi * x), "velocity": 0.0, "speed": 2.0}
    answer = solve("wave", grid, given, times=case["t"], boundary={"x": Dirichlet(0.0)})
    assert np.abs(answer.displacement.values[:, ::4] - case["u_exact"]).max() < 1e-6


def test_a_uniform_field_and_a_number_are_the_same_diffusivity_and_speed():
    x = CIRCLE.coordinates()[0]
    for equation, name in (("heat", "diffusivity"), ("wave", "speed")):
        number, field = (evolved(equation, waves(x), **{name: value}) for value in (0.4, np.full(64, 0.4)))
        for unknown, values in number.items():
            assert np.abs(values - field[unknown]).max() < 1e-6, unknown
