"""A wrong equation is found out: a changed sign, factor or parameter in its file, by a solution that somebody else vouches for."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from mutants import mutants
from opbench.find import names
from opbench.pde import PDE
from opbench.solver import solve
from opbench.solver.verification import Case, distance, folder, solutions

VOUCHED = sorted(path.stem for path in folder().glob("*.py") if "\nCASES" in path.read_text())  # test_pdes.py asks it of all equations
SECONDS = 10.0  # the right equations take well below one
WORSE = 3.0  # times the equation's own error at the coarsest size of a case


def error(equation, case: Case) -> float:
    grid = case.grid(case.sizes[0])
    answer = solve(equation, grid, case.given(grid), case.times, boundary=case.boundary, **(case.options or {}))
    return max(distance(answer[name].values, exact) for name, exact in case.exact(grid).items())


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Raises TimeoutError in a block that takes longer."""

    def stop(*_):
        raise TimeoutError

    former = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def found_out(mutant: type[PDE], cases: list[tuple[Case, float]]) -> bool:
    for case, own in cases:
        try:
            with limit(SECONDS):
                wrong = error(mutant, case)
        except Exception:  # whatever a wrong equation breaks, or no end of small steps
            return True
        if not wrong <= WORSE * own + 1e-9:
            return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("equation", VOUCHED)
def test_every_mutation_of_an_equation_is_found_out(equation):
    with np.errstate(all="ignore"):
        cases = sorted(((case, error(equation, case)) for case in solutions(equation).CASES), key=lambda pair: pair[0].sizes[0])
        survivors = [word for word, mutant in mutants(equation) if not found_out(mutant, cases)]
    assert not survivors, "\n".join(survivors)


@pytest.mark.parametrize("equation", names("pdes"))
def test_every_equation_has_something_to_mutate(equation):
    assert sum(1 for _ in mutants(equation)) >= 1
