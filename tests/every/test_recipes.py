"""What every file of datasets/ keeps: it loads strictly, solves two tiny samples, and says where it comes from."""

import numpy as np
import pytest
import torch

from opbench.data.recipe import Recipe, datasets, load_recipe, plan
from opbench.data.samples import draw, laws, solve_block
from opbench.data.task import problem
from opbench.residual import Residual, unfit

SOLVED = [name for name in datasets() if isinstance(load_recipe(name), Recipe)]
SCALES = [(name, scale) for name in SOLVED for scale in load_recipe(name).scales]  # pyright: ignore[reportAttributeAccessIssue]


def tiny(name: str, scale: str):
    """The recipe with two samples a block on a coarse grid."""
    recipe = load_recipe(name)
    return plan(recipe.model_copy(update={"solving": recipe.solving.model_copy(update={"block": 2})}), scale, samples=2, grid=17)


@pytest.mark.parametrize("name", datasets())
def test_a_recipe_says_in_its_file_what_it_is_and_where_it_comes_from(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert len(recipe.summary) > 20
    assert len(recipe.source) > 20


@pytest.mark.parametrize(("name", "scale"), SCALES)
def test_a_recipe_solves_two_tiny_samples(name, scale):
    chosen = tiny(name, scale)
    for split in ("train", "finer"):
        arrays = solve_block(chosen, split, 0, "cpu")
        for field in chosen.recipe.unknowns:
            values = arrays[field.name]
            points = chosen.grid.refine(2 if split == "finer" else 1).shape
            assert values.shape == (2, *((len(chosen.times),) if chosen.times else ()), *points)
            assert np.isfinite(values).all()
            assert np.abs(values[0] - values[1]).max() > 1e-3 * np.abs(values).max()


@pytest.mark.parametrize("name", [f"{name}/{task.kind}" for name in SOLVED for task in load_recipe(name).tasks])
def test_what_a_model_answers_has_a_residual_wherever_the_equation_says_anything_of_it(name):
    chosen = problem(name, "mini")
    if reason := unfit(chosen):
        assert "take" in reason or "train on data" in reason
        return
    spec = chosen.spec
    given, answer = (torch.rand(3, channels, *spec.grid.shape) + 0.5 for channels in (spec.in_channels, spec.out_channels))
    left = Residual(chosen).relative(given, answer)
    assert left.shape == (3,)
    assert left.isfinite().all()


def _roughness(values: np.ndarray) -> float:
    """Mean square of neighbours' differences over the variance; 0 of numbers."""
    return float(np.square(np.diff(values.reshape(len(values), -1))).sum() / values.size / values.var())


@pytest.mark.parametrize(("name", "scale"), SCALES)
def test_out_of_distribution_inputs_differ_from_those_of_training(name, scale):
    chosen = tiny(name, scale)
    recipe = chosen.recipe
    assert set(recipe.ood) <= set(recipe.given)
    plain, shifted = (draw(chosen, split, range(20), chosen.solve_grid) for split in ("train", "ood"))
    for field in recipe.ood:
        assert laws(chosen, "ood")[field] != laws(chosen, "train")[field]
        traits = np.array([[v[field].mean(), v[field].std(), _roughness(v[field])] for v in (plain, shifted)])
        change = np.abs(traits[1] - traits[0]) / np.abs(traits).max(0).clip(min=1e-12)
        assert change.max() > 0.2, (field, traits)


@pytest.mark.parametrize(("name", "scale"), SCALES)
def test_a_mini_scale_is_small_and_every_count_is_whole_blocks_or_less(name, scale):
    chosen = plan(load_recipe(name), scale)
    points = np.prod(chosen.grid.shape) * len(chosen.times or (0,)) * (2 if chosen.times is None else 1)
    size = 4 * points * sum(n * (2**chosen.grid.dims if split == "finer" else 1) for split, n in chosen.samples.items())
    assert scale != "mini" or size < 50e6, f"{size / 1e6:.0f} MB"
