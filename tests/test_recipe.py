"""Recipes are strict, and a plan's fingerprint changes exactly with the numbers in its files."""

import tomllib

import pytest

from opbench.data.recipe import Recipe, folder, load_recipe, plan
from opbench.errors import ConfigError, UnknownName

BURGERS = (folder() / "burgers_1d.toml").read_text()


def written(tmp_path, *changes: tuple[str, str]) -> str:
    text = BURGERS
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "burgers_1d.toml"
    path.write_text(text)
    return str(path)


def test_a_recipe_with_two_typos_tells_both_with_their_paths(tmp_path):
    path = written(tmp_path, ("amplitude = 25.0", "amplitud = 25.0"), ("block = 32", 'block = "many"'))
    with pytest.raises(ConfigError) as told:
        load_recipe(path)
    for place in ("given.velocity.gaussian_field.amplitud:", "given.velocity.gaussian_field.amplitude:", "solving.block:"):
        assert place in str(told.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('equation = "burgers"', 'equation = "burger"'), "did you mean 'burgers'"),
        (("[given.viscosity]", "[given.viscosty]"), "did you mean 'viscosity'"),
        (("[given.viscosity]", "[ood.viscosity]"), "viscosity must be sampled for burgers"),
        (('sampler = "constant"', 'sampler = "konstant"'), "given.viscosity"),
        (("points = [128]", "points = [128, 128]"), "scales.mini.points: one entry an axis"),
        (("frames = 11", ""), "final and frames are required"),
        (("refine = 4", "refine = 3"), "scales.mini.refine: must be even"),
        (('name = "burgers_1d"', 'name = "other"'), "the file's own name"),
        (('name = "burgers_1d"', 'name = "Solver"'), "'Solver' is the leaderboards' own page"),
        (("[scales.full]", "[scales.tiny]"), "scales: expected mini or full, got 'tiny'"),
        (("seed = 1", "seed = = 1"), "not valid TOML"),
        (("train = 512, ", ""), "scales.mini.samples: train is required"),
        (("valid = 64, ", ""), "scales.mini.samples: valid is required"),
        (("test = 64, ", ""), "scales.mini.samples: test is required; .*finer: these are the test samples"),
        (("epochs = { mini = 100, full = 500 }", "epochs = { mini = 100 }"), "epochs must name the scales mini, full"),
        (('kind = "trajectory"', 'kind = "static"'), "'static' does not fit burgers, which evolves"),
        (('kind = "final"', 'kind = "trajectory"'), "'trajectory' is declared more than once"),
        (('axes = ["x"]', 'axes = ["z"]'), "domain.axes: expected"),
        (("periodic = [true]", "periodic = [false]"), "an axis is bounded; say what holds at its ends"),
        (("[ood.velocity]", "[ood.viscosity]"), "ood.viscosity: does not vary in training"),
    ],
)
def test_a_recipe_that_does_not_fit_is_told_in_one_line(tmp_path, change, message):
    with pytest.raises(ConfigError, match=message) as told:
        load_recipe(written(tmp_path, change))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("ends", "message"),
    [
        ('[{ kind = "dirichlet" }, { kind = "newman" }]', r"boundary\.x\.\(lower, upper\)\.1\.condition: .* 'newman' .*'neumann'"),
        ('{ kind = "robin" }', r"boundary\.x\.both ends\.condition\.robin\.factor: Field required$"),
        ('{ velocity = { kind = "robin" } }', r"boundary\.x\.both ends\.by unknown\.velocity\.robin\.factor: Field required$"),
        ('[{ kind = "wall" }, { kind = "wall" }, { kind = "wall" }]', "at most 2 items"),
        (
            '{ kind = "neumann", value = [0.0, 1.0] }',
            r"boundary\.x: the value of velocity must be a number or the name .* got \[0\.0, 1\.0\]",
        ),
        ('{ kind = "neumann", value = nan }', "must be a number or the name .* got nan"),
        ('{ kind = "neumann", value = "flux" }', "given: flux must be sampled for burgers"),
    ],
)
def test_a_fault_at_the_ends_is_told_of_the_form_that_was_meant(tmp_path, ends, message):
    changes = ("periodic = [true]", "periodic = [false]"), ("[given.velocity]", f"[boundary]\nx = {ends}\n\n[given.velocity]")
    with pytest.raises(ConfigError, match=message) as told:
        load_recipe(written(tmp_path, *changes))
    assert "tagged-union" not in str(told.value)


def test_an_unknown_dataset_or_scale_is_told_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'burgers_1d'"):
        load_recipe("burgers1d")
    with pytest.raises(UnknownName, match="did you mean 'mini'"):
        plan(load_recipe("burgers_1d"), "minni")
    with pytest.raises(ConfigError, match="no such recipe"):
        load_recipe("nowhere/burgers_1d.toml")


@pytest.mark.parametrize("change", [{"samples": 9}, {"grid": 64}, {"seed": 5}])
def test_the_users_changes_change_fingerprint_and_folder(change):
    recipe = load_recipe("burgers_1d")
    plain, changed = plan(recipe, "mini"), plan(recipe, "mini", **change)
    assert plain.fingerprint != changed.fingerprint
    assert plain.folder == "burgers_1d/mini"
    assert changed.folder.startswith("burgers_1d/mini-")


def test_the_fingerprint_ignores_what_moves_no_number_and_sees_what_does(tmp_path):
    plain = plan(load_recipe("burgers_1d"), "mini").fingerprint

    def changed(*change):
        return plan(load_recipe(written(tmp_path, change)), "mini").fingerprint

    assert changed("summary = ", 'summary = "x" # ') == plain
    assert changed("batch_size = 32", "batch_size = 16") == plain
    assert changed("value = 0.01", "value = 0.02") != plain
    assert changed("tolerance = 1e-7", "tolerance = 1e-8") != plain
    assert changed("refine = 4", "refine = 8") != plain


def test_every_scale_that_a_task_trains_on_has_a_budget():
    for path in folder().glob("*.toml"):
        recipe = load_recipe(path.stem)
        scales = recipe.scales if isinstance(recipe, Recipe) else ["full"]
        for task in recipe.tasks:
            assert set(task.epochs) == set(scales), f"{path.stem}: {task.kind}"
        assert tomllib.loads(path.read_text())["source"]


def test_a_value_at_an_end_that_no_file_holds_may_not_be_random(tmp_path):
    path, text = tmp_path / "lid_driven_cavity_2d.toml", (folder() / "lid_driven_cavity_2d.toml").read_text()
    path.write_text(text.replace('sampler = "lid"', 'sampler = "uniform"\nlow = 0.5\nhigh = 1.0'))
    with pytest.raises(ConfigError, match=r"given\.lid: is random and only at an end"):
        load_recipe(str(path))
