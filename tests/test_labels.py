"""Error against labels: which records stand in a study, and how it is drawn."""

import pytest

from opbench.leaderboard.labels import curves, plot, rows, text, write
from opbench.leaderboard.table import boards
from records import record


def study():
    made = [record(loss="physics", labels=0, error=0.03, changes={"loss.norm": "l2"}, loss_settings={"norm": "l2"})]
    for labels, error in ((10, 0.2), (100, 0.04), (None, 0.01)):
        made += [record(seed=seed, labels=labels, error=error * (1 + seed / 10)) for seed in range(3)]
        made.append(record(loss="both", labels=labels, error=error / 2))
    return made


def test_a_model_that_was_never_short_of_labels_stands_in_no_study():
    (board,) = boards([record(), record(model="ifno"), *study()])
    assert {curve.name.split(",")[0] for curve in curves(board)} == {"fno"}
    assert curves(boards([record(), record(model="ifno", seed=1)])[0]) == []


def test_seeds_are_averaged_and_labels_stand_in_order_with_all_of_them_last():
    (board,) = boards(study())
    head, both, data, physics = rows(curves(board))
    assert head == ("model, loss", "0 labels", "10 labels", "100 labels", "all labels")
    assert both == ("fno, both", "-", "0.1", "0.02", "0.005")
    assert data == ("fno, data", "-", "0.22 ± 0.02", "0.044 ± 0.004", "0.011 ± 0.001")
    assert physics == ("fno, physics (loss.norm = l2)", "0.03", "-", "-", "-")


def test_diverged_and_unscored_runs_are_no_points():
    (board,) = boards([*study(), record(seed=7, labels=10, status="diverged", error=9.0), record(seed=8, labels=10, error=None)])
    data = next(curve for curve in curves(board) if curve.name == "fno, data")
    assert data.mean(10) == pytest.approx(0.22)


def test_a_study_is_written_as_words_and_picture_that_are_the_same_each_time(tmp_path):
    (board,) = boards(study())
    paths = write(board, curves(board), tmp_path)
    assert [path.name for path in paths] == ["burgers_1d-trajectory-mini-cpu-labels.md", "burgers_1d-trajectory-mini-cpu-labels.png"]
    assert "| fno, both | - | 0.1 | 0.02 | 0.005 |" in paths[0].read_text()
    assert paths[1].read_bytes() == plot(board, curves(board))
    assert paths[1].read_bytes().startswith(b"\x89PNG")
    assert "0.22 ± 0.02" in text(board, curves(board))
