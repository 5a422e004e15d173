"""Wrong equations: one sign, number or parameter of a formula changed at a time."""

import ast
import copy
import inspect
from collections.abc import Collection, Iterator

from opbench.find import find
from opbench.pde import PDE

FORMULAS = ("residual", "linear", "nonlinear", "rate", "flux", "conserved", "state")
FACTOR = 1.5
OF_RESIDUALS = ("residual", "linear", "nonlinear", "rate", "flux", "conserved")


def mutants(equation: str, formulas: Collection[str] = FORMULAS) -> Iterator[tuple[str, type[PDE]]]:
    """What was changed where, and the equation with that change; formulas: the methods that are changed, and the functions they call."""
    original = find("pdes", equation, PDE)
    module = inspect.getmodule(original)
    assert module is not None
    tree = ast.parse(inspect.getsource(module))
    parameters = sorted({field.name for field in original.inputs if field.uniform})
    for index, node in enumerate(places(tree, formulas)):
        for word, changed in changes(node, parameters):
            mutant = copy.deepcopy(tree)
            put(mutant, places(mutant, formulas)[index], changed)
            space = {"__name__": module.__name__}
            exec(compile(ast.fix_missing_locations(mutant), f"<{equation}>", "exec"), space)
            yield f"line {node.lineno}: {word}", space[original.__name__]


def places(tree: ast.Module, formulas: Collection[str]) -> list[ast.expr]:
    functions = {f.name: f for f in ast.walk(tree) if isinstance(f, ast.FunctionDef)}
    reached, waiting = set(), [name for name in formulas if name in functions]
    while waiting:
        reached.add(name := waiting.pop())
        called = {node.func.id for node in ast.walk(functions[name]) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
        waiting += sorted(called & functions.keys() - reached)
    return [node for name in functions if name in reached for node in ast.walk(functions[name]) if isinstance(node, ast.expr)]


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
