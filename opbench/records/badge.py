"""Badges: that somebody beside its author found a record's numbers too.

That of records/<dataset>/<name>.json is the file verified/<dataset>/<name>.json beside records/. It names the record's file by its sha256,
so that a record that is edited loses it.
"""

import datetime
from pathlib import Path
from typing import Literal

from opbench.atomic import write_bytes
from opbench.config import Frozen, Sha256, read_json, validate_json
from opbench.provenance import commit, machine, sha256
from opbench.version import __version__

FOLDER = "verified"
Repeated = Literal["scored", "retrained"]


class Badge(Frozen):
    """repeated: whether the checkpoint was scored anew, or the training repeated beside that; by which code, when and where."""

    record_sha256: Sha256
    repeated: Repeated
    date: str
    opbench: str
    commit: str | None
    dirty: bool | None
    machine: str

    def __str__(self) -> str:
        return f"{self.repeated} on {self.date[:10]} by commit {(self.commit or 'unknown')[:12]} on {self.machine}"


def badge_of(record: Path) -> Badge | None:
    """Of the file of a record; None where there is no badge, or one of other content. Raises ConfigError or DataError for a faulty one."""
    return _held(_place(record, record.parents[2]), record)


def award(record: Path, repeated: Repeated, device: str, leaderboards: Path) -> Path:
    """Write the badge of a record whose numbers agreed when they were computed on `device`; one of a repeated training stays.

    Returns its path; raises DataError.
    """
    path = _place(record, leaderboards)
    held = _held(path, record)
    if held is None or held.repeated == "scored":
        (head, dirty), there = commit(), machine(device)
        badge = Badge(
            record_sha256=sha256(record),
            repeated=repeated,
            date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            opbench=__version__,
            commit=head,
            dirty=dirty,
            machine=f"{there['device']} ({there['name']}, {there['threads']} threads)",
        )
        write_bytes(path, (badge.model_dump_json(indent=1) + "\n").encode())
    return path


def _place(record: Path, leaderboards: Path) -> Path:
    return leaderboards / FOLDER / record.absolute().parent.name / record.name


def _held(path: Path, record: Path) -> Badge | None:
    if not path.exists():
        return None
    text, _ = read_json(path, "badge")
    badge = validate_json(Badge, text, str(path))
    return badge if badge.record_sha256 == sha256(record) else None
