"""What the committed records must show: the operator families beat the rows that place them, and the published data are learnt."""

import statistics

import committed
import pytest

from opbench.data.recipe import Recipe, datasets, load_recipe
from opbench.data.task import problem
from opbench.evaluation import specimens
from opbench.leaderboard import labels
from opbench.leaderboard.overview import write_overview
from opbench.leaderboard.solver import write_solver
from opbench.leaderboard.table import boards, write

ALL = committed.records()
RECORDS = [r for r in ALL if r.machine.device == "cpu" and r.loss == "data" and not r.changes and not r.labels]
RECORDED = {r.dataset for r in RECORDS}
MINI = [name for name in datasets() if name in RECORDED and isinstance(load_recipe(name), Recipe)]
FAMILIES = ("fno", "ifno", "deeponet", "multionet")


def error(dataset: str, model: str, split: str = "test") -> float:
    task = problem(dataset).name
    found = {r.seed: r for r in RECORDS if r.task == task and r.model == model and r.scale in ("mini", "full")}
    assert found, f"no record of {model} on {task}"
    return statistics.fmean(r.scores[split]["relative_l2"] for r in found.values())


def test_the_first_leaderboards_are_there():
    assert {"burgers_1d", "darcy_2d", "navier_stokes_2d", "darcy_neuralop"} <= RECORDED


@pytest.mark.parametrize("model", FAMILIES)
def test_each_operator_family_beats_the_mean_everywhere_and_the_linear_map_somewhere(model):
    assert all(error(dataset, model) < error(dataset, "mean") for dataset in MINI)
    assert any(error(dataset, model) < error(dataset, "linear") for dataset in MINI)


def test_neuraloperators_own_darcy_is_learnt_as_well_as_its_users_do():
    runs = [r for r in RECORDS if r.dataset == "darcy_neuralop" and r.model == "fno"]
    assert len({r.seed for r in runs}) == 3
    assert {r.training["epochs"] for r in runs} == {30}
    assert error("darcy_neuralop", "fno") <= 0.105
    assert error("darcy_neuralop", "fno", "finer") > 0


def test_no_record_names_a_dataset_task_or_state_of_the_data_that_is_not_todays():
    for record in ALL:
        today = problem(record.task, record.scale)
        assert (record.task_version, record.data_fingerprint) == (today.task.version, today.data_fingerprint), record.stem


def test_no_table_mixes_kinds_of_devices():
    for board in boards(ALL):
        assert {r.machine.device.partition(":")[0] for r in board.records} == {board.device}, board.task


def test_the_committed_tables_are_rendered_from_the_committed_records(tmp_path):
    every = boards(ALL, committed.ladders(ALL))
    studies = [(board, found) for board in every if (found := labels.curves(board))]
    paths = [*write(every, tmp_path), write_overview(every, tmp_path), *write_solver(every, tmp_path)]
    paths += [labels.write(*study, tmp_path)[0] for study in studies]
    rendered = {path.name: path.read_text(encoding="utf-8") for path in paths}
    there = {path.name: path.read_text(encoding="utf-8") for path in committed.FOLDER.glob("*.md")}
    assert rendered == there, "run `opbench table` and `opbench labels`"


def test_every_committed_file_of_predictions_is_found_beside_a_committed_record():
    held = [found.about for record in ALL if (found := specimens.beside(record, committed.FOLDER / "records"))]
    there = committed.listed(f"leaderboards/records/*/*{specimens.SUFFIX}")
    assert len(held) == len(there) > 0
    assert len({(about.run, about.date) for about in held}) == len(there)


@pytest.mark.slow
def test_fno_learns_neuraloperators_own_darcy_in_30_epochs(tmp_path):
    import opbench

    errors = [opbench.evaluate("fno", "darcy_neuralop", seed=seed, out=tmp_path, device="cpu").scores for seed in range(3)]
    mean = statistics.fmean(scores["test"]["relative_l2"] for scores in errors)
    assert mean <= 0.105, errors
