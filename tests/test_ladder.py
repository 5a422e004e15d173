"""Matching and break-even on made-up ladders: what is cheapest, what is on the front, what a model is matched with, what is kept where."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opbench.errors import ConfigError, DataError
from opbench.records.ladder import break_even, identity, ladder_for, matched, read_ladders, save
from opbench.records.record import Machine
from records import cost, ladder, rung


def test_the_cheapest_rung_errs_no_more_and_may_be_another_alone_than_in_batches():
    made = ladder(rung(0.1, 1e-3, 1e-4), rung(0.05, 3e-3, 1e-5), rung(0.01, 2e-3, 5e-4))
    assert made.cheapest(0.2, "alone").error == 0.1
    assert made.cheapest(0.2, "batched").error == 0.05
    assert made.cheapest(0.05, "alone").error == 0.01
    assert made.cheapest(0.05, "batched").error == 0.05
    assert made.cheapest(0.01, "batched").error == 0.01
    assert made.cheapest(0.009, "alone") is None


def test_rungs_that_timings_do_not_tell_apart_are_chosen_by_the_other_way():
    made = ladder(rung(0.1, 1.00e-3, 9e-4), rung(0.1, 1.05e-3, 1e-4, scatter=0.1), rung(0.1, 1.5e-3, 1e-5, scatter=0.1))
    assert made.cheapest(0.1, "alone").batched.median == 1e-4


def test_the_front_holds_no_rung_that_another_beats():
    made = ladder(rung(0.1, 1e-3), rung(0.2, 2e-3), rung(0.05, 4e-3), rung(0.0499, 5e-3), rung(0.01, 3e-3))
    assert [found.error for found in made.front("alone")] == [0.1, 0.01]


costs = st.floats(1e-6, 1e3)


@given(st.lists(st.tuples(st.floats(1e-6, 1.0), costs), min_size=1, max_size=12), st.floats(1e-6, 1.0))
@settings(deadline=None)
def test_the_front_costs_as_little_as_the_whole_ladder_at_any_error(rungs, error):
    made = ladder(*(rung(e, s) for e, s in rungs))
    whole, front = made.cheapest(error, "alone"), made.model_copy(update={"rungs": tuple(made.front("alone"))})
    if whole is not None and (on_front := front.cheapest(error / 0.99, "alone")) is not None:
        assert on_front.alone.median <= whole.alone.median


def test_a_model_is_matched_with_its_ratio_and_break_even():
    made = ladder(rung(0.1, 1e-3, 1e-4), rung(0.02, 4e-3, 6e-4), generation_seconds=50.0)
    found = matched(made, 0.03, cost(latency=1e-3, throughput=1000.0), training_seconds=10.0)
    assert (found.error, found.ladder, found.training_seconds, found.generation_seconds) == (0.03, made.fingerprint, 10.0, 50.0)
    assert found.alone.error == 0.02
    assert found.alone.ratio == pytest.approx(4.0)
    assert found.alone.break_even == pytest.approx(60.0 / 3e-3)
    assert found.batched.ratio == pytest.approx(0.6)
    assert found.batched.break_even is None


def test_a_model_better_than_every_rung_is_matched_with_none():
    found = matched(ladder(rung(0.1, 1e-3)), 0.05, cost(), training_seconds=10.0)
    assert (found.alone, found.batched) == (None, None)


def test_the_faster_of_eager_and_compiled_stands_for_the_model():
    slow, quick = cost(latency=2e-3, throughput=100.0), cost(latency=1e-3, throughput=400.0)
    both = slow.model_copy(update={"inference": slow.inference | {"compiled": quick.inference["eager"]}})
    assert (both.seconds("alone"), both.seconds("batched")) == (1e-3, 1 / 400)


@given(st.floats(0, 1e6), costs, costs)
def test_at_break_even_both_have_cost_the_same(invested, model, solver):
    count = break_even(invested, model, solver)
    if count is None:
        assert solver <= model
    else:
        assert invested + count * model == pytest.approx(count * solver, rel=1e-6)


@pytest.mark.parametrize("noisy", [("rung",), ("cost",), ()])
def test_a_match_is_noisy_where_the_models_timing_or_that_of_its_own_rung_was(noisy):
    made = ladder(rung(0.1, 1e-3, noisy="rung" in noisy), rung(0.01, 2e-3, noisy=True))
    assert matched(made, 0.2, cost(noisy="cost" in noisy), 1.0).noisy is bool(noisy)


def test_a_ladder_holds_for_its_task_data_and_machine_alone(tmp_path):
    made = ladder(rung(0.1, 1e-3))
    path = save(made, tmp_path)
    assert path.parent == tmp_path / "burgers_1d"
    (read,) = read_ladders(tmp_path)
    assert read == made
    about = (made.task, made.task_version, made.scale, made.data_fingerprint)
    assert ladder_for([read], identity(*about, made.machine)) == made
    threads = Machine(device="cpu", name="test processor", threads=1, tf32=False)
    assert ladder_for([read], identity(*about, threads)) is None
    assert ladder_for([read], identity(made.task, 2, *about[2:], made.machine)) is None


def test_a_ladder_measured_again_takes_the_place_of_the_first(tmp_path):
    save(ladder(rung(0.1, 1e-3)), tmp_path)
    save(ladder(rung(0.1, 2e-3)), tmp_path)
    assert [found.rungs[0].alone.median for found in read_ladders(tmp_path)] == [2e-3]


def test_a_ladder_of_an_earlier_version_is_measured_again(tmp_path):
    save(ladder(rung(0.1, 1e-3)).model_copy(update={"version": 0}), tmp_path)
    assert list(read_ladders(tmp_path)) == []


@pytest.mark.parametrize(("content", "message"), [("{", "is no JSON solver ladder"), ('{"task": 1}', "version")])
def test_a_file_that_is_no_ladder_is_named(tmp_path, content, message):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.json").write_text(content)
    with pytest.raises((DataError, ConfigError), match=message) as told:
        list(read_ladders(tmp_path))
    assert "a.json" in str(told.value)


def test_a_ladders_seconds_cannot_be_zero_or_infinite():
    content = json.loads(ladder(rung(0.1, 1e-3)).model_dump_json())
    content["rungs"][0]["alone"]["median"] = 0.0
    with pytest.raises(ValueError, match="greater than or equal"):
        type(ladder(rung(0.1, 1e-3))).model_validate(content, strict=False)
