"""File name -> the one class in it: a folder of opbench is its own registry."""

import ast
import difflib
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from opbench.errors import OpbenchError, UnknownName

T = TypeVar("T")
PACKAGE = Path(__file__).parent


def names(room: str) -> list[str]:
    """Names that `find` answers to in a room ("pdes", "models", "samplers", "losses")."""
    return sorted(path.stem for path in (PACKAGE / room).glob("*.py") if not path.stem.startswith("_"))


def summary(room: str, name: str) -> str:
    """First docstring line of a room's file, read without importing it."""
    docstring = ast.get_docstring(ast.parse((PACKAGE / room / f"{name}.py").read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]


def known(kind: str, name: str, choices: Iterable[str]) -> str:
    """`name`, if it is one of `choices`; raises UnknownName with the nearest choice."""
    choices = sorted(choices)
    if name in choices:
        return name
    near = difflib.get_close_matches(str(name), choices, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'?" if near else f"choose one of {', '.join(choices) or '(none)'}"
    raise UnknownName(f"unknown {kind} '{name}'; {hint}")


def find(room: str, name: str, base: type[T]) -> type[T]:
    """The class that `name` stands for: a file of `room`, `module:Class` or `path/to/file.py:Class`.

    A named class of the user's own need not derive from `base`: the caller adapts it or refuses it.
    Raises UnknownName for an unknown name, OpbenchError for a file that cannot be imported.
    """
    if ":" in name:
        place, _, attribute = name.rpartition(":")
        return _attribute(_import_file(place) if place.endswith(".py") else _import(place), attribute, name)
    known({"pdes": "equation", "losses": "loss"}.get(room, room.removesuffix("s")), name, names(room))
    module = importlib.import_module(f"opbench.{room}.{name}")
    classes = [c for c in vars(module).values() if isinstance(c, type) and c.__module__ == module.__name__ and issubclass(c, base)]
    if len(classes) != 1:
        raise OpbenchError(f"opbench/{room}/{name}.py: expected one {base.__name__}, found {len(classes)}; keep one class a file")
    return classes[0]


def _attribute(module, attribute: str, name: str):
    if isinstance(found := getattr(module, attribute, None), type):
        return found
    classes = [key for key, value in vars(module).items() if isinstance(value, type)]
    near = difflib.get_close_matches(attribute, classes, n=1, cutoff=0.5)
    raise UnknownName(f"{name}: no class '{attribute}' there" + (f"; did you mean '{near[0]}'?" if near else ""))


@contextmanager
def _beside(folder: Path) -> Iterator[None]:
    """A user's module may import its neighbours."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _import(module: str):
    try:
        with _beside(Path.cwd()):
            return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        raise OpbenchError(f"{module}: cannot be imported: {type(error).__name__}: {error}") from error


def _import_file(path: str):
    file = Path(path)
    if not file.is_file():
        raise OpbenchError(f"{path}: no such file; give path/to/file.py:Class")
    spec = importlib.util.spec_from_file_location(f"opbench_user_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses of the user's file look their module up
    try:
        with _beside(file.resolve().parent):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[spec.name]
        line = f" (line {error.lineno})" if isinstance(error, SyntaxError) else ""
        raise OpbenchError(f"{path}: cannot be imported{line}: {type(error).__name__}: {error}") from error
    return module
