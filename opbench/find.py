"""File name -> the one class in it: a folder of opbench is its own registry."""

import ast
import difflib
import importlib
import importlib.util
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from opbench.errors import OpbenchError, UnknownName

T = TypeVar("T")
PACKAGE = Path(__file__).resolve().parent
NEIGHBOURS: set[str] = set()  # modules that a user's file brought along


def names(room: str) -> list[str]:
    """Names that `find` answers to in a room ("pdes", "models", "samplers", "losses", "readers")."""
    return sorted(path.stem for path in (PACKAGE / room).glob("*.py") if not path.stem.startswith("_"))


def shipped(folder: str, checkout: str) -> Path:
    """What comes with opbench beside its code: the wheel's copy, or the checkout's folder."""
    copy = PACKAGE / "shipped" / folder
    return copy if copy.is_dir() else PACKAGE.parent / checkout


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
    if name.endswith(".py"):
        raise UnknownName(f"{name}: expected a class of that file; name it as {name}:Class")
    if ":" in name:
        place, _, attribute = name.rpartition(":")
        return _attribute(_import_file(place) if place.endswith(".py") else _import(place), attribute, name)
    known({"pdes": "equation", "losses": "loss"}.get(room, room.removesuffix("s")), name, names(room))
    module = importlib.import_module(f"opbench.{room}.{name}")
    classes = [c for c in vars(module).values() if isinstance(c, type) and c.__module__ == module.__name__ and issubclass(c, base)]
    if len(classes) != 1:
        raise OpbenchError(f"opbench/{room}/{name}.py: expected one {base.__name__}, found {len(classes)}; keep one class a file")
    return classes[0]


def _attribute(module: ModuleType, attribute: str, name: str) -> type:
    if isinstance(found := getattr(module, attribute, None), type):
        return found
    classes = sorted(key for key, value in vars(module).items() if isinstance(value, type) and value.__module__ == module.__name__)
    near = difflib.get_close_matches(attribute, classes, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'?" if near else f"its classes are {', '.join(classes) or '(none)'}"
    raise UnknownName(f"{name}: no class '{attribute}' there; {hint}")


class _Later(MetaPathFinder):
    """Finds what the user's code that was imported last imports when it is called, where nothing else has that name."""

    folders: Sequence[str] = ()

    def find_spec(self, fullname: str, path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, self.folders) if path is None else None
        if spec is None or spec.origin is None:  # any folder would do for the latter, such as the one that a logger left
            return None
        NEIGHBOURS.add(fullname)
        return spec


LATER = _Later()


@contextmanager
def _beside(*folders: Path) -> Iterator[None]:
    """A user's module may import its neighbours below these folders, as they are now: those of an earlier import are forgotten."""
    for name in [name for name in sys.modules if name in NEIGHBOURS or name.partition(".")[0] in NEIGHBOURS]:
        del sys.modules[name]
    NEIGHBOURS.clear()
    importlib.invalidate_caches()
    before, path = set(sys.modules), [str(folder) for folder in folders]
    LATER.folders = path
    if LATER not in sys.meta_path:
        sys.meta_path.append(LATER)
    sys.path[:0] = path
    try:
        yield
    finally:
        for folder in path:
            sys.path.remove(folder)
        NEIGHBOURS.update(name for name in set(sys.modules) - before if any(_is_below(sys.modules[name], folder) for folder in folders))


def _is_below(module: ModuleType, folder: Path) -> bool:
    """Whether it is a user's own: no library that is installed below the folder, nor opbench."""
    place = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", [])), None)
    return place is not None and Path(place).resolve().is_relative_to(folder.resolve()) and not installed(Path(place))


def installed(path: Path) -> bool:
    """Whether a file is of a library, or of opbench."""
    return bool({"site-packages", "dist-packages"} & set(path.parts)) or path.resolve().is_relative_to(PACKAGE)


def _import(module: str) -> ModuleType:
    try:
        with _beside(Path.cwd()):
            return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        raise OpbenchError(f"{module}: cannot be imported: {type(error).__name__}: {error}") from error


def _import_file(path: str) -> ModuleType:
    """A file as a module of its package, where it lies in one, so that it may import relatively; else as one of its own."""
    file = Path(path).resolve()
    if not file.is_file():
        raise OpbenchError(f"{path}: no such file; give path/to/file.py:Class")
    root, packages = _packages(file)
    try:
        with _beside(file.parent, root):
            if packages and packages[0] not in sys.modules and file.stem.isidentifier():
                return importlib.import_module(".".join([*packages, file.stem]).removesuffix(".__init__"))
            return _alone(file)
    except (Exception, SystemExit) as error:
        line = f" (line {error.lineno})" if isinstance(error, SyntaxError) else ""
        raise OpbenchError(f"{path}: cannot be imported{line}: {type(error).__name__}: {error}") from error


def _packages(file: Path) -> tuple[Path, list[str]]:
    """The folder that a file's outermost package lies in, and the packages around the file, the outermost first."""
    root, packages = file.parent, []
    while (root / "__init__.py").is_file():
        root, packages = root.parent, [root.name, *packages]
    return root, packages


def _alone(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"opbench_user_{file.stem.replace('.', '_')}_{zlib.crc32(bytes(file)):08x}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses of the user's file look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise
    return module
