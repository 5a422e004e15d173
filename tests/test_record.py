"""Records: nothing overwritten, nothing unreadable, one fingerprint per run."""

import json

import pytest

from opbench.errors import ConfigError, DataError
from opbench.record import DECIDED, Machine, Record, read_records, save
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


@pytest.mark.parametrize(("content", "message"), [("{", "is no JSON record"), ('{"seed": 1}', "model: Field required")])
def test_a_file_that_is_no_record_is_named(tmp_path, content, message):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.json").write_text(content)
    with pytest.raises((DataError, ConfigError), match=message) as told:
        list(read_records(tmp_path))
    assert "a.json" in str(told.value)


def test_records_of_a_newer_schema_are_refused(tmp_path):
    content = json.loads(record().to_json()) | {"schema_version": 99}
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match="schema_version"):
        list(read_records(tmp_path))


def test_a_record_that_cannot_be_written_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match="No space left"):
        save(record(), tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
