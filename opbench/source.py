"""The files in which a model is written."""

import ast
import inspect
import marshal
import sys
from pathlib import Path

from opbench.config import fingerprint
from opbench.provenance import sha256


def source_sha256(cls: type) -> str:
    """sha256 over `files`, by name; of a notebook's cell, over its functions."""
    found = files(cls)
    if not found:
        codes = [marshal.dumps(f.__code__, 2).hex() for f in vars(cls).values() if inspect.isfunction(f)]
        return fingerprint(codes)  # marshal's version 2: later ones depend on reference counts
    return fingerprint({path.name: sha256(path) for path in found})


def files(cls: type) -> list[Path]:
    """The file in which a class is written and the files beside it that it imports; none of a notebook's cell."""
    home = sys.modules[cls.__module__]
    if getattr(home, "__file__", None) is None:
        return []
    found: dict[str, Path] = {}
    waiting = [Path(str(home.__file__))]
    while waiting:
        path = waiting.pop()
        if path.name not in found and path.is_file():
            found[path.name] = path
            waiting += [path.with_name(f"{name}.py") for name in imported(path)]
    return list(found.values())


def imported(path: Path) -> set[str]:
    """The last words of all that a file's import statements name, functions' own imports among them."""
    names = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.name.rpartition(".")[2] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.rpartition(".")[2])
    return names
