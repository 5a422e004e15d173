"""verify: true records agree number by number, false ones are told, and no record brings code along."""

import json
from pathlib import Path

import pytest

import opbench
from opbench.errors import DataError, OpbenchError
from opbench.evaluation.planning import planned
from opbench.evaluation.specimens import beside
from opbench.provenance import sha256
from opbench.records.record import Finetuned
from opbench.records.shelf import read_record, read_records, save
from opbench.submission.reproduce import Finding, checked, checkpoint, compared, retrain, verify
from opbench.submission.rescoring import rescore
from records import record

TINY = (Path(__file__).parent / "test_cli.py").read_text().split('TINY = """')[1].split('"""')[0]
NET = """
import torch
class Net(torch.nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.layer = torch.nn.Conv2d(in_channels, out_channels, 1)
    def forward(self, given):
        return self.layer(given)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    (folder / "mine.py").write_text(NET)
    for seed in range(3):
        settings = {"train.epochs": 2}
        opbench.evaluate(f"{folder}/mine.py:Net", "darcy_neuralop", seed=seed, settings=settings, out=folder, device="cpu")
    return folder


@pytest.fixture
def path(home) -> Path:
    return sorted((home / "records" / "darcy_neuralop").glob("*.json"))[0]


def test_a_true_record_agrees_in_every_number_of_its_checkpoint_and_of_its_training(home, path):
    record, model = read_record(path), f"{home}/mine.py:Net"
    found = verify(record, checkpoint(path, record), model=model)
    assert len(found) == 1 + sum(map(len, [*record.scores.values(), *record.per_sample.values()]))
    assert [str(finding) for finding in found if not finding.agrees or finding.recorded != finding.found] == []
    again = retrain(record, home / "records", model=model)
    assert [str(finding) for finding in again if finding.recorded != finding.found] == []
    told = {(split, metric) for split, values in record.scores.items() for metric in values} | {("model", "parameters, trainable")}
    assert {(finding.split, finding.metric) for finding in again} == told


def test_a_record_of_a_recipe_of_the_users_own_is_verified_and_rescored_where_it_is_named(tmp_path):
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(TINY)
    opbench.evaluate("linear", str(recipe), out=tmp_path, data=tmp_path / "data", device="cpu", cost=False)
    (path,) = (tmp_path / "records").glob("*/*.json")
    record = read_record(path)
    weights = checkpoint(path, record)
    with pytest.raises(OpbenchError, match="none of opbench's: name its recipe with --task"):
        verify(record, weights, data=tmp_path / "data")
    with pytest.raises(DataError, match=r"tiny/trajectory.*tiny/step; name that recipe and kind"):
        verify(record, weights, task=f"{recipe}/step", data=tmp_path / "data")
    found = verify(record, weights, task=str(recipe), data=tmp_path / "data")
    assert found
    assert [str(finding) for finding in found if not finding.agrees] == []
    assert all(finding.agrees for finding in retrain(record, tmp_path / "records", task=str(recipe), data=tmp_path / "data"))
    assert read_record(rescore(path, task=str(recipe), data=tmp_path / "data")).scores == record.scores


def test_one_false_sample_and_one_false_mean_are_found(home, path):
    record, model = read_record(path), f"{home}/mine.py:Net"
    values = list(record.per_sample["test"]["rmse"])
    values[5] *= 1.01
    scores = record.scores | {"test": record.scores["test"] | {"rmse": sum(values) / len(values) * 1.01}}
    per_sample = record.per_sample | {"test": record.per_sample["test"] | {"rmse": values}}
    false = record.model_copy(update={"scores": scores, "per_sample": per_sample})
    wrong = [(f.split, f.metric) for f in verify(false, checkpoint(path, record), model=model) if not f.agrees]
    assert wrong == [("test", "rmse"), ("test", "rmse, sample 5")]


@pytest.fixture(scope="module", params=["trajectory", "step"])
def tiny(request, tmp_path_factory) -> tuple[Path, dict]:
    """A record with roll-outs or a floor, and how it is verified."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "tiny.toml").write_text(TINY)
    options = {"task": f"{folder}/tiny.toml/{request.param}", "data": folder / "data"}
    opbench.evaluate("linear", **options, out=folder, device="cpu", cost=False)
    return next((folder / "records").glob("*/*.json")), options


def differing(tiny, **changes) -> set[tuple[str, str]]:
    """What is told of a record after some of its fields were changed."""
    path, options = tiny
    true = read_record(path)
    found = verify(true.model_copy(update=changes), checkpoint(path, true), **options)
    return {(finding.split, finding.metric) for finding in found if not finding.agrees}


def test_parameters_floors_and_roll_outs_are_compared_too(tiny):
    true = read_record(tiny[0])
    assert differing(tiny) == set()
    assert differing(tiny, parameters=true.parameters + 1) == {("model", "parameters, trainable")}
    false = {"scores": true.scores | {"model": {"parameters": float(true.parameters)}}, "parameters": 1}
    assert ("model", "parameters, trainable") in differing(tiny, **false)
    for split in true.physics_floor:
        floors = true.physics_floor | {split: true.physics_floor[split] * 1.1}
        assert differing(tiny, physics_floor=floors) == {(split, "physics_floor, references")}
    for split, rolled in true.rollouts.items():
        errors = rolled.errors | {"rmse": (rolled.errors["rmse"][0], rolled.errors["rmse"][1] * 1.01)}
        cases = {
            "rmse, roll-out step 1": {"errors": errors},
            "stable, roll-out": {"stable": rolled.stable / 2},
            "growth_rate, roll-out": {"growth_rate": rolled.growth_rate - 0.1},
            "correlation_time, roll-out": {"correlation_time": rolled.correlation_time * 1.5},
            "horizon, roll-out": {"horizon": 2.0},
        }
        for told, changes in cases.items():
            assert differing(tiny, rollouts=true.rollouts | {split: rolled.model_copy(update=changes)}) == {(split, told)}
    assert bool(true.physics_floor) or bool(true.rollouts)


def test_what_a_record_leaves_out_differs_unless_it_was_made_before_that_was_measured(tiny):
    true = read_record(tiny[0])
    bare = {
        part: getattr(true, part) | {"test": {name: held for name, held in getattr(true, part)["test"].items() if name != "rmse"}}
        for part in ("scores", "per_sample")
    }
    assert differing(tiny, **bare) == {("test", "rmse"), ("test", "rmse, sample 0")}
    scores = {split: held for split, held in true.scores.items() if split != "ood"}
    assert {split for split, _ in differing(tiny, scores=scores)} == {"ood"}
    for part in ("physics_floor", "rollouts"):
        assert bool(differing(tiny, **{part: {}})) == bool(getattr(true, part))
    known = {name: version for name, version in true.metric_versions.items() if name != "rmse"}
    assert ("ood", "rmse") not in differing(tiny, metric_versions=known), "it is compared where it is recorded"
    older = {
        part: {split: {name: held for name, held in metrics.items() if name != "rmse"} for split, metrics in getattr(true, part).items()}
        for part in ("scores", "per_sample")
    }
    rolled = {
        split: held.model_copy(update={"errors": {name: values for name, values in held.errors.items() if name != "rmse"}})
        for split, held in true.rollouts.items()
    }
    assert differing(tiny, **older, rollouts=rolled, metric_versions=known) == set()
    path, options = tiny
    aged = true.model_copy(update={**older, "rollouts": rolled, "metric_versions": known})
    told = [finding for finding in verify(aged, checkpoint(path, true), **options) if finding.earlier]
    assert {finding.split for finding in told} >= set(true.scores)
    assert str(told[0]).startswith("is new ")


def test_numbers_of_todays_metrics_that_another_one_is_kept_of_are_no_older_ones(tiny):
    true = read_record(tiny[0])
    known = {name: version for name, version in true.metric_versions.items() if name != "rmse"}
    scores = true.scores | {"ood": {name: value for name, value in true.scores["ood"].items() if name != "rmse"}}
    assert differing(tiny, scores=scores, metric_versions=known) == {("ood", "rmse")}


def test_a_number_that_nobody_finds_differs_even_if_it_is_not_finite():
    assert not Finding("test", "beauty", None, "none", 1e-3).agrees
    assert not Finding("test", "beauty", "left out", None, 1e-3).agrees


def test_the_model_that_is_named_is_that_of_records_whose_model_is_none_of_opbenchs(home, tmp_path):
    opbench.evaluate("mean", "darcy_neuralop", out=tmp_path, device="cpu", cost=False)
    (path,) = (tmp_path / "records").glob("*/*.json")
    found = verify(read_record(path), checkpoint(path, read_record(path)), model=f"{home}/mine.py:Net")
    assert all(finding.agrees for finding in found)


def test_code_that_a_changed_task_needs_is_named_by_its_commit(home, path):
    record = read_record(path)
    for changes, told in (
        ({"commit": "c" * 40, "dirty": False}, f"take the code that it was made by, commit {'c' * 40} of opbench$"),
        ({"commit": "c" * 40, "dirty": True}, "had changes on top"),
        ({"commit": None, "dirty": None}, f"opbench {record.opbench} of {record.date[:10]}$"),
    ):
        with pytest.raises(DataError, match=told):
            verify(record.model_copy(update={"task_version": 99} | changes), checkpoint(path, record), model=f"{home}/mine.py:Net")


def test_a_records_own_model_is_never_imported_unless_the_user_names_it(home, path, monkeypatch):
    (home / "trap.py").write_text("raise SystemExit('ran')")
    monkeypatch.chdir(home)
    for model in ("mine.py:Net", "trap.py:Net", "trap:Net"):
        record = read_record(path).model_copy(update={"model": model})
        with pytest.raises(OpbenchError, match="is code of others: read it, then name it"):
            verify(record, checkpoint(path, read_record(path)))


def test_a_records_own_loss_is_never_imported_unless_the_user_names_it(home, path, monkeypatch):
    (home / "trap.py").write_text("raise SystemExit('ran')")
    monkeypatch.chdir(home)
    record = read_record(path)
    second = Finetuned(
        loss="trap.py:E", loss_settings={}, samples=1, steps=1, learning_rate=1.0, clip=1.0, before={}, after={}, floor=None, seconds=1.0
    )
    named = {"model": f"{home}/mine.py:Net"}
    for changes in ({"loss": "trap.py:E"}, {"loss": "trap:E"}, {"finetuned": second}):
        hostile = record.model_copy(update=changes)
        with pytest.raises(OpbenchError, match=r"the record's loss 'trap.*' is code of others: read it, then name it with --loss"):
            verify(hostile, checkpoint(path, record), **named)
        with pytest.raises(OpbenchError, match=r"the record's loss 'trap.*' is code of others: read it, then name it with --loss"):
            retrain(hostile, path.parents[1], **named)


def test_a_total_that_is_held_but_for_rounding_agrees_whatever_its_last_digits():
    """Another processor sums in another order: 5.2e-9 of fields of size 0.5 may be 5.0e-9 there, and 5.2e-3 not 5.0e-3."""

    def parts(total):
        return {"scores": {"test": {"crmse": total, "rmse": 0.1, "nrmse": 0.2}}, "per_sample": {"test": {"crmse": [total]}}}

    assert all(finding.agrees for finding in compared(parts(5.2e-9), parts(5.0e-9)))
    assert [finding.agrees for finding in compared(parts(5.2e-3), parts(5.0e-3))].count(False) == 2


def test_other_weights_none_and_other_code_are_told(home, path, tmp_path):
    record, model = read_record(path), f"{home}/mine.py:Net"
    with pytest.raises(DataError, match="no checkpoint there"):
        verify(record, tmp_path / "weights.safetensors", model=model)
    (tmp_path / "weights.safetensors").write_bytes(checkpoint(path, record).read_bytes() + b" ")
    with pytest.raises(DataError, match="is not the checkpoint that the record names"):
        verify(record, tmp_path / "weights.safetensors", model=model)
    (tmp_path / "mine.py").write_text(NET + "\n")
    with pytest.raises(DataError, match="makes another source_sha256"):
        verify(record, checkpoint(path, record), model=f"{tmp_path}/mine.py:Net")
    with pytest.raises(DataError, match="the task changed since"):
        verify(record.model_copy(update={"task_version": 99}), checkpoint(path, record), model=model)


def test_a_trained_number_may_differ_as_seeds_do_and_no_more():
    assert Finding("test", "rmse", 1.0, 1.2, 1e-3, spread=0.3).agrees
    assert not Finding("test", "rmse", 1.0, 1.4, 1e-3, spread=0.3).agrees
    assert not Finding("test", "rmse", 1.0, 1.2, 1e-3).agrees
    assert not Finding("test", "rmse", 1.0, None, 1e-3).agrees
    assert Finding("test", "rmse", None, None, 1e-3).agrees


def test_an_edited_record_is_refused_at_the_door(home, path, tmp_path):
    content = json.loads(path.read_text())
    content["scores"]["test"]["rmse"] *= 0.9
    false = tmp_path / path.parent.name / path.name
    false.parent.mkdir()
    false.write_text(json.dumps(content))
    with pytest.raises(OpbenchError, match=r"scores\.test\.rmse"):
        read_record(false)
    assert len(list(read_records(home / "records"))) == 3
    assert save(read_record(path), tmp_path / "copy").stem == read_record(path).stem


@pytest.mark.parametrize("given", [{"loss": "physics"}, {"finetune": "physics", "settings": {"finetune.steps": 2}}])
def test_a_run_without_labels_and_one_with_a_second_stage_are_planned_again_from_their_records(tmp_path, given):
    run = planned("fast_fno", "darcy_2d", scale="mini", device="cpu", **given)
    second = Finetuned(
        loss="physics", loss_settings={}, samples=1, steps=2, learning_rate=1e-3, clip=1.0, before={}, after={}, floor=None, seconds=1.0
    )
    (tmp_path / "weights").write_bytes(b"kept")
    held = record(**run.about, finetuned=second if "finetune" in given else None, weights_sha256=sha256(tmp_path / "weights"))
    assert checked(held, tmp_path / "weights").about["changes"] == held.changes


def aged(path: Path, **changes) -> Path:
    """The record as code of another day would have written it, with its weights where they are looked for; its path."""
    old = read_record(path)
    scores = {split: {"relative_l2": metrics["relative_l2"]} for split, metrics in old.scores.items()}
    per_sample = {split: {"relative_l2": metrics["relative_l2"]} for split, metrics in old.per_sample.items()}
    made = old.model_copy(update={"source_sha256": "0" * 64, "commit": "then", "scores": scores, "per_sample": per_sample} | changes)
    made = type(old)(**made.model_dump())
    saved = save(made, path.parents[1])
    weights = checkpoint(saved, made)
    weights.parent.mkdir(parents=True, exist_ok=True)
    weights.write_bytes(checkpoint(path, old).read_bytes())
    return saved


def test_a_record_is_scored_by_todays_metrics_without_training(home, path):
    model, today = f"{home}/mine.py:Net", read_record(path)
    written = rescore(aged(path), model=model)
    new = read_record(written)
    assert (new.scores, new.per_sample, new.metric_versions) == (today.scores, today.per_sample, today.metric_versions)
    assert (new.curve, new.seconds, new.weights_sha256, new.fingerprint) == (
        today.curve,
        today.seconds,
        today.weights_sha256,
        today.fingerprint,
    )
    assert (new.trained.source_sha256, new.trained.commit, new.trained.date) == ("0" * 64, "then", today.date)
    assert new.date > today.date
    assert all(finding.agrees for finding in verify(new, checkpoint(written, new), model=model))
    assert beside(new, home / "records") is not None
    assert read_record(rescore(written, model=model)).trained == new.trained


def test_roll_outs_and_floors_are_scored_anew_too(tiny):
    path, options = tiny
    old, new = read_record(path), read_record(rescore(path, **options))
    assert (new.rollouts, new.physics_floor, new.per_sample) == (old.rollouts, old.physics_floor, old.per_sample)
    assert old.rollouts or old.physics_floor


def test_what_a_trained_model_costs_is_measured_later_too_but_not_on_another_machine(home, path):
    model, old = f"{home}/mine.py:Net", read_record(path)
    bare = aged(path, cost=None)
    new = read_record(rescore(bare, model=model, cost=True))
    assert (old.cost.flops, old.cost.layout, new.scores) == (new.cost.flops, new.cost.layout, old.scores)
    assert new.cost.seconds("alone") > 0
    assert read_record(rescore(bare, model=model)).cost is None
    elsewhere = aged(path, cost=None, machine=old.machine.model_copy(update={"name": "a slower one"}))
    before = sorted(home.rglob("*"))
    with pytest.raises(OpbenchError, match=r"a slower one.*leave --cost out"):
        rescore(elsewhere, model=model, cost=True)
    assert sorted(home.rglob("*")) == before


def test_what_is_another_function_today_or_has_nothing_to_tell_it_by_is_not_rescored(home, path):
    old, model = read_record(path), f"{home}/mine.py:Net"
    values = [1.01 * value for value in old.per_sample["test"]["relative_l2"]]
    other = {
        "scores": {"test": {"relative_l2": sum(values) / len(values)}},
        "per_sample": {"test": {"relative_l2": values}},
        "source_sha256": "1" * 64,
    }
    for changes, told in ((other, "come out otherwise today, first: DIFFERS test"), ({"metric_versions": {"relative_l2": 9}}, "as it was")):
        held = aged(path, **changes)
        before = sorted(home.rglob("*"))
        with pytest.raises(DataError, match=told):
            rescore(held, model=model)
        assert sorted(home.rglob("*")) == before
