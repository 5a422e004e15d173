"""What tables and pictures say of the solver that errs as much as a model."""

import re

import pytest

from opbench.errors import DataError
from opbench.leaderboard.pareto import draw_pareto
from opbench.leaderboard.solver import section, write_solver
from opbench.leaderboard.table import boards
from opbench.leaderboard.words import rate, seconds
from opbench.records.ladder import matched
from opbench.records.record import Machine
from records import cost, ladder, record, rung

LADDER = ladder(rung(0.2, 1e-3, batched=1e-4, points=8), rung(0.05, 4e-3, batched=4e-4, points=16))


def run(model: str, error: float, latency: float, throughput: float = 2000.0, **changes):
    """A record whose training took 1 s and whose data took 7."""
    spent = cost(latency, throughput)
    return record(model=model, error=error, cost=spent, matched=matched(LADDER, error, spent, 1.0), **changes)


def rows(text: str, title: str) -> dict[str, list[str]]:
    """By their first cell, of the table below a heading."""
    part = text.partition(f"### {title}\n")[2].partition("\n### ")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("|")]
    return {cells[0]: cells[1:] for cells in lines}


@pytest.fixture
def board():
    runs = [run("fast", 0.1, 2e-3, 1000.0), run("slow", 0.3, 1e-1), run("sharp", 0.01, 1e-3)]
    return boards(runs, [LADDER])[0]


def test_each_model_stands_beside_the_cheapest_solve_that_errs_no_more(board):
    alone = rows(section(board, LADDER), "One sample alone")
    # 4 ms over 2 ms; 8 s invested, 2 ms won by each solve
    assert alone["fast"] == ["0.1", "order 8, 16, tolerance 1e-01", "0.05", "2 ms", "4 ms", "2", "4,000"]
    assert alone["slow"] == ["0.3", "order 8, 8, tolerance 1e-01", "0.2", "100 ms", "1 ms", "0.01", "never"]
    assert alone["sharp"] == ["0.01", "none errs as little", "-", "1 ms", "-", "-", "-"]
    assert rows(section(board, LADDER), "In full batches")["fast"][3:] == ["1 ms", "400 µs", "0.4", "never"]


def test_what_the_table_says_is_told_in_words_whichever_way_it_falls(board):
    text = section(board, LADDER)
    assert (
        "At equal error 1 of 2 models is faster than the solver that errs no more, by up to 2 times (fast); 1 of 2 models is slower than "
        "the solver, by up to 100 times (slow); 1 err less than every rung." in text
    )
    assert "No model was matched." in section(boards([record()], [LADDER])[0], LADDER)


def test_all_ladders_of_a_machine_are_summed_up_without_the_models_that_have_no_parameters(tmp_path):
    """Nor those that err as much as these: a constant can be as fast."""
    runs = [run("fast", 0.1, 2e-3, 1000.0), run("slow", 0.3, 1e-1), run("sharp", 0.01, 1e-3), run("mean", 1.0, 1e-6, parameters=0)]
    runs.append(run("useless", 1.0, 1e-6))
    (path,) = write_solver(boards(runs, [LADDER]), tmp_path)
    text = path.read_text()
    assert "Of 4 networks on 1 tasks, 3 err less than mean, persistence and linear do. Of those, 1 are faster than the solver" in text
    assert "and 0 in full batches" in text
    row = next(line for line in text.splitlines() if line.startswith("| burgers_1d/trajectory, mini"))
    assert [cell.strip() for cell in row.strip("|").split("|")][1:] == ["3 of 4", "1 of 2", "0.01 to 2", "0 of 2", "0.2 to 0.4"]


def test_of_several_seeds_the_one_of_median_error_is_shown():
    runs = [run("fast", error, 2e-3, seed=seed) for seed, error in enumerate((0.12, 0.1, 0.11))]
    assert rows(section(boards(runs, [LADDER])[0], LADDER), "One sample alone")["fast"][0] == "0.11"


def test_a_busy_machine_is_marked():
    busy = ladder(*(rung.model_copy(update={"noisy": True}) for rung in LADDER.rungs))
    one = record(cost=cost(2e-3), matched=matched(busy, 0.1, cost(2e-3), 1.0))
    cells = rows(section(boards([one], [busy])[0], busy), "One sample alone")["fno"]
    assert cells[3:] == ["~2 ms", "~4 ms", "~2", "~4,000"]


def test_runs_of_another_machine_are_not_set_beside_a_ladder():
    elsewhere = run("fast", 0.1, 2e-3, machine={"device": "cpu", "name": "another", "threads": 2, "tf32": False})
    assert "fast" not in rows(section(boards([elsewhere], [LADDER])[0], LADDER), "One sample alone")


def test_a_table_of_two_machines_has_of_each_ladder_the_rungs_that_its_own_machine_is_matched_with():
    elsewhere = Machine(device="cpu", name="another", threads=2, tf32=False)
    ladders = [LADDER, LADDER.model_copy(update={"machine": elsewhere})]
    (both,) = boards([run("coarse", 0.3, 2e-3), run("fine", 0.1, 2e-3, machine=elsewhere)], ladders)
    where = {cells[0]: cells[-1] for cells in both.table[1]}
    assert where["solver: order 8, 8, tolerance 1e-01"] == where["coarse"]
    assert where["solver: order 8, 16, tolerance 1e-01"] == where["fine"] != where["coarse"]
    assert len(both.table[1]) == len(where) == 4


def test_a_file_is_written_where_there_is_a_ladder_only(tmp_path, board):
    assert write_solver(boards([record()]), tmp_path) == []
    (path,) = write_solver([board], tmp_path)
    assert path.read_text().count("\n## ") == 1 + 1  # in short, and the task


def test_error_against_cost_is_drawn_with_the_solvers_curve(tmp_path, board):
    path = draw_pareto(board, board.machines[0], tmp_path)
    assert path.name == "pareto-burgers_1d-trajectory-mini-cpu.png"
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_names_that_matplotlib_would_take_for_formulas_or_leave_out_and_the_least_seconds_are_drawn(tmp_path):
    runs = [run(r"$\frac{$", 0.1, 2e-3), run("_mine.py:Net", 0.2, 1e-30), run("slow", 0.3, 1e5)]
    board = boards(runs, [LADDER])[0]
    assert draw_pareto(board, board.machines[0], tmp_path).stat().st_size > 1000


def test_what_was_never_timed_is_not_drawn(tmp_path):
    board = boards([record()])[0]
    with pytest.raises(DataError, match=re.escape("burgers_1d/trajectory: no record on cpu (test processor) was timed")):
        draw_pareto(board, board.machines[0], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_numbers_are_told_in_three_digits_and_the_unit_that_suits():
    assert [seconds(value) for value in (12.345, 1.0, 0.9994, 1e-3, 9.99e-4)] == [
        "12.3 s",
        "1 s",
        "999 ms",
        "1 ms",
        "999 µs",
    ]
    assert [rate(value) for value in (1234567, 999.6, 0.12345)] == ["1,230,000/s", "1,000/s", "0.123/s"]
