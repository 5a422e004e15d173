"""Tuning: what is searched, that validation alone decides, and that a search goes on where it stopped."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from pydantic import PositiveFloat, PositiveInt

import opbench
import opbench.evaluation.tuning
from opbench.data.task import Problem
from opbench.errors import Interrupted, ModelError
from opbench.evaluation.planning import planned
from opbench.evaluation.tuning import space, tune
from opbench.model import OperatorModel

TINY = (Path(__file__).parent / "test_cli.py").read_text().split('TINY = """')[1].split('"""')[0]
SETTINGS = {"train.epochs": 2}
searching = pytest.mark.skipif(
    subprocess.run([sys.executable, "-c", "import optuna"], capture_output=True).returncode != 0, reason="needs optuna"
)


@dataclass(frozen=True)
class Config:
    width: PositiveInt = 6
    one: PositiveInt = 1
    share: PositiveFloat = 0.5
    deep: bool = True
    kind: str = "a"
    modes: PositiveInt | None = None


class Small(OperatorModel):
    Config = Config
    learning_rate = 2e-3

    def __init__(self, spec, config):
        super().__init__(spec, config)
        if config.width == 7:
            raise ModelError("seven does not fit")
        self.lift = torch.nn.Conv1d(spec.in_channels, config.width, 1)
        self.drop = torch.nn.Conv1d(config.width, spec.out_channels, 1)

    def forward(self, given, coords):
        return self.drop(torch.tanh(self.lift(given)))


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tuning")
    (folder / "tiny.toml").write_text(TINY)
    return folder


def search(home, model=Small, trials=4, out="out", **options):
    options = {"settings": SETTINGS, "device": "cpu", "data": home / "data"} | options
    return tune(model, str(home / "tiny.toml"), trials, out=home / out, **options)


def evaluated(home, out, **options):
    return opbench.evaluate(Small, str(home / "tiny.toml"), out=home / out, data=home / "data", device="cpu", cost=False, **options)


def test_the_rate_and_whole_numbers_above_one_are_searched_around_their_defaults(home):
    run = planned(Small, str(home / "tiny.toml"), settings={}, device="cpu")
    assert space(run, {}) == {"train.learning_rate": (2e-3, 2e-4, pytest.approx(2e-2)), "model.width": (6, 3, 12)}
    assert list(space(run, {"model.width": 5})) == ["train.learning_rate"]
    faster = planned(Small, str(home / "tiny.toml"), settings={"train.learning_rate": 1e-2}, device="cpu")
    assert space(faster, {"train.learning_rate": 1e-2}) == {"model.width": (6, 3, 12)}


class Wide(torch.nn.Module):
    def __init__(self, in_channels, out_channels=9, width=6, kernel=3, act=torch.tanh, share=0.5):
        super().__init__()
        self.layer = torch.nn.Conv1d(in_channels, out_channels, 1)

    def forward(self, given):
        return self.layer(given)


def test_a_users_own_module_is_searched_by_what_its_constructor_takes(home):
    run = planned(Wide, str(home / "tiny.toml"), settings={"model.kernel": 5}, device="cpu")
    found = space(run, {"model.kernel": 5})
    assert {name: ends for name, ends in found.items() if name.startswith("model.")} == {"model.width": (6, 3, 12)}


@pytest.mark.parametrize(
    ("model", "task", "modes"), [("fast_fno", "burgers_1d", 16), ("fno", "gray_scott_2d", 12), ("ifno", "euler_1d", 16)]
)
def test_a_none_that_stands_for_a_number_of_the_grids_is_searched_around_that_number(model, task, modes):
    assert space(planned(model, task, scale="mini", device="cpu"), {})["model.modes"] == (modes, modes // 2, 2 * modes)


@searching
def test_the_defaults_are_tried_first_so_that_tuning_never_harms_the_validation_error(home):
    found = search(home)
    record = evaluated(home, "plain", settings=SETTINGS)
    assert found.default_error == min(error for _, _, error in record.curve)
    assert found.error <= found.default_error
    assert found.trials == 4


@searching
def test_the_record_says_how_many_trials_chose_its_settings_and_has_their_validation_error(home):
    found = search(home)
    record = evaluated(home, "tuned", settings=SETTINGS | found.proposed, tuned=found.trials)
    assert record.tuned == 4
    assert record.changes == SETTINGS | found.proposed
    assert found.proposed.keys() == {"train.learning_rate", "model.width"}
    assert min(error for _, _, error in record.curve) == found.error


@searching
def test_no_test_sample_is_read(home, monkeypatch):
    read = []
    split = Problem.split
    monkeypatch.setattr(Problem, "split", lambda self, name, *rest: read.append(name) or split(self, name, *rest))
    search(home, out="read")
    assert set(read) == {"train", "valid"}


@searching
def test_a_search_goes_on_where_it_was_interrupted_and_is_not_done_twice(home, monkeypatch):
    done = []

    def stop(label, number, trials):
        done.append(number)
        if number == 2:
            monkeypatch.setattr(opbench.evaluation.tuning, "_valid_error", interrupted)

    def interrupted(*_):
        raise Interrupted("interrupted in epoch 1 of 2; nothing is kept, as no folder was given")

    with pytest.raises(Interrupted, match=r"^interrupted in trial 3 of 4; run the same command again"):
        search(home, out="stopped", progress=stop)
    monkeypatch.undo()
    whole = search(home, out="stopped", progress=lambda label, number, trials: done.append(number))
    assert done == [1, 2, 3, 4]
    again = search(home, out="stopped", progress=lambda label, number, trials: done.append(number))
    assert again == whole
    assert len(done) == 4
    assert search(home, out="stopped", trials=1).error == whole.default_error


@searching
def test_the_defaults_are_tried_first_also_where_their_trial_was_interrupted(home, monkeypatch):
    def interrupted(*_):
        raise Interrupted("interrupted in epoch 1 of 2; nothing is kept, as no folder was given")

    monkeypatch.setattr(opbench.evaluation.tuning, "_valid_error", interrupted)
    with pytest.raises(Interrupted, match=r"^interrupted in trial 1 of 4"):
        search(home, out="stopped at once")
    monkeypatch.undo()
    assert search(home, out="stopped at once").default_error == search(home).default_error


@searching
def test_settings_that_do_not_fit_count_as_trials_that_failed(home, monkeypatch):
    monkeypatch.setattr(opbench.evaluation.tuning, "space", lambda run, fixed: {"model.width": (6, 6, 7)})
    found = search(home, out="failed", trials=8)
    assert 0 < found.failed < 8
    assert found.proposed == {"model.width": 6}
    monkeypatch.setattr(opbench.evaluation.tuning, "space", lambda run, fixed: {"model.width": (7, 7, 7)})
    with pytest.raises(ModelError, match="in all of 2 trials"):
        search(home, out="failed", trials=2)


@searching
def test_what_has_nothing_to_train_is_refused(home):
    with pytest.raises(ModelError, match="mean: has nothing to train"):
        search(home, model="mean")


@searching
def test_the_command_prints_the_settings_and_the_row(home):
    call = ["tune", "--model", "fast_fno", "--task", "tiny.toml", "--trials", "2", "--set", "train.epochs=1", "--seeds", "2", "--no-cost"]
    done = subprocess.run([sys.executable, "-m", "opbench", *call], cwd=home, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "validation error" in done.stdout
    assert "settings: --set train.learning_rate=" in done.stdout
    assert ">  fast_fno (tuned in 2 trials, train.epochs = 1)" in done.stdout
    records = [json.loads(path.read_text()) for path in (home / "leaderboards" / "records" / "tiny").glob("fast_fno-*.json")]
    assert sorted((record["seed"], record["tuned"]) for record in records) == [(0, 2), (1, 2)]


def test_without_optuna_one_line_says_what_to_install(tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY)
    code = "import sys; sys.modules['optuna'] = None; from opbench.cli import main; main()"
    call = ["tune", "--model", "fast_fno", "--task", "tiny.toml"]
    done = subprocess.run([sys.executable, "-c", code, *call], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "opbench: tune: needs optuna, which is not installed; pip install 'opbench[tune]'\n"
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.toml"]
