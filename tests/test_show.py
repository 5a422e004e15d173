"""What `opbench show` says and draws: the floor, the samples of the files, a frame for every stored time, and nothing elsewhere."""

import io
import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image
from test_cli import TINY

from opbench.boundary import Dirichlet, resolve
from opbench.data.describe import all_measured, facts, stored_bytes
from opbench.data.generation import file, make
from opbench.data.recipe import load_recipe, plan
from opbench.data.show import look, show, stored, summary
from opbench.data.store import Stored
from opbench.data.task import problem
from opbench.errors import ConfigError, UnknownName
from opbench.field import Field
from opbench.grid import Grid
from opbench.pictures import Scene, animation, picture
from opbench.solver import pose


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    (folder / "tiny.toml").write_text(TINY)
    return folder


@pytest.fixture(scope="module")
def made(home) -> Path:
    """The folder of a recipe's files."""
    return make(problem(str(home / "tiny.toml")).plan, home / "made")


@pytest.fixture
def tiny(home, tmp_path, monkeypatch) -> str:
    """A recipe whose files are missing."""
    monkeypatch.setenv("OPBENCH_DATA", str(tmp_path / "data"))
    return str(home / "tiny.toml")


PERIODIC = (True, True, False)


def opened(content: bytes):
    return Image.open(io.BytesIO(content))


def colours(image) -> int:
    return len(image.convert("RGB").getcolors(1 << 24))


def scene(dims: int, steady: bool, unknowns: int, samples: int = 2) -> Scene:
    """Waves of both signs and of one, on unequal axes, the last of them bounded."""
    grid = Grid(("x", "y", "z")[:dims], (24, 12, 6)[:dims], (0.0,) * dims, (3.0, 1.0, 1.0)[:dims], PERIODIC[3 - dims :])
    times = None if steady else (0.0, 0.5, 1.0, 1.5)
    wave = sum(np.sin(2 * x) for x in grid.mesh())
    still = np.stack([wave + number for number in range(samples)])
    moving = still if times is None else np.stack([still * np.cos(time) for time in times], axis=1)
    fields = (Field("density", "kg/m^3"), Field("velocity_x", "m/s"), Field("velocity_y", "m/s"))[:unknowns]
    parameters = {Field("heat_capacity_ratio"): np.arange(samples) + 1.4, Field("kinematic_viscosity", "m^2/s"): np.full(samples, 1e-3)}
    return Scene("example, mini, test", grid, times, {Field("depth", "m"): 4 + still}, parameters, dict.fromkeys(fields, moving))


KINDS = [(1, True, 1), (1, False, 1), (1, False, 3), (2, True, 3), (2, False, 1), (2, False, 3), (3, False, 1)]


@pytest.mark.parametrize(("dims", "steady", "unknowns"), KINDS)
def test_every_kind_of_problem_has_a_picture_with_room_for_every_sample(dims, steady, unknowns):
    one, two = (opened(picture(scene(dims, steady, unknowns, samples))) for samples in (1, 2))
    assert one.format == "PNG"
    assert one.width == two.width > 400
    assert 1.5 * one.height < two.height < 2 * one.height
    assert colours(one) > 50


@pytest.mark.parametrize(("dims", "unknowns"), [(1, 1), (1, 3), (2, 1), (2, 3), (3, 1)])
def test_an_animation_has_a_frame_for_every_time_and_they_differ(dims, unknowns):
    moving = scene(dims, False, unknowns)
    image = opened(animation(moving))
    assert image.format == "GIF"
    assert image.n_frames == len(moving.times)
    frames = []
    for k in range(image.n_frames):
        image.seek(k)
        frames.append(np.asarray(image.convert("RGB"), dtype=int))
    assert frames[0].shape[1] > 300
    assert all((np.abs(a - b).max(-1) > 20).sum() > 100 for a, b in itertools.pairwise(frames))


def test_what_must_be_small_is_small():
    plain = scene(2, False, 1)
    for draw in (picture, animation):
        whole = draw(plain)
        small = draw(plain, len(whole) // 2)
        assert len(small) <= len(whole) // 2
        assert opened(small).width >= opened(whole).width / 3
        assert colours(opened(small)) > 50


def test_a_field_of_one_sign_and_one_of_both_have_different_colour_maps():
    grid = Grid(("x",), (16,), (0.0,), (1.0,), (True,))
    waves = np.broadcast_to(np.sin(2 * np.pi * grid.coordinates()[0]), (1, 3, 16))
    images = [
        opened(picture(Scene("", grid, (0.0, 1.0, 2.0), {}, {}, {Field("u"): values}))).convert("RGB") for values in (waves, waves + 1.05)
    ]
    used = [{colour for _, colour in image.getcolors(1 << 24)} for image in images]
    dark_red, yellow = (tuple(map(int, colormaps[name](1.0, bytes=True)[:3])) for name in ("RdBu_r", "viridis"))
    assert [dark_red in of for of in used] == [True, False]
    assert [yellow in of for of in used] == [False, True]


@pytest.mark.parametrize("split", ["ood", "finer"])
def test_samples_that_are_solved_for_a_picture_are_those_of_the_files(tiny, made, monkeypatch, split):
    chosen = problem(tiny)
    assert stored(chosen.plan, split) is None
    solved = look(chosen, split, 3)
    monkeypatch.setenv("OPBENCH_DATA", str(made.parents[1]))
    assert stored(chosen.plan, split) is not None
    read = look(chosen, split, 3)
    assert (read.grid, read.times, read.samples) == (solved.grid, solved.times, 3)
    for kind in ("given", "parameters", "unknowns"):
        one, other = getattr(read, kind), getattr(solved, kind)
        assert [field.name for field in one] == [field.name for field in other]
        for a, b in zip(one.values(), other.values(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_files_of_another_recipe_are_not_shown(tiny, made, monkeypatch):
    monkeypatch.setenv("OPBENCH_DATA", str(made.parents[1]))
    ours = problem(tiny).plan
    other = ours.model_copy(update={"recipe": ours.recipe.model_copy(update={"version": 2})})
    assert stored(ours, "test") is not None
    assert other.folder == ours.folder
    assert stored(other, "test") is None


def test_pictures_and_nothing_else_are_written_and_the_data_need_not_be_there(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = show(tiny, out="drawn", samples=2)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == ["drawn", "drawn/tiny.gif", "drawn/tiny.png"]
    assert [path.name for path in shown.files] == ["tiny.png", "tiny.gif"]
    assert opened(Path("drawn/tiny.gif").read_bytes()).n_frames == len(problem(tiny).plan.times)
    assert "0 of 5" in shown.summary["files"]
    assert "not measured yet" in shown.summary["error floor"]


def test_the_summary_tells_the_floor_that_the_files_hold(tiny, made, monkeypatch):
    monkeypatch.setenv("OPBENCH_DATA", str(made.parents[1]))
    chosen = problem(tiny)
    told = summary(chosen, "test")
    for split in ("test", "ood", "finer"):
        floor = stored(chosen.plan, split).header.provenance["error_floor"]["fields"]["velocity"]["relative_l2"]
        assert f"{split}: velocity {floor['mean']:.1e} (at most {floor['max']:.1e})" in told["error floor"]
    assert "5 of 5" in told["files"]
    assert stored(chosen.plan, "test").header.provenance["scheme"] in told["solver"]
    assert told["fingerprint"] == chosen.plan.fingerprint


def test_the_summary_tells_the_floor_that_was_measured_where_no_files_are(tmp_path, monkeypatch):
    monkeypatch.setenv("OPBENCH_DATA", str(tmp_path))
    floor = all_measured()["darcy_2d"]["floors"]["test"]["pressure"]["relative_l2"]
    assert f"test: pressure {floor['mean']:.1e}" in summary(problem("darcy_2d"), "test")["error floor"]
    assert "not measured yet" in summary(problem("darcy_2d", "full"), "test")["error floor"]
    assert "not measured yet" in summary(problem("darcy_2d", seed=5), "test")["error floor"]


def test_data_of_others_are_shown_and_their_floor_is_not_known(tmp_path):
    shown = show("darcy_neuralop", out=tmp_path)
    assert "not known" in shown.summary["error floor"]
    assert [path.name for path in tmp_path.iterdir()] == ["darcy_neuralop.png"]
    assert colours(Image.open(tmp_path / "darcy_neuralop.png")) > 50


def test_what_is_not_there_is_told(tiny, tmp_path):
    for error, arguments in ((UnknownName, {"split": "tset"}), (UnknownName, {"scale": "maxi"}), (ConfigError, {"samples": 0})):
        with pytest.raises(error) as told:
            show(tiny, out=tmp_path / "none", **arguments)
        assert "\n" not in str(told.value)
    assert not (tmp_path / "none").exists()


def test_the_size_that_is_told_is_that_of_the_arrays(tiny, made, tmp_path):
    steady = plan(load_recipe("darcy_2d"), "mini", samples=1, grid=9)
    for chosen, folder in ((problem(tiny).plan, made), (steady, make(steady, tmp_path))):
        held = [Stored(file(folder, chosen, split)) for split in chosen.samples]
        assert stored_bytes(chosen) == sum(each.read(name).nbytes for each in held for name in each.header.shapes), chosen.recipe.name


def test_a_steady_recipe_without_a_boundary_is_told_what_the_solver_imposes():
    recipe = load_recipe("darcy_2d")
    grid = recipe.domain.grid((5, 5))
    posed, _ = pose(recipe.pde, grid, {"permeability": 1.0})
    imposed = dict.fromkeys(grid.axes, Dirichlet(0.0))
    assert not recipe.boundary
    assert posed.conditions == resolve(imposed, grid, recipe.unknowns, "darcy")
    assert facts(recipe)["boundary"] == "pressure = 0 at x = 0, x = 1, y = 0, y = 1"


def test_the_command_prints_the_summary_and_where_the_pictures_are(home):
    run = [sys.executable, "-m", "opbench", "show", "tiny.toml", "--samples", "1", "--split", "ood", "--out", "elsewhere"]
    done = subprocess.run(run, cwd=home, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    for words in ("equation:", "u_t + (u^2 / 2)_x = nu u_xx", "error floor:", "fingerprint:", "written: elsewhere/tiny.gif"):
        assert words in done.stdout, words
    assert not (home / "datasets").exists()
