"""compare: what is there is reused, who wins is said by intervals, and weak places are named with their numbers."""

import pytest

from opbench.comparison.compare import Contest, contests, overall, summary, table, text, verdict, weaknesses
from opbench.errors import ConfigError, OpbenchError
from opbench.records.ladder import matched
from opbench.records.record import Machine
from records import cost, ladder, record, rung


def runs(model: str, errors: list[float], spread: float = 0.0, count: int = 3, **changes) -> tuple:
    """Seeds whose samples have these errors, each seed's a little apart."""
    made = []
    for seed in range(count):
        samples = [error * (1 + spread * (seed - 1)) for error in errors]
        mean = sum(samples) / len(samples)
        scores = {"test": {"relative_l2": mean}, "ood": {"relative_l2": 2 * mean}}
        about = {"scores": scores, "per_sample": {"test": {"relative_l2": samples}}, "seed": seed}
        made.append(record(model=model, **(about | changes)))
    return tuple(made)


SAMPLES = [0.1 + 0.01 * i for i in range(12)]


def held(**others) -> Contest:
    return Contest("burgers_1d/trajectory", "mini", runs("mine", SAMPLES, 0.01), others, 0)


def test_who_wins_is_said_by_the_interval_and_left_open_where_it_holds_one():
    half, double = ([factor * error for error in SAMPLES] for factor in (0.5, 2.0))
    mixed = [error * (1.3 if i % 2 else 0.7) for i, error in enumerate(SAMPLES)]
    found = held(good=runs("good", half, 0.01), bad=runs("bad", double, 0.01), like=runs("like", mixed, 0.01))
    assert verdict(found) == "mine is better than bad; worse than good; not told apart from like"
    (row,) = (line.split("  ") for line in text(found).splitlines() if line.startswith("bad "))
    cells = [cell.strip() for cell in row if cell.strip()]
    assert cells[2] == "0.5"  # its own error over theirs, as everywhere
    low, high = map(float, cells[3].split(" to "))
    assert low <= 0.5 <= high


def test_below_three_seeds_means_alone_decide_and_no_interval_is_given():
    found = Contest("t", "mini", runs("mine", SAMPLES, count=2), {"fno": runs("fno", [2 * e for e in SAMPLES], count=2)}, 0)
    assert verdict(found) == "mine is better than fno"
    assert "fewer than 3 seeds of mine, fno: no interval and no test is given" in text(found)
    assert " to " not in text(found).splitlines()[4]


def test_what_is_fitted_and_not_trained_is_told_apart_by_its_samples():
    linear = runs("linear", [2 * e for e in SAMPLES], count=1, status="fitted")
    row = next(line for line in text(held(linear=linear)).splitlines() if line.startswith("linear"))
    assert "0.488 to 0.513" in row
    assert "fewer than" not in text(Contest("t", "mini", linear, {"fno": runs("fno", SAMPLES)}, 0))
    assert " to " not in text(held(once=runs("once", SAMPLES, count=1))).splitlines()[4]


def test_a_run_that_diverged_is_told_and_takes_the_interval_away():
    mixed = (*runs("fno", [2 * e for e in SAMPLES], 0.01)[:2], runs("fno", SAMPLES, status="diverged")[2])
    words = text(held(fno=mixed))
    assert "1 of 3 runs of fno diverged" in words
    assert verdict(held(fno=mixed)) == "mine is better than fno"
    assert " to " not in next(line for line in words.splitlines() if line.startswith("fno"))


def test_a_model_that_diverged_loses():
    diverged = runs("mine", SAMPLES, status="diverged")
    assert verdict(Contest("t", "mini", diverged, {"fno": runs("fno", SAMPLES)}, 0)) == "mine is worse than fno"
    assert verdict(Contest("t", "mini", runs("fno", SAMPLES), {"mine": diverged}, 0)) == "fno is better than mine"


def test_the_worst_samples_and_the_growth_on_other_splits_are_named():
    lines = weaknesses(held(fno=runs("fno", SAMPLES)))
    assert lines[0] == "worst samples of test: 11 (0.21), 10 (0.2), 9 (0.19); median 0.155"
    assert lines[1] == "error on ood over that on test: mine 2, fno 2"


def test_a_metric_in_which_another_is_ahead_by_more_is_named():
    def with_band(records: tuple, band: float) -> tuple:
        return tuple(
            r.model_copy(update={"scores": {"test": {"relative_l2": r.scores["test"]["relative_l2"], "band": band}}}) for r in records
        )

    mine, fno = with_band(runs("mine", SAMPLES), 0.3), with_band(runs("fno", SAMPLES), 0.1)
    assert "weaker than elsewhere: band: 3 times that of fno" in weaknesses(Contest("t", "mini", mine, {"fno": fno}, 0))
    assert not any("weaker" in line for line in weaknesses(Contest("t", "mini", fno, {"mine": mine}, 0)))

    def sampled(records: tuple, band: list[float]) -> tuple:
        return tuple(r.model_copy(update={"per_sample": r.per_sample | {"test": r.per_sample["test"] | {"band": band}}}) for r in records)

    clear, lucky = [0.3 + 0.01 * i for i in range(12)], [0.0] * 11 + [3.6]
    against = {"fno": sampled(fno, [0.1] * 12)}
    assert any("band: 3" in line for line in weaknesses(Contest("t", "mini", sampled(mine, clear), against, 0)))
    assert not any("band" in line for line in weaknesses(Contest("t", "mini", sampled(mine, lucky), against, 0)))
    exact = with_band(runs("linear", SAMPLES), 1e-9)  # what it conserves by construction is no rival's measure
    assert "weaker than elsewhere: band: 3 times that of fno" in weaknesses(Contest("t", "mini", mine, {"fno": fno, "linear": exact}, 0))


def test_seconds_of_unlike_machines_are_not_compared():
    other = runs("fno", SAMPLES, machine=Machine(device="cpu", name="another", threads=2, tf32=False))
    assert "seconds cannot be compared: they are of cpu (another, 2 threads); cpu (test processor, 2 threads)" in text(held(fno=other))


def test_a_summary_takes_rows_of_the_same_table_with_the_tasks_own_budget_only():
    mine = runs("mine", SAMPLES)
    changed = runs("changed", SAMPLES, changes={"train.epochs": 9}, training={"epochs": 9})
    elsewhere = runs("elsewhere", SAMPLES, data_fingerprint="e" * 64)
    few = runs("fno", SAMPLES, labels=10, date="2026-11-24T00:00:00+00:00")
    words = summary(mine, [*mine, *changed, *elsewhere, *runs("fno", [2 * e for e in SAMPLES]), *few])
    assert words.splitlines()[0] == "mine is better than fno"
    assert "elsewhere" not in words
    assert "changed" not in words


def test_a_summary_tells_a_run_from_the_models_defaults_and_from_an_earlier_state_of_its_file():
    changed = runs("fno", [4 * e for e in SAMPLES], changes={"model.width": 8}, settings={"width": 8})
    words = summary(changed, [*changed, *runs("fno", SAMPLES)]).splitlines()
    assert words[0] == "fno (model.width = 8) is worse than fno"
    grown = runs("same.py:Net", SAMPLES, source_sha256="a" * 64)
    earlier = runs("same.py:Net", [2 * e for e in SAMPLES], source_sha256="b" * 64)
    words = summary(grown, [*grown, *earlier])
    assert words.splitlines()[0] == "same.py:Net is better than same.py:Net (source bbbbbbbb)"
    assert "worst samples of test: 11 (0.21)" in words
    words = summary(runs("fno", [2 * e for e in SAMPLES], loss="physics"), runs("fno", SAMPLES))
    assert words.splitlines()[0] == "fno is worse than fno by data"


def test_states_of_one_file_are_not_taken_for_seeds_of_one_model():
    older = runs("theirs.py:Net", [9 * e for e in SAMPLES], source_sha256="a" * 64, date="2026-11-24T00:00:00+00:00")
    newest = runs("theirs.py:Net", [2 * e for e in SAMPLES], source_sha256="b" * 64, date="2026-11-25T00:00:00+00:00")[:1]
    words = summary(runs("mine", SAMPLES), [*older, *newest])
    assert "fewer than 3 seeds of theirs.py:Net" in words


def test_what_has_a_record_is_not_trained_again(tmp_path):
    calls = []

    def run(model, task, **options):
        from opbench.evaluation.evaluate import evaluate

        calls.append((model, options["seed"]))
        return evaluate(model, task, **options)

    (first,) = contests("mean", ["linear"], ["darcy_neuralop"], out=tmp_path, device="cpu", run=run, settings={"train.batch_size": 7})
    assert first.reused == 1, "linear's record comes with opbench"
    assert calls == [("mean", 0)]
    (again,) = contests("mean", ["linear"], ["darcy_neuralop"], out=tmp_path, device="cpu", run=run, settings={"train.batch_size": 7})
    assert again.reused == 2
    assert calls == [("mean", 0)]
    assert again.mine == first.mine


def test_a_model_that_does_not_fit_a_task_is_told_before_any_is_trained_on_another(tmp_path):
    with pytest.raises(OpbenchError, match="persistence"):
        contests("mean", ["persistence"], ["burgers_1d", "darcy_neuralop"], out=tmp_path, device="cpu", settings={"train.batch_size": 7})
    assert not list(tmp_path.rglob("*.json"))


def test_a_model_stands_against_itself_with_settings_of_its_own_only(tmp_path):
    (found,) = contests("mean", ["mean"], ["darcy_neuralop"], out=tmp_path, device="cpu", cost=False, settings={"train.batch_size": 7})
    assert verdict(found) == "mean (train.batch_size = 7) is not told apart from mean"
    with pytest.raises(ConfigError, match="expected other models than mean"):
        contests("mean", ["mean"], ["darcy_neuralop"], out=tmp_path, device="cpu")


def test_several_tasks_are_counted_for_each_of_the_others():
    half, double, mixed = ([factor * error for error in SAMPLES] for factor in (0.5, 2.0, 1.0))
    mixed = [error * (1.3 if i % 2 else 0.7) for i, error in enumerate(mixed)]
    tasks = [held(fno=runs("fno", errors, 0.01)) for errors in (half, double, double, mixed)]
    (line,) = overall(tasks)
    assert line.startswith("fno, 4 tasks: mine is better than it on 2, worse than it on 1, not told apart from it on 1; its error over")
    mean = sum(mixed) / sum(SAMPLES)
    assert float(line.partition("of fno: ")[2].partition(",")[0]) == pytest.approx((2 * 0.5 * 0.5 / mean) ** 0.25, rel=0.01)
    assert overall(tasks[:1]) == []
    diverged = held(fno=runs("fno", SAMPLES, status="diverged"))
    assert overall([tasks[0], diverged]) == ["fno, 2 tasks: mine is better than it on 1, worse than it on 1"]


def test_what_the_models_cost_stands_beside_the_solver_that_errs_as_much():
    speed = cost(latency=2e-3, throughput=4000.0)
    rungs = ladder(rung(0.01, 1.0), rung(0.05, alone=6e-3, batched=1e-4))
    timed = record(model="timed", cost=speed, matched=matched(rungs, 0.1, speed, 1.0))
    heads, mine, other = table(Contest("t", "mini", (timed,), {"fno": runs("fno", SAMPLES)}, 0))
    assert heads[-3:] == ("latency", "throughput", "solver alone, batched")
    assert mine[-3:] == ("2 ms", "4,000/s", "3, 0.4")
    assert other[-3:] == ("-", "-", "-")
