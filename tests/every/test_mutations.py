"""A wrong equation is found out: a changed sign, factor or parameter in its file, by a solution that somebody else vouches for."""

import ast
import copy
import inspect
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from opbench.find import find, names
from opbench.pde import PDE
from opbench.solver import solve
from opbench.verification import Case, distance, folder, solutions

FORMULAS = ("residual", "linear", "nonlinear", "rate", "flux", "conserved", "state")
FACTOR = 1.5
VOUCHED = sorted(path.stem for path in folder().glob("*.py") if "\nCASES" in path.read_text())  # test_pdes.py asks it of all equations
SECONDS = 10.0  # the right equations take well below one
WORSE = 3.0  # times the equation's own error at the coarsest size of a case


def mutants(equation: str) -> Iterator[tuple[str, type[PDE]]]:
    """What was changed where, and the equation with that change: one sign, number or parameter of a formula at a time."""
    original = find("pdes", equation, PDE)
    module = inspect.getmodule(original)
    assert module is not None
    tree = ast.parse(inspect.getsource(module))
    parameters = sorted({field.name for field in original.inputs if field.uniform})
    for index, node in enumerate(places(tree)):
        for word, changed in changes(node, parameters):
            mutant = copy.deepcopy(tree)
            put(mutant, places(mutant)[index], changed)
            space = {"__name__": module.__name__}
            exec(compile(ast.fix_missing_locations(mutant), f"<{equation}>", "exec"), space)
            yield f"line {node.lineno}: {word}", space[original.__name__]


def places(tree: ast.Module) -> list[ast.expr]:
    functions = [f for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) and (f.name in FORMULAS or f.name.startswith("_"))]
    return [node for f in functions for node in ast.walk(f) if isinstance(node, ast.expr)]


def changes(node: ast.expr, parameters: list[str]) -> Iterator[tuple[str, ast.expr]]:
    text = ast.unparse(node)
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
        other = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        yield f"{text}: the other sign", ast.BinOp(node.left, other, node.right)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield f"{text}: without the minus", node.operand
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.Div)) and isinstance(node.right, ast.Constant):
        yield f"{text}: without the factor", node.left
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and isinstance(node.right, ast.Constant):
        yield f"{text}: one power more", ast.BinOp(node.left, ast.Pow(), ast.Constant(node.right.value + 1))
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "given":
        yield f"{text}: times {FACTOR}", ast.BinOp(ast.Constant(FACTOR), ast.Mult(), node)
        if isinstance(node.slice, ast.Constant) and node.slice.value in parameters:
            for other in parameters:
                if other != node.slice.value:
                    yield f"{text}: {other} instead", ast.Subscript(node.value, ast.Constant(other), node.ctx)


def put(tree: ast.Module, old: ast.expr, new: ast.expr) -> None:
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
            elif isinstance(value, list):
                setattr(parent, name, [new if entry is old else entry for entry in value])


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
