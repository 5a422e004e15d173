"""Records: nothing overwritten, nothing unreadable, one fingerprint per run."""

import json
from pathlib import Path

import pydantic
import pytest

from opbench.errors import ConfigError, DataError
from opbench.leaderboard.schema import schema
from opbench.record import DECIDED, UPGRADES, Machine, Record, read_record, read_records, save, shelf
from records import record


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
    other |= {"task": "burgers_1d/step", "data_fingerprint": "e" * 64, "source_sha256": "f" * 64}
    for name in DECIDED:
        assert record(**{name: other.get(name, "other")}).configuration != record().configuration, name
    for change in (
        {"machine": Machine(device="cuda", name="x", threads=1, tf32=False)},
        {"date": "x"},
        {"seconds": {"training_wall": 9.0}},
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
    "foreign": (lambda path: '{"seed": 1}', "model: Field required"),
    "no object": (lambda path: "[1, 2]", "Input should be an object"),
    "deep": (lambda path: "[" * 100_000, "recursion limit"),
    "newer": (lambda path: edited(path, "schema_version", to=99), "got 99, of a newer opbench; update opbench"),
    "of a version that was never": (lambda path: edited(path, "schema_version", to=-1), "schema_version"),
    "with an unknown key": (lambda path: edited(path, "rank", to=1), "rank: Extra inputs are not permitted"),
    "with NaN": (lambda path: edited(path, "scores", "test", "relative_l2", to=float("nan")), "is no JSON record"),
    "with infinity": (lambda path: path.read_text().replace("100.0", "1e999"), "samples_per_second"),
    "with infinity where anything may be": (lambda path: path.read_text().replace('"width": 32', '"width": 1e999'), "Out of range"),
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


def test_a_copy_of_a_record_is_no_second_run(tmp_path):
    path = save(record(), tmp_path)
    copy = path.with_name(f"{path.stem}-2.json")
    copy.write_bytes(path.read_bytes())
    records, (fault,) = shelf(tmp_path)
    assert records == [record()]
    assert "is the run of" in str(fault)


def test_a_file_too_large_to_be_a_record_is_not_read(tmp_path, monkeypatch):
    path = save(record(), tmp_path)
    monkeypatch.setattr("opbench.record.LARGEST", 1000)
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
