"""opbench: a benchmark suite for neural operators."""

import importlib
from typing import TYPE_CHECKING

from opbench.version import __version__

if TYPE_CHECKING:
    from opbench.data.generation import generate as generate
    from opbench.data.task import load as load
    from opbench.errors import OpbenchError as OpbenchError
    from opbench.evaluation.evaluate import evaluate as evaluate
    from opbench.grid import Grid as Grid
    from opbench.model import OperatorModel as OperatorModel
    from opbench.solver import solve as solve

_HOMES = {  # imported when first asked for: `import opbench` must stay fast and free of torch
    "Grid": "opbench.grid",
    "OpbenchError": "opbench.errors",
    "OperatorModel": "opbench.model",
    "evaluate": "opbench.evaluation.evaluate",
    "generate": "opbench.data.generation",
    "load": "opbench.data.task",
    "solve": "opbench.solver",
}
__all__ = ["Grid", "OpbenchError", "OperatorModel", "__version__", "evaluate", "generate", "load", "solve"]


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'opbench' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__():
    return __all__
