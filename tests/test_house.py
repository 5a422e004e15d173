"""The package as a whole: what an import costs, and that what is said twice agrees."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import opbench

ROOT = Path(__file__).parents[1]
PACKAGE = Path(opbench.__file__).parent
HEAVY = {"torch", "neuralop", "h5py", "xarray", "scipy", "matplotlib"}


def imported_by(module):
    """Top-level packages that a fresh interpreter holds after importing `module`."""
    script = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["opbench", "opbench.errors", "opbench.find", "opbench.config", "opbench.leaderboard"])
def test_what_the_command_line_starts_with_imports_nothing_heavy(module):
    heavy = imported_by(module) & HEAVY
    assert not heavy, heavy


def test_training_does_without_neuraloperator_and_hdf5():
    heavy = imported_by("opbench.train") & {"neuralop", "tltorch", "h5py", "xarray", "h5netcdf"}
    assert not heavy, heavy


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_says_what_it_is_in_one_line(path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, "no docstring"
    assert docstring.splitlines()[0].rstrip()[-1] in ".:)", docstring.splitlines()[0]


def test_the_citation_gives_what_its_format_requires_and_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert citation["version"] == opbench.__version__
    assert all(citation[key] for key in ("message", "title", "authors", "license"))


def test_the_changelog_has_a_place_for_what_comes_next():
    headings = [line for line in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines() if line.startswith("## ")]
    assert headings[0] == "## [Unreleased]", headings
