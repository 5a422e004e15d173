"""What tables, page and comparisons tell of a model that is fed its own output."""

import re

from opbench.comparison.compare import Contest, weaknesses
from opbench.leaderboard.overview import write_overview
from opbench.leaderboard.page import render
from opbench.leaderboard.rolled import growth, rolled
from opbench.leaderboard.table import boards, markdown
from opbench.records.record import Rollout
from records import record


def rollout(end: float | None, until: float | None = 0.4, stable: float = 1.0) -> dict:
    errors = {"relative_l2": (0.01, end)}
    return {"test": Rollout(times=(0.1, 0.2), errors=errors, correlation_time=until, stable=stable, horizon=4.0, growth_rate=None)}


def runs(model: str, *ends: float | None, **about) -> list:
    return [record(model=model, seed=seed, rollouts=rollout(end, **about)) for seed, end in enumerate(ends)]


def column(text: str, head: str) -> dict[str, str]:
    """A Markdown table's cells below `head`, by model."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    return {row[0]: row[rows[0].index(head)] for row in rows[2:]}


def test_a_table_of_steps_has_the_error_at_the_end_and_how_long_roll_outs_stay_correlated_and_bounded():
    (board,) = boards([*runs("fno", 0.1, 0.2, 0.3, until=0.2, stable=0.5), *runs("ifno", 0.5), *runs("deeponet", 0.1, None)])
    text = markdown(board, "opbench table")
    assert column(text, "roll-out") == {"fno": "0.2 ± 0.1", "ifno": "0.5", "deeponet": "not finite"}
    assert column(text, "correlated until") == {"fno": "0.2", "ifno": "0.4", "deeponet": "0.4"}
    assert column(text, "stable") == {"fno": "50%", "ifno": "100%", "deeponet": "100%"}
    assert "Of a model that is fed its own output: roll-out, relative L2 error at the last stored time" in text


def test_a_table_without_roll_outs_says_nothing_of_them():
    (board,) = boards([record()])
    text = markdown(board, "opbench table")
    assert "roll-out" not in text
    assert "stable" not in text


def test_a_run_that_diverged_has_no_part_in_the_mean():
    sound, lost = runs("fno", 0.1), record(model="fno", seed=1, status="diverged", rollouts=rollout(9.0))
    assert rolled([*sound, lost], "roll-out") == 0.1
    assert rolled([lost], "roll-out") is None


def test_a_roll_out_without_the_tables_metric_or_without_times_is_told_as_not_finite():
    bare = Rollout(times=(), errors={"relative_l2": ()}, correlation_time=None, stable=0.0, horizon=4.0, growth_rate=None)
    other = bare.model_copy(update={"errors": {}})
    for held in (bare, other):
        (board,) = boards([record(rollouts={"test": held})])
        assert list(column(markdown(board, "opbench table"), "roll-out").values()) == ["not finite"]
        assert growth(board.records) == []
        assert "Error against time" not in render(board.records)


def test_the_page_sorts_by_the_roll_out():
    page = render([*runs("fno", 0.1, 0.2, 0.3), *runs("ifno", None)])
    assert re.search(r'<td data-v="0.2">0.2</td><td data-v="0.4">0.4</td><td data-v="1">100%</td>', page)
    assert 'title="relative L2 error at the last stored time"' in page


def test_the_overview_sets_roll_outs_of_step_tasks_side_by_side(tmp_path):
    runs_ = [*runs("fno", 0.1, 0.2, 0.3), *runs("ifno", 0.15), *runs("mean", None)]
    elsewhere = record(dataset="darcy_2d", task="darcy_2d/static")
    text = write_overview(boards([*runs_, elsewhere]), tmp_path).read_text()
    whole, own = text.split("## Fed their own output")
    assert "darcy_2d" in whole
    (row,) = [line for line in own.splitlines() if line.startswith("| [")]
    assert row.endswith("| mini | cpu | 0.2 | **0.15** | not finite |")
    assert "Fed their own output" not in write_overview(boards([elsewhere]), tmp_path).read_text()


def test_growth_is_the_median_over_seeds_at_each_time():
    assert growth(runs("fno", 0.1, 0.4, 0.2)) == [(0.1, 0.01), (0.2, 0.2)]
    assert growth(runs("fno", None, None)) == [(0.1, 0.01)]


def test_a_comparison_tells_all_seeds_roll_outs_of_every_model():
    held = Contest("t", "mini", tuple(runs("mine", 0.1, 0.2, 0.3)), {"fno": tuple(runs("fno", 0.5)), "ifno": (record(model="ifno"),)}, 0)
    told = "fed its own output on test: mine roll-out 0.2 ± 0.1, correlated until 0.4, stable 100%; fno roll-out 0.5,"
    assert any(line.startswith(told) and "ifno" not in line for line in weaknesses(held))
