"""The report: complete in one file, safe whatever records and predictions say, and drawn of what is there."""

import io
import math
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html import unescape

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from browser import opened
from opbench.cli import opbench
from opbench.comparison.compare import Contest
from opbench.comparison.report import render, write
from opbench.errors import DataError
from opbench.evaluation.specimens import About, Specimens
from opbench.leaderboard.figures import Axis
from opbench.pictures import colours, pixels
from opbench.records.record import Machine, Record, Rollout
from records import record

HOSTILE = "</title></script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\x1b[2J\u202e"
TIMES = (0.1, 0.2, 0.3)


def run(model: str, factor: float = 1.0, **changes) -> Record:
    errors = [factor * (0.1 + 0.01 * i) for i in range(5)]
    scores = {"test": {"relative_l2": math.fsum(errors) / 5}, "ood": {"relative_l2": factor}}
    return record(model=model, **({"scores": scores, "per_sample": {"test": {"relative_l2": errors}}} | changes))


def specimens(dims: int = 2, fields: tuple = ("velocity",), given: tuple = ("velocity", "viscosity"), times: tuple = TIMES) -> Specimens:
    rng, space = np.random.default_rng(0), (6, 4)[:dims]
    shape = (3, len(fields), len(times) or 1, *space)
    about = About(
        run="0" * 64,
        date="",
        indices=(0, 2, 4),
        axes=("x", "y")[:dims],
        lower=(0.0,) * dims,
        upper=(3.0, 1.0)[:dims],
        periodic=(True,) * dims,
        stride=2,
        plane=None,
        given=given,
        fields=fields,
        times=times,
        stored=times,
    )
    arrays = {
        "given": rng.standard_normal((3, len(given), *space)),
        "prediction": rng.standard_normal(shape),
        "reference": rng.standard_normal(shape),
        "errors": np.array([0.1, 0.12, 0.14]),
        "growth": np.array([0.1, 0.2, 0.4])[: len(times)],
        "spectra": rng.random((3, len(fields), 5)),
    }
    return Specimens(about, **{name: array.astype(np.float32) for name, array in arrays.items()})


def held(*others: str, mine: str = "mine.py:Net", **changes) -> Contest:
    return Contest("burgers_1d/trajectory", "mini", (run(mine, **changes),), {name: (run(name, 2.0),) for name in others}, 0)


def titles(page: str) -> list[str]:
    return [unescape(title) for title in re.findall(r"<title>(.*?)</title>", page)]


def test_a_report_says_who_wins_where_the_model_is_weak_and_shows_what_it_predicts():
    page = render([held("fno", "deeponet")], lambda record: specimens())
    text = unescape(re.sub(r"<[^>]*>", " ", page))
    assert "mine.py:Net is better than fno, deeponet" in text
    assert "fewer than 3 seeds" in text
    assert "worst samples of test: 4 (0.14), 3 (0.13), 2 (0.12)" in text
    for words in ("velocity, best: sample 0, error 0.1", "median: sample 2, error 0.12", "worst: sample 4, error 0.14", "one point in 2"):
        assert words in text
    assert {"Error against time", "Spectra of velocity", "given viscosity"} <= set(titles(page))
    for time in TIMES:
        for what in ("reference velocity", "prediction of velocity", "error of velocity"):
            assert titles(page).count(f"{what}, t = {time:.4g} s") == 3
    assert "train it again" not in text


def test_a_task_on_one_axis_is_drawn_as_lines_and_one_without_times_has_no_error_against_time():
    page = render([held("fno")], lambda record: specimens(1, fields=("pressure",), given=("permeability",), times=()))
    assert titles(page).count("pressure") == titles(page).count("error of pressure") == titles(page).count("permeability") == 3
    assert "Error against time" not in titles(page)
    assert page.count("curve dashed") == 3 + 2, "predictions of three samples, spectra of two models' errors"
    assert page.count(">error</text>") == page.count(">given</text>") == 3
    assert page.count(">reference</text>") == 3 + 1
    assert "<image" not in page


def rolled(growth: float) -> dict:
    errors = {"relative_l2": (0.1, 0.1 * growth, None)}
    return {"test": Rollout(times=TIMES, errors=errors, correlation_time=0.3, stable=1.0, horizon=4.0, growth_rate=None)}


def test_a_step_task_shows_the_error_of_its_roll_out_and_steps_of_samples():
    contest = held(rollouts=rolled(2.0))
    page = render([replace(contest, others={"fno": (run("fno", rollouts=rolled(3.0)),)})], lambda record: None)
    assert "fed its own output" in page
    assert "mine.py:Net: 0.1 to 0.2; fno: 0.1 to 0.3." in page
    drawn = render([contest], lambda record: specimens(1, fields=("velocity",), given=("velocity",), times=()))
    assert "the steps of" in drawn
    for words in ("best: sample 0, step 1, error", "median: sample 0, step 3, error", "worst: sample 1, step 2, error"):
        assert words in drawn


def test_a_name_too_long_for_its_place_beside_a_line_is_shortened_and_whole_in_the_description():
    long = held(mine="mine.py:ANetworkOfManyLetters", rollouts=rolled(2.0))
    page = render([long], lambda record: None)
    assert ">mine.py:ANetworkO…</text>" in page
    assert "mine.py:ANetworkOfManyLetters: 0.1 to 0.2" in page


def test_what_is_missing_or_damaged_is_told_beside_what_is_there():
    def find(record: Record) -> Specimens | None:
        if record.model == "broken":
            raise DataError("file.safetensors: is damaged; remove it")
        return specimens() if record.model == "fno" else None

    page = render([held("fno", "broken")], find)
    assert "mine.py:Net: no predictions lie beside its record; train it again to see them" in page
    assert "broken: file.safetensors: is damaged; remove it" in page
    assert "What mine.py:Net predicts" not in page
    assert "Spectra of velocity" in titles(page)


def test_predictions_that_are_not_finite_are_shown_as_such():
    for dims in (1, 2):
        some = specimens(dims)
        prediction = np.full_like(some.prediction, np.nan)
        prediction[0, 0, 0, 0] = np.inf
        broken = replace(some, prediction=prediction)
        page = render([held("fno")], lambda record, found=broken: found)
        assert "not finite" in page
        assert "nan" not in re.sub(r"base64,[^\"]*", "", page).lower()
    nothing = {
        name: np.full_like(getattr(some, name), np.nan) for name in ("given", "prediction", "reference", "errors", "growth", "spectra")
    }
    render([held("fno")], lambda record: replace(some, **nothing))


def hostile(dims: int) -> str:
    machine = Machine(device="cpu", name=HOSTILE, threads=1, tf32=False)
    contest = replace(held(HOSTILE, mine=f"a{HOSTILE}", command=HOSTILE, machine=machine), task=HOSTILE, scale=HOSTILE)
    found = specimens(dims, fields=(HOSTILE,), given=(HOSTILE, "b"))
    return render([contest, held(HOSTILE)], lambda record: found if record.model in (HOSTILE, "mine.py:Net") else None)


def test_what_records_and_predictions_say_is_text_wherever_it_stands():
    for page in map(hostile, (1, 2)):
        for sign in ("<script", "<img", "\x1b", "\u202e"):
            assert sign not in page


def test_the_report_names_no_other_place_and_its_policy_allows_its_own_style_and_pictures_only():
    page = render([held("fno")], lambda record: specimens())
    policy = unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1])
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    own = b64encode(sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{own}'; img-src data:; base-uri 'none'; form-action 'none'"
    assert not re.findall(r'(?:src|href|action|style)="(?!#|data:image/png;base64,)', page)
    assert not re.findall(r"https?:", page)


def test_a_picture_has_a_pixel_for_each_point_with_y_upwards_on_the_shared_scale():
    values = np.array([[0.0, 1.0, 2.0], [3.0, np.nan, 4.0]])  # (x, y)
    picture = np.asarray(Image.open(io.BytesIO(pixels(values, colours(np.array([0.0, 4.0]))))).convert("RGBA"))
    assert picture.shape == (3, 2, 4)
    assert picture[1, 1, 3] == 0
    assert tuple(picture[2, 0, :3]) == (68, 1, 84), "viridis' lowest colour, at the lower left"
    assert tuple(picture[0, 1, :3]) == (253, 231, 36), "its highest, at the upper right"
    other = np.asarray(Image.open(io.BytesIO(pixels(values[:1, 1:], colours(np.array([0.0, 4.0]))))).convert("RGBA"))
    assert np.array_equal(other[:, 0], picture[:2, 0]), "a value has one colour, whatever stands beside it"


@pytest.mark.parametrize("width", [0.7, 0.9, 1.0, 1.9, 2.0, 4.9, 6.1, 9.99, 100.0])
def test_an_axis_of_any_width_has_a_few_round_ticks(width):
    ticks = Axis("x", 0.1, 0.1 + width, 0, 100, log=False).ticks()
    assert 2 <= len(ticks) <= 8, ticks
    assert all(0.1 - 1e-9 <= tick <= 0.1 + width + 1e-9 for tick in ticks), ticks


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_a_browser_shows_it_without_a_fault_and_nothing_but_tables_is_wider_than_the_window(tmp_path, width, scheme):
    path, drawn = tmp_path / "report.html", {1: specimens(1), 2: specimens(2, fields=("depth", "velocity_x"))}
    contests = [held("fno", "deeponet"), held("fno", "deeponet")]
    calls = iter([1] * 3 + [2] * 3)
    path.write_text(render(contests, lambda record: drawn[next(calls)]), encoding="utf-8")
    with opened(path, viewport={"width": width, "height": 800}, color_scheme=scheme) as (page, faults):
        assert page.evaluate("document.documentElement.scrollWidth") == width
        boxes = page.eval_on_selector_all("svg image", "all => all.map(i => i.getBoundingClientRect().width)")
        assert len(boxes) == 3 * (2 * 2 + 2 * (3 * 3 + 2)), "of three samples: two given fields and two unknowns, and their scales"
        assert min(boxes) > 50
        assert faults == []


@pytest.mark.parametrize("dims", [1, 2])
def test_a_browser_runs_nothing_of_a_hostile_record(tmp_path, dims):
    path = tmp_path / "report.html"
    path.write_text(hostile(dims), encoding="utf-8")
    with opened(path, viewport={"width": 360, "height": 800}) as (page, faults):
        assert "<img src=x onerror=alert(2)>" in page.inner_text("main")
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        assert faults == []


def test_compare_writes_it_in_place_of_an_earlier_one_and_says_where(tmp_path):
    arguments = ["--model", "mean", "--against", "linear", "--tasks", "darcy_neuralop", "--seeds", "1", "--device", "cpu", "--no-cost"]
    done = CliRunner().invoke(opbench, ["compare", *arguments, "--set", "train.batch_size=7", "--out", str(tmp_path)])
    path = tmp_path / "reports" / "mean.html"
    assert done.exit_code == 0, done.output
    assert f"written: {path}" in done.output
    assert re.search(r"^fitted: mean on darcy_neuralop, seed 0, in \d+\.\d s$", done.output, re.MULTILINE), (
        "a line a training where no bar is"
    )
    page = path.read_text(encoding="utf-8")
    assert "What mean (train.batch_size = 7) predicts" in page
    assert "linear: no predictions lie beside its record" in page
    assert write([held(mine="mean")], tmp_path) == path
    assert path.read_text(encoding="utf-8") != page
    assert [one.name for one in path.parent.iterdir()] == ["mean.html"]
