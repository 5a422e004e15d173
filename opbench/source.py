"""The files in which a model is written."""

import inspect
import marshal
import sys
from pathlib import Path
from types import ModuleType

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
    folder, found, waiting = Path(str(home.__file__)).parent, {}, [home]
    while waiting:
        module = waiting.pop()
        path = Path(getattr(module, "__file__", None) or "")
        if path.parent == folder and path.name not in found:
            found[path.name] = path
            names = {getattr(value, "__name__" if isinstance(value, ModuleType) else "__module__", None) for value in vars(module).values()}
            waiting += [sys.modules[name] for name in names if isinstance(name, str) and name in sys.modules]
    return list(found.values())
