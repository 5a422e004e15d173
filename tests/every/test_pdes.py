"""What every equation keeps: the solver is verified on it three ways, and its stencils, circulants and spectral derivatives agree."""

import re

import numpy as np
import pytest
import torch

from opbench.derivatives.circulant import Circulant
from opbench.derivatives.finite_difference import FiniteDifference
from opbench.derivatives.spectral import Spectral
from opbench.find import find, names, summary
from opbench.pde import PDE, EvolutionPDE, parts
from opbench.solver.manufactured import Manufactured
from opbench.solver.verification import checks, solutions

CASES = [(name, dims) for name in names("pdes") for dims in find("pdes", name, PDE).dims]
EVOLVING = [case for case in CASES if issubclass(find("pdes", case[0], PDE), EvolutionPDE)]  # steady ones are never solved in Fourier space
LONG = re.compile("in 2-D.* ends|ends, order [68]|radial dam|smooth lid|on a torus, order 4|in a box, order 4|wake")  # of seconds each


def check(name: str, label: str):
    """A check as a parameter of a test; long ones are marked slow."""
    plane = find("pdes", name, PDE).dims == (2,) and " ends, order" in label
    return pytest.param(name, label, marks=[pytest.mark.slow] if plane or LONG.search(label) else [])


CHECKS = [check(name, label) for name in names("pdes") for label in checks(name)]


@pytest.mark.parametrize(("name", "label"), CHECKS)
def test_the_solver_is_verified(name, label):
    finding = checks(name)[label]()
    assert finding.passed, str(finding)


@pytest.mark.parametrize("name", names("pdes"))
def test_somebody_else_vouches_for_every_equation(name):
    module = solutions(name)
    assert module.__doc__
    assert module.CASES, f"tests/exact/{name}.py: bring a closed form, or an independent computation"
    assert all(len(case.sizes) >= 3 and case.source for case in module.CASES)


@pytest.mark.parametrize(("name", "dims"), EVOLVING)
def test_circulant_stencils_give_the_same_values(name, dims):
    case = Manufactured(find("pdes", name, PDE)(), dims, 24)
    there, here = case.discrete(FiniteDifference(case.grid, 4)), case.discrete(Circulant(case.grid, 4))
    for a, b in zip(here, there, strict=True):
        assert float((a - b).norm() / b.norm()) < 1e-11


@pytest.mark.parametrize(("name", "dims"), EVOLVING)
def test_spectral_derivatives_are_exact_on_resolved_waves(name, dims):
    case = Manufactured(find("pdes", name, PDE)(), dims, 64 if dims == 1 else 32)
    assert case.deviation(Spectral(case.grid)) < 1e-10


@pytest.mark.parametrize("name", names("pdes"))
def test_an_equation_names_its_fields_units_and_formula(name):
    pde = find("pdes", name, PDE)
    assert "=" in summary("pdes", name), "the first line states the equation"
    for field in (*pde.inputs, *pde.outputs):
        assert field.unit


@pytest.mark.parametrize(("name", "dims"), EVOLVING)
def test_an_equation_commutes_with_a_shift_of_everything(name, dims):
    case = Manufactured(find("pdes", name, PDE)(), dims, 24)
    d = FiniteDifference(case.grid, 4)
    plain = case.discrete(d)
    case.states = [state.roll(5, -1) for state in case.states]
    case.given = {key: value.roll(5, -1) for key, value in case.given.items()}
    for before, after in zip(plain, case.discrete(d), strict=True):
        assert torch.allclose(before.roll(5, -1), after, rtol=1e-9, atol=1e-9 * float(before.abs().max()))


@pytest.mark.parametrize(("name", "dims"), EVOLVING)
def test_the_linear_part_is_linear(name, dims):
    case = Manufactured(find("pdes", name, PDE)(), dims, 24)
    pde, d = case.pde, FiniteDifference(case.grid, 4)
    assert isinstance(pde, EvolutionPDE)

    def linear(factor: float) -> list:
        states = [factor * state for state in case.states]
        given = states[0] if len(states) == 1 else dict(zip(case.names, states, strict=True))
        return parts(pde.linear(given, case.given, d), case.names)

    for once, thrice in zip(linear(1.0), linear(3.0), strict=True):
        assert np.allclose(3 * once, thrice, rtol=1e-12, atol=1e-12 * float(thrice.abs().max()))
