"""The records below some folders, and what is wrong with each other file: edited, foreign, or unlike the rest of its table."""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from opbench import find
from opbench.badge import badge_of
from opbench.errors import ConfigError, DataError, OpbenchError
from opbench.record import Record, read_record


def shipped() -> Path:
    """Where the records that come with opbench lie."""
    return find.shipped("records", "leaderboards/records")


class Shelf(NamedTuple):
    """The records below some folders, oldest first, and what is wrong with each of the other files."""

    records: list[Record]
    faults: list[OpbenchError]


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
