"""What every file of opbench/samplers keeps: the same generator gives the same function on every grid."""

import json

import numpy as np
import pytest

from opbench.find import find, names, summary
from opbench.grid import Grid
from opbench.samplers import Sampler

GRIDS = {
    "line": Grid(("x",), (64,), (0.0,), (2.0,), (True,)),
    "interval": Grid(("x",), (65,), (0.0,), (2.0,), (False,)),
    "torus": Grid(("x", "y"), (32, 32), (0.0, 0.0), (1.0, 2.0), (True, True)),
    "square": Grid(("x", "y"), (33, 33), (0.0, 0.0), (1.0, 1.0), (False, False)),
}
SETTINGS = {  # a new sampler states here how it is tried, and on which grids
    "constant": ({"value": 2.0}, GRIDS),
    "fourier": ({"modes": 5}, ["line"]),
    "gaussian_field": ({"amplitude": 2.0, "tau": 3.0, "alpha": 2.0, "modes": 12}, GRIDS),
    "plane_wave": ({"cycles": [1, 2], "sine": 0.5, "cosine": 1.0}, ["torus", "square"]),
    "two_phase": ({"low": 3.0, "high": 12.0, "tau": 3.0, "alpha": 2.0, "modes": 12}, GRIDS),
    "uniform": ({"low": 0.1, "high": 10.0, "log": True}, GRIDS),
}
CASES = [(name, grid) for name in names("samplers") for grid in SETTINGS[name][1]]


def law(name: str) -> Sampler:
    cls = find("samplers", name, Sampler)
    return cls.model_validate_json(json.dumps({"sampler": name, **SETTINGS[name][0]}))


@pytest.mark.parametrize(("name", "grid"), CASES)
def test_the_same_state_gives_the_same_function_on_a_finer_grid(name, grid):
    coarse = GRIDS[grid]
    fine = coarse.refine(2)
    here, there = (np.asarray(law(name).draw(np.random.default_rng(7), g)) for g in (coarse, fine))
    assert here.shape in ((), coarse.shape)
    restricted = fine.restrict(there, coarse) if there.shape else there
    assert np.abs(restricted - here).max() < 1e-12 * max(1.0, np.abs(here).max())
    assert np.isfinite(here).all()


@pytest.mark.parametrize(("name", "grid"), CASES)
def test_samples_differ_exactly_where_the_law_says_so(name, grid):
    one, other = (np.asarray(law(name).draw(np.random.default_rng(seed), GRIDS[grid])) for seed in (1, 2))
    assert law(name).random != np.array_equal(one, other)


@pytest.mark.parametrize("name", names("samplers"))
def test_the_file_says_in_one_line_what_it_draws(name):
    assert len(summary("samplers", name)) > 10
