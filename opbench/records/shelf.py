"""Records as files: written, read, and all below some folders, with what is wrong with each that is edited, foreign or unlike its table."""

import json
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from opbench import find
from opbench.atomic import write_bytes
from opbench.config import printable, read_json, read_text, validate_json
from opbench.errors import ConfigError, DataError, OpbenchError
from opbench.records.badge import badge_of
from opbench.records.record import Record
from opbench.records.upgrades import NEWEST, upgraded


def shipped() -> Path:
    """Where the records that come with opbench lie."""
    return find.shipped("records", "leaderboards/records")


class Shelf(NamedTuple):
    """The records below some folders, oldest first, and what is wrong with each of the other files."""

    records: list[Record]
    faults: list[OpbenchError]


def save(record: Record, records: Path, name: str | None = None) -> Path:
    """Write records/<dataset>/<model>-<fingerprint>.json; an earlier record of the same run stays, the new one is numbered.

    name: instead, one that this run has to itself, see `opbench.evaluation.runs.claimed`.
    """
    stem, number = name or record.stem, 1
    while (path := records / record.dataset / (f"{stem}.json" if number == 1 else f"{stem}-{number}.json")).exists():
        number += 1
    write_bytes(path, (record.to_json() + "\n").encode())
    return path


def read_record(path: Path) -> Record:
    """Raises DataError for a file that is no record, or of a newer opbench, or renamed; ConfigError for one with faults."""
    record = _of_today(read_text(path, "record")) or _of_another_day(path)
    folder = path.absolute().parent.name
    if folder != record.dataset or not path.stem.startswith(record.stem):
        there = f"{folder}/{path.name}"
        raise DataError(f"{path}: expected {record.dataset}/{record.stem}.json by its content, got {there}; it was edited or renamed")
    return record


def _of_today(text: bytes) -> Record | None:
    """A record of today's schema that has no fault, as most have none: those are parsed once."""
    try:
        record = Record.model_validate_json(text)
    except ValidationError:
        return None
    return record if "schema_version" in record.model_fields_set else None


def _of_another_day(path: Path) -> Record:
    """A record of an earlier schema; raises what is wrong with any other file."""
    text, content = read_json(path, "record")
    if not isinstance(content, dict):
        raise DataError(f"{path}: is no record: expected a JSON object; remove it")
    version = content.get("schema_version")
    if type(version) is not int or version < 1:
        told = printable(repr(version))[:40]
        raise DataError(f"{path}: schema_version: expected a number from 1 to {NEWEST}, got {told}; it is foreign or was edited")
    if version > NEWEST:
        raise DataError(f"{path}: schema_version: expected {NEWEST} or less, got {version}, of a newer opbench; update opbench to read it")
    return validate_json(Record, text if version == NEWEST else json.dumps(upgraded(content)), str(path))


def shelf(*folders: Path) -> Shelf:
    """All that can be read. A file that repeats a run to its very date is no other run, and a fault unless it is another folder's copy."""
    held: dict[tuple[str, str], tuple[Path, Record]] = {}
    faults: list[OpbenchError] = []
    for path in sorted({path for folder in folders for path in folder.resolve().glob("*/*.json")}):
        try:
            record = read_record(path)
            run = (record.fingerprint, record.date)
            if run in held:
                first = held[run][0]
                if path.parents[1] != first.parents[1] and path.read_bytes() == first.read_bytes():
                    continue
                raise DataError(f"{path}: is the run of {first} again; remove one of them")
            held[run] = path, record
            record._badge = badge_of(path)
        except (ConfigError, DataError) as error:
            faults.append(error)
    kept, odd = _alike(held.values())
    return Shelf(sorted(kept, key=lambda record: record.date), [*faults, *odd])


def _alike(held: Iterable[tuple[Path, Record]]) -> tuple[list[Record], list[OpbenchError]]:
    """The records that agree with most of their table on what they cannot choose, and a fault for each of the others."""
    tables: dict[tuple, list[tuple[Path, Record]]] = {}
    for path, record in held:
        tables.setdefault((record.task, record.task_version, record.scale, record.data_fingerprint), []).append((path, record))
    kept, faults = [], []
    for entries in tables.values():
        entries.sort(key=lambda entry: entry[1].date)
        usual = {name: common(value for _, r in entries if (value := of(r)) is not None) for name, of in SHARED.items()}
        for path, record in entries:
            wrong = [(name, value) for name, of in SHARED.items() if (value := of(record)) not in (None, usual[name])]
            if wrong:
                told = "; ".join(f"{name}: expected {usual[name]} as in other records of its data, got {value}" for name, value in wrong)
                faults.append(DataError(f"{path}: {told}; it was edited, or is of other data than it says"))
            else:
                kept.append(record)
    return kept, faults


def _samples(record: Record) -> int | None:
    return next((len(values) for values in record.per_sample.get("test", {}).values()), None)


def _budget(record: Record) -> str | None:
    """Of a run that says that it kept to the task's."""
    own = ", ".join(f"{record.training.get(name)} {name}" for name in ("epochs", "batch_size"))
    return None if any(f"train.{name}" in record.changes for name in ("epochs", "batch_size")) else own


SHARED = {"samples of test": _samples, "budget without changes": _budget}


def common(values: Iterable[Hashable]) -> Hashable:
    """The value that most have, the earliest of several; None of none."""
    return next((value for value, _ in Counter(values).most_common(1)), None)


def read_records(*folders: Path) -> Iterator[Record]:
    """All records below the folders, oldest first. Raises the first fault of `shelf`."""
    records, faults = shelf(*folders)
    if faults:
        raise faults[0]
    yield from records
