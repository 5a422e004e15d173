"""The files in which a model is written."""

import ast
import inspect
import marshal
import sys
from pathlib import Path

from opbench.config import fingerprint
from opbench.find import installed
from opbench.provenance import sha256


def source_sha256(cls: type) -> str:
    """sha256 over `files`, by name; of a notebook's cell, over its functions."""
    found = files(cls)
    if not found:
        codes = [marshal.dumps(f.__code__, 2).hex() for f in vars(cls).values() if inspect.isfunction(f)]
        return fingerprint(codes)  # marshal's version 2: later ones depend on reference counts
    return fingerprint({name: sha256(path) for name, path in found.items()})


def files(cls: type) -> dict[str, Path]:
    """The file in which a class is written and those of its author's that it imports; none of a notebook's cell.

    By their paths below the folder that holds the file, or its outermost package. Of a library's class: the files beside it alone.
    """
    home = sys.modules[cls.__module__]
    if getattr(home, "__file__", None) is None:
        return {}
    file = Path(str(home.__file__)).resolve()
    root = file.parent if installed(file) else file.parents[home.__name__.count(".") + (file.name == "__init__.py")]
    follow = _beside if installed(file) else _below
    found: dict[str, Path] = {}
    waiting = [file]
    while waiting:
        path = waiting.pop()
        name = path.relative_to(root).as_posix()
        if name not in found and path.is_file():
            found[name] = path
            waiting += follow(path, root)
    return found


def _beside(path: Path, root: Path) -> list[Path]:
    """Files in the same folder that the last words of a file's imports name."""
    words = {name.rpartition(".")[2] for _, name in _imports(path)}
    return [root / f"{word}.py" for word in words]


def _below(path: Path, root: Path) -> list[Path]:
    """Where below `root` what a file imports would lie, packages with their __init__.py; its own packages too, which are run with it."""
    found = [folder / "__init__.py" for folder in path.parents if folder.is_relative_to(root) and folder != root]
    for level, name in _imports(path):
        for folder in (path.parents[level - 1],) if level else {root, path.parent}:  # a file finds its neighbours without dots too
            place = folder
            for word in filter(None, name.split(".")):
                found += [place / f"{word}.py", place / word / "__init__.py"]
                place /= word
    return [place for place in found if place.is_relative_to(root)]


def _imports(path: Path) -> set[tuple[int, str]]:
    """What a file's import statements name, those of its functions among them: how many dots before it, and the dotted name."""
    found: set[tuple[int, str]] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {(0, alias.name) for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            found |= {(node.level, module), *((node.level, f"{module}.{alias.name}") for alias in node.names)}
    return found
