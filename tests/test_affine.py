"""Linear evolution between ends is stepped exactly in time: what is affine, what is not, and that both ways agree."""

import numpy as np
import pytest

from opbench import Grid, solve
from opbench.boundary import Dirichlet, Neumann, Outflow, Robin
from opbench.solver import affine

EXACT = "the exponential of its matrix"


def line(n: int) -> Grid:
    return Grid(("x",), (n,), (0.0,), (1.0,), (False,))


def bump(x):
    return np.exp(-(((x - 0.4) / 0.1) ** 2))


HEAT = {"temperature": bump, "diffusivity": 0.3}
SAMPLES = np.random.default_rng(0).random((3, 65))
STRING = {"displacement": bump, "velocity": 0.0, "speed": lambda x: 1 + x}
PARTICLE = {"real": bump, "imaginary": 0.0, "focusing": 0.0, "potential": lambda x: 30 * x}
CASES = {
    "heat between given values": ("heat", HEAT, (Dirichlet(0.5), Robin(1.0, 0.2))),
    "heat with fields": ("heat", {**HEAT, "diffusivity": lambda x: 1 + x, "source": bump}, (Dirichlet(0.5), Neumann(1.0))),
    "heat of samples": ("heat", {**HEAT, "temperature": SAMPLES}, (Dirichlet(np.arange(3.0)), Neumann(1.0))),
    "waves": ("wave", STRING, Dirichlet(0.0)),
    "advection": ("advection", {"concentration": bump, "velocity_x": 1.0}, (Dirichlet(0.0), Outflow())),
    "a particle": ("schroedinger", PARTICLE, Dirichlet(0.0)),
}


@pytest.mark.parametrize("case", CASES)
def test_the_answer_is_that_of_small_steps(case, monkeypatch):
    equation, given, ends = CASES[case]
    times = [0.01, 0.02, 0.05]
    exact = solve(equation, line(65), given, times, boundary={"x": ends})
    assert exact.attrs["scheme"].endswith(EXACT), exact.attrs
    monkeypatch.setattr(affine, "MOST", 0)
    stepped = solve(equation, line(65), given, times, boundary={"x": ends}, tolerance=1e-10)
    assert EXACT not in stepped.attrs["scheme"]
    for name in exact.data_vars:
        assert np.abs(exact[name].values - stepped[name].values).max() < 1e-6, name


def test_decay_between_ends_is_the_closed_form_however_stiff():
    wave = 1.0  # of u = sin(q x), whose slope at the end is -u where tan q = -q
    for _ in range(60):
        wave = np.pi - np.arctan(wave)
    given = {"temperature": lambda x: np.sin(wave * x), "diffusivity": 1.0}
    answer = solve("heat", line(257), given, [0.1, 1.0], boundary={"x": (Dirichlet(0.0), Robin(1.0))})
    assert answer.attrs["steps"] == 2
    expected = np.exp(-(wave**2) * np.array([[0.1], [1.0]])) * np.sin(wave * line(257).coordinates()[0])
    assert np.abs(answer.temperature.values / expected.max(1, keepdims=True) - expected / expected.max(1, keepdims=True)).max() < 1e-7


@pytest.mark.parametrize(
    ("equation", "given"),
    [
        ("fisher_kpp", {"population": 1.0, "diffusivity": 0.1, "growth": 1.0}),  # at 0 and 1 its rate is as if it were linear
        ("fisher_kpp", {"population": bump, "diffusivity": 1.0, "growth": 1e-6}),  # hardly
        ("burgers", {"velocity": 0.0, "viscosity": 0.1}),
        ("heat", {"temperature": np.ones((2, 65)), "diffusivity": np.array([0.1, 0.2])[:, None]}),
    ],
)
def test_what_is_not_affine_or_not_the_same_for_all_samples_is_left_to_steps(equation, given):
    answer = solve(equation, line(65), given, [0.01], boundary={"x": (Dirichlet(1.0), Neumann(0.5))})
    assert EXACT not in answer.attrs["scheme"]


def test_a_zero_state_and_the_first_time_alone_stay_what_they_are():
    ends = {"x": (Dirichlet(0.0), Robin(1.0))}
    assert not solve("heat", line(65), {"temperature": 0.0, "diffusivity": 1.0}, [1.0], boundary=ends).temperature.values.any()
    first = solve("heat", line(65), {"temperature": lambda x: x * (2 - x) ** 2, "diffusivity": 1.0}, [0.0], boundary=ends)
    assert first.temperature.values[0, 1:-1] == pytest.approx((line(65).coordinates()[0] * (2 - line(65).coordinates()[0]) ** 2)[1:-1])
