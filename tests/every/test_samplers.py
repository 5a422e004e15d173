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
    "channel": Grid(("x", "y"), (30, 21), (0.0, 0.0), (1.0, 1.0), (True, False)),
}
LINES, BOXES, ALL = ["line", "interval"], ["torus", "square", "channel"], list(GRIDS)
SETTINGS = {  # a new sampler states here how it is tried, and on which grids
    "blocks": [
        ({"cells": [5], "levels": [3.0, 12.0]}, LINES),
        ({"cells": [4, 3], "between": [0.1, 10.0], "log": True}, BOXES),
    ],
    "constant": [({"value": 2.0}, ALL)],
    "disc": [
        ({"count": [2, 4], "radius": [0.1, 0.3], "inside": [2.0, 3.0], "outside": 1.0}, ALL),
        ({"radius": 0.25, "centre": [0.5, 0.5], "inside": [2.0, 3.0], "outside": 1.0}, BOXES),
        ({"radius": 0.25, "inside": 2.0, "outside": 1.0, "width": 0.05}, ALL),
    ],
    "fourier": [({"modes": 5, "decay": 1.0}, ["line", "torus"]), ({"modes": 3, "largest": 1.0, "offset": [-0.5, 0.5]}, ["line", "torus"])],
    "gaussian_bumps": [({"count": [1, 5], "amplitude": [-1.0, 1.0], "width": [0.05, 0.2]}, ALL)],
    "gaussian_field": [
        ({"amplitude": 2.0, "tau": 3.0, "alpha": 2.0, "modes": 12}, ALL),
        ({"amplitude": 2.0, "tau": 0.0, "alpha": 1.0, "modes": 12, "boundary": "dirichlet"}, ALL),
    ],
    "lid": [({"speed": 2.0}, BOXES)],
    "log_normal": [({"amplitude": 2.0, "tau": 3.0, "alpha": 2.0, "modes": 12, "mean": -1.0}, ALL)],
    "plane_wave": [({"cycles": [1, 2], "sine": 0.5, "cosine": 1.0}, BOXES)],
    "riemann": [
        ({"states": [1.0, 0.125], "position": [0.3]}, ALL),
        ({"states": [[1.0, 2.0], 0.125], "position": [[0.25, 0.75]], "width": 0.02}, ALL),
        ({"states": [1.5, [0.1, 1.0], 0.138, [0.1, 1.0]], "position": [0.7, 0.7], "log": True}, BOXES),
    ],
    "sine_series": [
        ({"waves": 2, "highest": 4, "fold": 0.5, "window": 0.5}, ["line"]),
        ({"waves": 2, "highest": 4, "unit_range": True}, ["line"]),
    ],
    "standing_waves": [({"modes": 6, "decay": 1.0}, ["interval", "square"])],
    "two_phase": [({"low": 3.0, "high": 12.0, "tau": 3.0, "alpha": 2.0, "modes": 12}, ALL)],
    "uniform": [({"low": 0.1, "high": 10.0, "log": True}, ALL)],
    "white_noise": [({"amplitude": 1.0, "modes": 9}, ALL)],
}
CASES = [
    pytest.param(name, settings, grid, id=f"{name}-{number}-{grid}")
    for name in names("samplers")
    for number, (settings, grids) in enumerate(SETTINGS[name])
    for grid in grids
]


def law(name: str, settings: dict) -> Sampler:
    cls = find("samplers", name, Sampler)
    return cls.model_validate_json(json.dumps({"sampler": name, **settings}))


@pytest.mark.parametrize(("name", "settings", "grid"), CASES)
def test_the_same_state_gives_the_same_function_on_a_finer_grid(name, settings, grid):
    coarse = GRIDS[grid]
    here = np.asarray(law(name, settings).draw(np.random.default_rng(7), coarse))
    assert here.shape in ((), coarse.shape)
    assert np.isfinite(here).all()
    for factor in (2, 3, 5):  # thirds and fifths are rounded, so that a jump on a node may fall on either side of it
        fine = coarse.refine(factor)
        there = np.asarray(law(name, settings).draw(np.random.default_rng(7), fine))
        restricted = fine.restrict(there, coarse) if there.shape else there
        assert np.abs(restricted - here).max() < 1e-12 * max(1.0, np.abs(here).max()), factor


@pytest.mark.parametrize(("name", "settings", "grid"), CASES)
def test_samples_differ_exactly_where_the_law_says_so(name, settings, grid):
    one, other = (np.asarray(law(name, settings).draw(np.random.default_rng(seed), GRIDS[grid])) for seed in (1, 2))
    assert law(name, settings).random != np.array_equal(one, other)


@pytest.mark.parametrize(("name", "settings"), [(name, settings) for name in names("samplers") for settings, _ in SETTINGS[name]])
def test_what_a_recipe_sets_survives_writing_and_reading(name, settings):
    chosen = law(name, settings)
    assert type(chosen).model_validate_json(chosen.model_dump_json()) == chosen


@pytest.mark.parametrize("name", names("samplers"))
def test_the_file_says_in_one_line_what_it_draws(name):
    assert len(summary("samplers", name)) > 10
