"""datasets/README.md is what the recipes and today's measurements render to, with a small picture of every dataset."""

import json
from pathlib import Path

import pytest
from PIL import Image
from test_cli import TINY

import opbench.data.recipe
from opbench.data import catalogue
from opbench.data.catalogue import LIMIT, render, update
from opbench.data.describe import all_measured
from opbench.data.recipe import datasets
from opbench.data.task import problem

FOLDER = Path(__file__).parent.parent / "datasets"
AGAIN = "run `python -m opbench.data.catalogue` in the checkout and commit what it writes"


def test_the_page_is_what_the_recipes_render_to():
    assert render() == (FOLDER / "README.md").read_text(encoding="utf-8"), AGAIN


@pytest.mark.parametrize("name", datasets())
def test_a_recipe_was_measured_and_drawn_as_it_is_today(name):
    assert all_measured().get(name, {}).get("fingerprint") == problem(name).data_fingerprint, AGAIN
    path = FOLDER / "pictures" / f"{name}.png"
    assert path.is_file(), AGAIN
    assert path.stat().st_size <= LIMIT, path.stat().st_size
    image = Image.open(path)
    assert min(image.size) >= 150
    assert len(image.convert("RGB").getcolors(1 << 24)) > 20


def test_nothing_is_kept_of_recipes_that_are_gone():
    assert {path.stem for path in (FOLDER / "pictures").iterdir()} == set(datasets()) == set(all_measured()), AGAIN


def test_only_what_is_missing_or_has_changed_is_measured_and_drawn(tmp_path, monkeypatch):
    (tmp_path / "datasets" / "pictures").mkdir(parents=True)
    recipe, page, drawn = (tmp_path / "datasets" / name for name in ("tiny.toml", "README.md", "pictures/tiny.png"))
    recipe.write_text(TINY)
    drawn.with_name("gone.png").touch()
    monkeypatch.setattr(opbench.data.recipe, "shipped", lambda *_: tmp_path / "datasets")
    monkeypatch.setenv("OPBENCH_DATA", str(tmp_path / "data"))
    measured, real = [], catalogue.error_floor
    monkeypatch.setattr(catalogue, "error_floor", lambda *arguments: measured.append(arguments[1]) or real(*arguments))
    update()
    entry = json.loads((tmp_path / "datasets" / "measured.json").read_text())["tiny"]
    assert measured == ["test", "ood"]
    assert f"velocity {entry['floors']['ood']['velocity']['relative_l2']['mean']:.1e}" in page.read_text()
    assert [path.name for path in drawn.parent.iterdir()] == ["tiny.png"]
    first = drawn.read_bytes(), drawn.stat().st_mtime_ns
    update()
    assert measured == ["test", "ood"]
    assert (drawn.read_bytes(), drawn.stat().st_mtime_ns) == first
    recipe.write_text(TINY.replace("seed = 1", "seed = 2"))
    update()
    assert measured == ["test", "ood"] * 2
    assert drawn.read_bytes() != first[0]
    drawn.unlink()
    update()
    assert measured == ["test", "ood"] * 2
    assert drawn.is_file()
