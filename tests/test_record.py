"""Records: nothing overwritten, nothing unreadable, one fingerprint per run."""

import json
import os
from pathlib import Path

import pydantic
import pytest

from opbench.errors import ConfigError, DataError
from opbench.leaderboard.schema import schema
from opbench.records.ladder import matched
from opbench.records.record import DECIDED, Machine, Record
from opbench.records.shelf import read_record, read_records, save, shelf
from opbench.records.upgrades import UPGRADES
from records import cost, ladder, record, rung


def test_a_record_survives_the_disk(tmp_path):
    path = save(record(), tmp_path)
    assert path.parent.name == "burgers_1d"
    assert list(read_records(tmp_path)) == [record()]


def test_a_second_record_of_the_same_run_is_kept_beside_the_first(tmp_path):
    first = save(record(), tmp_path)
    before = first.read_bytes()
    second = save(record(date="2026-11-24T00:00:00+00:00"), tmp_path)
    assert second != first
    assert first.read_bytes() == before
    assert len(list(read_records(tmp_path))) == 2
    assert not list(tmp_path.rglob("*.part"))


def test_seeds_share_their_configuration_and_nothing_else_does():
    assert record(seed=1).configuration == record().configuration
    assert record(seed=1).fingerprint != record().fingerprint
    other = {"settings": {"width": 33}, "provenance": {"library": "1"}, "training": {"epochs": 2}, "task_version": 2}
    other |= {"task": "burgers_1d/step", "scale": "full", "data_fingerprint": "e" * 64, "source_sha256": "f" * 64}
    for name in DECIDED:
        assert record(**{name: other.get(name, "other")}).configuration != record().configuration, name
    for change in (
        {"machine": Machine(device="cuda", name="x", threads=1, tf32=False)},
        {"date": "2026-11-25T00:00:00Z"},
        {"seconds": {"training_wall": 9.0, "training_cpu": 9.0}},
        {"commit": "x"},
        {"error": 0.7},
    ):
        assert record(**change).configuration == record().configuration, change


def test_json_holds_no_nan():
    diverged = record(error=None, status="diverged", curve=[(1, None, None)])
    assert "NaN" not in diverged.to_json()
    assert Record.model_validate_json(diverged.to_json()) == diverged


def edited(path: Path, *keys, to) -> str:
    """The record's text with one value replaced."""
    content = inner = json.loads(path.read_text())
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = to
    return json.dumps(content)


SCRIPT = "</script><script>alert(1)</script>"
BROKEN = {
    "truncated": (lambda path: path.read_text()[:500], "is no JSON record"),
    "empty": (lambda path: "", "is no JSON record"),
    "not text": (lambda path: "\udcff", "is no JSON record"),
    "foreign": (lambda path: '{"seed": 1}', "schema_version: expected a number from 1 to 2, got None"),
    "no object": (lambda path: "[1, 2]", "expected a JSON object"),
    "deep": (lambda path: "[" * 100_000, "recursion limit"),
    "newer": (lambda path: edited(path, "schema_version", to=99), "got 99, of a newer opbench; update opbench"),
    "of a version that was never": (lambda path: edited(path, "schema_version", to=-1), "schema_version"),
    "with an unknown key": (lambda path: edited(path, "rank", to=1), "rank: Extra inputs are not permitted"),
    "with NaN": (lambda path: edited(path, "scores", "test", "relative_l2", to=float("nan")), "is no JSON record"),
    "with infinity": (lambda path: path.read_text().replace("100.0", "1e999"), "samples_per_second"),
    "with infinity where anything may be": (lambda path: path.read_text().replace('"width": 32', '"width": 1e999'), "Out of range"),
    "below any error": (lambda path: edited(path, "scores", "test", "relative_l2", to=-1.0), "greater than or equal to 0"),
    "that names a place outside": (lambda path: edited(path, "scale", to="x/../../evil"), "scale: String should match"),
    "of a device that is a path": (
        lambda path: edited(path, "machine", "device", to="cuda/../../q"),
        "machine.device: String should match",
    ),
    "of a day that never was": (lambda path: edited(path, "date", to="<b>tomorrow"), "date: String should match"),
    "named as the overview": (lambda path: edited(path, "dataset", to="README"), "the leaderboards' own page"),
    "without its samples": (lambda path: edited(path, "per_sample", to={}), "per_sample.test: expected relative_l2 of every sample"),
    "of no samples": (lambda path: edited(path, "per_sample", "test", "relative_l2", to=[]), "at least 1 item"),
    "with other numbers of samples": (
        lambda path: edited(path, "per_sample", "test", to={"relative_l2": [0.1], "mae": [0.1, 0.1]}),
        "expected as many samples of every metric, got [1, 2]",
    ),
    "without its seconds": (lambda path: edited(path, "seconds", to={"training_wall": 1.0}), "seconds: expected training_cpu too"),
    "with a list for a version": (lambda path: edited(path, "schema_version", to=[]), "expected a number from 1 to 2, got []"),
    "without a version": (lambda path: path.read_text().replace('"schema_version": 2,', ""), "got None; it is foreign or was edited"),
    "beyond any error": (lambda path: edited(path, "scores", "test", "relative_l2", to=1e308), "less than or equal to 1"),
    "with a mean that is not its samples'": (
        lambda path: edited(path, "scores", "test", "relative_l2", to=0.05),
        "scores.test.relative_l2 is",
    ),
    "with a path in its dataset": (lambda path: edited(path, "dataset", to="../../etc"), "dataset: String should match"),
    "with another dataset's task": (lambda path: edited(path, "task", to="darcy_2d/static"), "task is 'darcy_2d/static'"),
    "with a path in a fingerprint": (lambda path: edited(path, "weights_sha256", to="../../weights"), "weights_sha256"),
    "with a script for a fingerprint": (lambda path: edited(path, "data_fingerprint", to=SCRIPT), "data_fingerprint"),
    "with other settings than its name says": (lambda path: edited(path, "settings", to={"width": 99}), "it was edited or renamed"),
    "of a million names": (lambda path: edited(path, "model", to="x" * 1_000_000), "at most 200"),
    "that steers the terminal": (lambda path: edited(path, "\x1b[2J", to=1), "Extra inputs"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_record_is_told_in_one_line_and_the_others_are_read(tmp_path, kind):
    bad, good = save(record(seed=1), tmp_path), record(seed=2)
    save(good, tmp_path)
    content, message = BROKEN[kind]
    bad.write_bytes(content(bad).encode("utf-8", "surrogateescape"))
    records, (fault,) = shelf(tmp_path)
    assert records == [good]
    assert str(fault).startswith(f"{bad}: ")
    assert message in str(fault)
    assert str(fault).isprintable()
    assert len(str(fault)) < 2000
    with pytest.raises((DataError, ConfigError)):
        list(read_records(tmp_path))


def test_what_is_no_file_is_not_waited_for(tmp_path):
    good = record()
    folder = save(good, tmp_path).parent
    os.mkfifo(folder / "pipe.json")
    (folder / "endless.json").symlink_to("/dev/zero")
    (folder / "folder.json").mkdir()
    records, faults = shelf(tmp_path)
    assert records == [good]
    assert len(faults) == 3
    assert all("another kind of thing than a file" in str(fault) for fault in faults)


def test_a_record_that_is_unlike_the_rest_of_its_table_is_left_out(tmp_path):
    """No record alone says that it was edited: a table's rows have the same samples, and one budget where none says another."""
    usual = [record(seed=seed) for seed in range(3)]
    few = record(model="few", error=0.1, per_sample={"test": {"relative_l2": [0.1, 0.1]}})
    long = record(model="long", training={"epochs": 100_000})
    told = record(model="told", training={"epochs": 9}, changes={"train.epochs": 9})
    elsewhere = record(model="elsewhere", data_fingerprint="e" * 64, per_sample={"test": {"relative_l2": [0.1, 0.1]}})
    for one in (few, long, told, elsewhere, *usual):
        save(one, tmp_path)
    records, faults = shelf(tmp_path)
    assert sorted(r.model for r in records) == ["elsewhere", "fno", "fno", "fno", "told"]
    messages = "\n".join(map(str, faults))
    assert "few-" in messages
    assert "samples of test: expected 1 as in other records of its data, got 2" in messages
    assert "long-" in messages
    assert "budget without changes: expected 1 epochs" in messages


def test_a_solver_that_is_matched_has_the_ratio_of_its_seconds(tmp_path):
    speed = cost(latency=2e-3, throughput=4000.0)
    found = matched(ladder(rung(0.01, 1.0), rung(0.05, alone=6e-3, batched=1e-4)), 0.1, speed, 1.0)
    path = save(record(cost=speed, matched=found), tmp_path)
    assert read_record(path).matched == found
    for place, value in ((("alone", "ratio"), 1e6), (("batched", "seconds"), 1.0), (("alone", "error"), 0.2), (("error",), 0.05)):
        broken = edited(path, "matched", *place, to=value)
        with pytest.raises(ConfigError, match=r"matched\."):
            read_record(_written(path, broken))
        path.write_text((record(cost=speed, matched=found)).to_json())


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_copy_of_a_record_is_no_second_run(tmp_path):
    path = save(record(), tmp_path)
    copy = path.with_name(f"{path.stem}-2.json")
    copy.write_bytes(path.read_bytes())
    records, (fault,) = shelf(tmp_path)
    assert records == [record()]
    assert "is the run of" in str(fault)


def test_a_record_that_was_copied_to_another_folder_counts_once_and_an_edited_copy_is_a_fault(tmp_path):
    own = save(record(), tmp_path / "own")
    copy = tmp_path / "shipped" / own.parent.name / own.name
    copy.parent.mkdir(parents=True)
    copy.write_bytes(own.read_bytes())
    assert shelf(tmp_path / "shipped", tmp_path / "own") == ([record()], [])
    copy.write_text(copy.read_text().replace('"opbench evaluate', '"opbench  evaluate'))
    records, (fault,) = shelf(tmp_path / "shipped", tmp_path / "own")
    assert len(records) == 1
    assert "is the run of" in str(fault)


def test_a_file_too_large_to_be_a_record_is_not_read(tmp_path, monkeypatch):
    path = save(record(), tmp_path)
    monkeypatch.setattr("opbench.config.LARGEST", 1000)
    with pytest.raises(DataError, match="expected a record, of at most"):
        read_record(path)


def test_every_earlier_schema_is_upgraded_step_by_step_to_todays(tmp_path):
    path = save(record(), tmp_path)
    today = Record.model_fields["schema_version"].default
    assert sorted(UPGRADES) == list(range(1, today)), "a version without its step"
    path.write_text(edited(path, "schema_version", to=1))
    assert read_record(path) == record()


def test_a_record_that_cannot_be_written_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match="No space left"):
        save(record(), tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_the_committed_json_schema_is_rendered_from_the_type_that_records_are_read_as():
    committed = Path(__file__).parent.parent / "leaderboards" / "record.schema.json"
    if tuple(map(int, pydantic.VERSION.split(".")[:2])) < (2, 12):
        pytest.skip(f"pydantic {pydantic.VERSION} words schemas in another way")
    assert json.loads(schema()) == json.loads(committed.read_text()), "run `python -m opbench.leaderboard.schema`"
