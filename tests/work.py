"""Small datasets, runs of the command line and folders compared, for tests of generation."""

import subprocess
import sys
from pathlib import Path

from opbench.data.recipe import load_recipe, plan


def small(samples: int = 5, dataset: str = "burgers_1d", grid: int = 32, **changes):
    return plan(load_recipe(dataset), "mini", samples=samples, grid=grid, **changes)


def contents(root: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def different(one: Path, other: Path) -> list[str]:
    a, b = contents(one), contents(other)
    return sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))


def command(*arguments: str, **options) -> subprocess.Popen:
    """A run of the command line."""
    return subprocess.Popen(
        [sys.executable, "-m", "opbench", *arguments], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options
    )
