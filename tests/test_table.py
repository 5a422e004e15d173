"""Tables are rendered from records alone: order, spread, divergence, saturation, and what may not stand together."""

from opbench.leaderboard.table import boards, markdown, rows, text, write, write_overview
from opbench.record import Machine
from records import record


def cells(*records) -> list[tuple[str, ...]]:
    (board,) = boards(records)
    return rows(board)


def test_the_best_mean_error_stands_first_and_diverged_runs_last():
    table = cells(record(model="a", error=0.3), record(model="b", error=0.1), record(model="c", error=0.01, status="diverged"))
    assert [row[0] for row in table] == ["b", "a", "c"]
    assert table[2][3] == "-"
    assert table[2][8] == "1"


def test_seeds_are_averaged_and_their_spread_is_shown_from_three_on():
    two = cells(*(record(seed=s, error=e) for s, e in ((0, 0.1), (1, 0.2))))
    three = cells(*(record(seed=s, error=e) for s, e in ((0, 0.1), (1, 0.2), (2, 0.3))))
    assert two[0][3] == "0.15"
    assert three[0][3] == "0.2 ± 0.1"
    assert three[0][7] == "3"


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
    assert "\n>  fno" in text(all_boards[0], mark="fno")


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
    assert lines[0] == "| task | scale | device | a | b | c |"
    assert lines[2] == "| [burgers_1d/trajectory](burgers_1d.md) | full | cpu | **0.4** | - | - |"
    assert lines[3] == "| [burgers_1d/trajectory](burgers_1d.md) | mini | cpu | 0.3 | **0.2** | diverged |"
