"""Tables are rendered from records alone: order, spread, divergence, saturation, and what may not stand together."""

import re

import pytest

from opbench.leaderboard.overview import write_overview
from opbench.leaderboard.table import ALWAYS, boards, markdown, text, write
from opbench.records.record import Machine
from records import record


def cells(*records) -> list[tuple[str, ...]]:
    (board,) = boards(records)
    return board.table[1]


def named(*records) -> list[dict[str, str]]:
    """Rows as mappings from the columns' heads."""
    (board,) = boards(records)
    heads, rows, _ = board.table
    return [dict(zip(heads, row, strict=True)) for row in rows]


def seeds(errors, **changes):
    """Records of seeds 0, 1, ..., with these errors of their samples."""
    means = [sum(values) / len(values) for values in errors]
    kept = [{"test": {"relative_l2": list(values)}} for values in errors]
    return [record(seed=seed, error=means[seed], per_sample=kept[seed], **changes) for seed in range(len(errors))]


def test_the_best_mean_error_stands_first_and_diverged_runs_last():
    table = cells(record(model="a", error=0.3), record(model="b", error=0.1), record(model="c", error=0.01, status="diverged"))
    assert [row[0] for row in table] == ["b", "a", "c"]
    assert table[2][3] == "-"
    assert table[2][8] == "1"


def test_seeds_are_averaged_and_their_spread_is_shown_from_three_on():
    two, three = (named(*seeds([[0.1], [0.2], [0.3]][:n]))[0] for n in (2, 3))
    assert two["test"] == "0.15"
    assert three["test"] == "0.2 ± 0.1"
    assert three["seeds"] == "3"


def test_intervals_and_comparisons_are_shown_from_three_seeds_on():
    worse = [[0.1, 0.2, 0.4, 0.8], [0.1, 0.21, 0.4, 0.8], [0.11, 0.2, 0.4, 0.8]]
    better = [[0.5 * value for value in values] for values in worse]
    (ours, fno) = named(*seeds(worse), *seeds(better, model="ours"))
    assert ours["over fno's"].startswith("0.5 (0.")
    assert ours["over fno's"].endswith("p < 0.001")
    lower, upper = map(float, ours["95 % interval"].split(" to "))
    assert lower < 0.1885 < upper
    assert fno["over fno's"] == "-"
    for runs in (seeds(worse[:2]), [*seeds(worse[:2]), record(seed=2, status="diverged", error=None)]):
        assert not {"95 % interval", "over fno's"} & named(*runs)[0].keys()


@pytest.mark.parametrize("changes", [{"changes": {"model.width": 64}}, {"labels": 5}, {"loss": "both"}])
def test_only_fno_with_its_defaults_and_all_data_is_what_others_are_compared_with(changes):
    errors = [[0.1, 0.2], [0.2, 0.3], [0.3, 0.1]]
    table = named(*seeds(errors, **changes), *seeds([[2 * e for e in values] for values in errors], model="ours"))
    assert "over fno's" not in table[0]


def test_a_column_that_nobody_has_a_value_for_is_left_out():
    assert tuple(named(record())[0]) == ALWAYS
    scores = {"test": {"relative_l2": 0.1}, "coarser": {"relative_l2": 0.2}, "noise_5": {"relative_l2": 0.3}}
    row = named(record(scores=scores))[0]
    assert set(row) == {*ALWAYS, "coarser", "5 % noise"}
    assert (row["coarser"], row["5 % noise"], row["ood"]) == ("0.2", "0.3", "-")


def test_how_a_model_was_tuned_stands_beside_it():
    table = cells(
        record(tuned=20, changes={"model.width": 48, "train.epochs": 9}, error=0.2),
        record(error=0.3),
        record(tuned=9, model="at its defaults"),
    )
    assert [row[0] for row in table] == ["at its defaults (tuned in 9 trials)", "fno (tuned in 20 trials, train.epochs = 9)", "fno"]


def test_a_repeated_run_counts_once_by_its_newest_record():
    table = cells(record(error=0.5), record(error=0.1, date="2026-12-01T00:00:00+00:00"))
    assert [(row[3], row[7]) for row in table] == [("0.1", "1")]


def test_what_the_user_changed_stands_beside_the_model():
    table = cells(record(), record(changes={"train.epochs": 40}, training={"epochs": 40}, error=0.01), record(model="exact", error=0.0))
    assert [row[0] for row in table] == ["exact", "fno (train.epochs = 40)", "fno"]


def test_runs_on_other_machines_stand_in_rows_of_their_own():
    threads, other = (Machine(device="cpu", name=name, threads=1, tf32=False) for name in ("test processor", "another"))
    assert len(cells(record(), record(machine=threads), record(machine=other))) == 3


def test_no_table_mixes_kinds_of_devices():
    gpus = [Machine(device=device, name="some GPU", threads=1, tf32=False) for device in ("cuda", "cuda:1")]
    found = boards([record(), *(record(machine=gpu) for gpu in gpus)])
    assert [(board.device, len(board.records)) for board in found] == [("cpu", 1), ("cuda", 2)]


def test_other_data_versions_scales_and_tasks_stand_in_tables_of_their_own():
    changes = ({"data_fingerprint": "e" * 64}, {"task_version": 2}, {"scale": "full"}, {"task": "burgers_1d/final"})
    assert len(boards([record(), *(record(**change) for change in changes)])) == 5


def test_an_error_within_twice_the_datas_own_is_marked():
    assert cells(record(error=1.9e-6))[0][3] == "1.9e-06 (saturated)"
    assert cells(record(error=2.1e-6))[0][3] == "2.1e-06"
    coarser = named(record(scores={"test": {"relative_l2": 0.1}, "coarser": {"relative_l2": 1.9e-6}}))[0]
    assert coarser["coarser"] == "1.9e-06 (saturated)"  # these are values of the test split


def test_of_several_fields_the_error_of_all_together_counts_or_else_the_least_of_theirs():
    """One field may be all of the norm: by another's larger error a score above the data's own would be taken for saturated."""

    def floor(**fields):
        return {"test": {name.replace("_", " "): {"relative_l2": {"mean": error}} for name, error in fields.items()}}

    unknown, known = floor(density=1e-3, pressure=1e-1), floor(density=1e-3, pressure=1e-1, all_fields=2e-2)
    told = {error: [named(record(error=error, error_floor=own))[0]["test"] for own in (unknown, known)] for error in (1e-3, 3e-2, 5e-2)}
    assert told == {1e-3: ["0.001 (saturated)"] * 2, 3e-2: ["0.03", "0.03 (saturated)"], 5e-2: ["0.05", "0.05"]}
    heads = [boards([record(error_floor=own)])[0].heading for own in (unknown, known)]
    assert "test 1.0e-03 to 1.0e-01 by field)" in heads[0]
    assert "test 2.0e-02)" in heads[1]


def test_of_several_fields_each_ones_own_error_is_shown_beside_that_of_all():
    scores = {"test": {"relative_l2": 0.1, "nrmse": 0.4}}
    every = {"scores": scores, "per_sample": {"test": {"relative_l2": [0.1], "nrmse": [0.4]}}}
    two = {"test": {name: {"relative_l2": {"mean": 1e-6}} for name in ("density", "pressure")}}
    assert named(record(**every, error_floor=two))[0]["nrmse"] == "0.4"
    assert "nrmse" not in named(record(**every))[0]


def test_what_is_saturated_is_as_good_as_the_best_in_the_overview(tmp_path):
    records = [record(model="a", error=1e-6), record(model="b", error=1.5e-6), record(model="c", error=3e-6)]
    text = write_overview(boards(records), tmp_path).read_text()
    assert "| **1e-06 †** | **1.5e-06 †** | 3e-06 |" in text


def test_the_datas_own_error_stands_above_the_scores_also_where_nobody_knows_it():
    ours, others = (boards([record(error_floor=floor)])[0] for floor in (record().error_floor, {}))
    for printed in (markdown(ours, "command"), text(ours)):
        assert "the data's own error: test 1.0e-06)" in printed
    for printed in (markdown(others, "command"), text(others)):
        assert "the data's own error: not known)" in printed


def test_a_record_cannot_break_the_table_inject_markup_or_steer_the_terminal():
    (board,) = boards([record(model="x|y<script>\nz\x1b[2J")])
    lines = [line for line in markdown(board, "command").splitlines() if line.startswith("|")]
    assert len(lines) == 3
    assert "<script>" not in lines[2]
    assert lines[2].count(" | ") == lines[0].count(" | ")
    assert "\x1b" not in text(board) + markdown(board, "command")


def test_markdown_is_written_for_every_dataset_and_the_terminal_table_marks_the_model(tmp_path):
    other = {"dataset": "darcy_2d", "task": "darcy_2d/static"}
    all_boards = boards([record(), record(scale="full"), record(data_fingerprint="e" * 64), record(**other)])
    assert sorted(path.name for path in write(all_boards, tmp_path)) == ["burgers_1d.md", "darcy_2d.md"]
    assert (tmp_path / "burgers_1d.md").read_text().count("## ") == 3
    assert "\n>  fno" in text(all_boards[0], mark=all_boards[0].records[0])


def test_the_overview_has_a_row_a_table_and_a_column_a_model_and_the_best_is_bold(tmp_path):
    records = [
        record(model="a", error=0.3),
        record(model="b", error=0.2),
        record(model="c", error=0.1, status="diverged"),
        record(model="b", error=0.01, changes={"train.epochs": 9}, training={"epochs": 9}),
        record(model="a", error=0.4, scale="full"),
    ]
    path = write_overview(boards(records), tmp_path)
    lines = [line for line in path.read_text().splitlines() if line.startswith("|")]
    assert lines[0] == "| model | rank | best | ≤ 1.25 × | ≤ 2 × | ood | finer |"
    assert lines[2:5] == [
        "| a | 1.50 | 1 | 1 | 2 | 2 (2) | - |",
        "| b | 1.75 | 1 | 1 | 1 | 2 (2) | - |",
        "| c | 2.75 | 0 | 0 | 0 | - | - |",
    ]
    assert lines[5] == "| task | scale | device | a | b | c |"
    assert lines[7] == "| [burgers_1d/trajectory](burgers_1d.md) | full | cpu | **0.4** | - | - |"
    assert lines[8] == "| [burgers_1d/trajectory](burgers_1d.md) | mini | cpu | 0.3 | **0.2** | diverged |"


def test_the_overview_sets_the_losses_of_a_model_side_by_side_and_sums_the_time_up(tmp_path):
    spent = {"seconds": {"training_wall": 4000.0, "training_cpu": 1800.0, "best_wall": 1.0, "best_cpu": 1.0}}
    records = [
        record(model="a", error=0.3, **spent),
        record(model="a", error=0.2, loss="both", **spent),
        record(model="a", error=0.1, loss="both", labels=10, **spent),
        record(model="a", error=0.4, loss="physics", labels=0, **spent),
        record(model="a", error=0.05, loss="weak", labels=0, **spent),
        record(model="b|c", error=0.01, **spent),
    ]
    text = write_overview(boards(records), tmp_path).read_text()
    assert "6 runs on cpu, whose training took 3.0 hours of processor time." in text
    lines = [line for line in text.partition("## By loss")[2].splitlines() if line.startswith("|")]
    assert lines[-3] == "| task | scale | device | a, data | a, physics | a, both |"
    assert lines[-1] == "| [burgers_1d/trajectory](burgers_1d.md) | mini | cpu | 0.3 | 0.4 | **0.2** |"
    assert "b\\|c" in text
    assert "By loss" not in write_overview(boards(records[:1]), tmp_path).read_text()


def test_losses_are_counted_against_the_data_task_by_task(tmp_path):
    errors = {"advection_1d": (0.1, 0.09), "heat_1d": (0.1, 0.15), "kdv_1d": (0.1, 0.2), "wave_1d": (0.001, 0.02), "euler_1d": (0.1, 0.1)}
    records = [
        record(model="a", error=error, dataset=dataset, task=f"{dataset}/trajectory", loss=loss, status=status)
        for dataset, pair in errors.items()
        for loss, error in zip(("data", "physics"), pair, strict=True)
        for status in ["diverged" if (dataset, loss) == ("euler_1d", "physics") else "trained"]
    ]
    records.append(record(model="b", error=0.1, dataset="heat_1d", task="heat_1d/trajectory", loss="physics"))
    text = write_overview(boards(records), tmp_path).read_text()
    lines = [line for line in text.partition("## By loss")[2].splitlines() if line.startswith("|")]
    assert lines[:3] == [
        "| model, loss | tasks | &lt; 1 × | ≤ 1.5 × | > 10 × | diverged | median |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| a, physics | 5 | 1 | 2 | 1 | 1 | 2 |",
    ]
    assert not lines[3].startswith("| b, physics")


def test_nothing_that_a_record_says_is_a_heading_a_picture_a_link_or_code(tmp_path):
    mine = "![p](http://evil/p.png) [fno](http://evil) `code` **bold** # head"
    machine = Machine(device="cpu", name="cpu |\n\n# hello", threads=1, tf32=False)
    held = boards([record(model=mine, machine=machine, loss="a|b")])
    for path in (*write(held, tmp_path), write_overview(held, tmp_path)):
        words = path.read_text(encoding="utf-8")
        assert not re.search(r"(?<!\\)\]\(http|(?<!\\)`code|(?<!\\)\*\*bold|^# hello", words, re.M), path
        assert len([line for line in words.splitlines() if line.startswith("#")]) == 1


def test_the_baseline_is_the_first_that_was_there_not_the_one_with_most_seeds():
    elsewhere = Machine(device="cpu", name="another", threads=1, tf32=False)
    first = seeds([[0.1, 0.2]] * 3, model="fno")
    bad = [r.model_copy(update={"date": "2026-11-30T00:00:00+00:00"}) for r in seeds([[1.0, 2.0]] * 4, model="fno", machine=elsewhere)]
    mine = seeds([[0.05, 0.1]] * 3, model="mine")
    told = {row["model"]: row["over fno's"] for row in named(*bad, *first, *mine) if row["model"] == "mine"}
    assert told["mine"].startswith("0.5 ")


def test_an_odd_record_does_not_speak_for_the_datas_own_error():
    odd = record(model="odd", date="1970-01-01T00:00:00+00:00", error_floor={"test": {"velocity": {"relative_l2": {"mean": 1.0}}}})
    (board,) = boards([odd, record(), record(seed=1)])
    assert "test 1.0e-06)" in board.heading
    assert "not known" in boards([record(error_floor={"test": {"velocity": {}}})])[0].heading


def test_more_machines_than_letters_have_marks_of_their_own():
    (board,) = boards([record(machine=Machine(device="cpu", name=f"m{i}", threads=1, tf32=False)) for i in range(60)])
    marks = [board.mark(machine) for machine in board.machines]
    assert len(set(marks)) == 60
    assert (marks[0], marks[25], marks[26], marks[59]) == (" [A]", " [Z]", " [AA]", " [BH]")
