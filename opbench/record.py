"""A record: one training run and its scores, complete enough to repeat the run and to render every table."""

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from opbench.config import Frozen, fingerprint, validate
from opbench.errors import DataError
from opbench.find import PACKAGE

Scores = dict[str, dict[str, float | None]]


class Record(Frozen):
    """Everything that a run depended on, and what came out. A number that is not finite is null, and the run's status says why.

    scores[split][metric] is the mean over samples, per_sample[split][metric] the list. seconds are wall and processor time.
    """

    schema_version: Literal[1] = 1
    date: str
    command: str
    dataset: str
    task: str
    task_version: int
    scale: str
    data_fingerprint: str
    data_sha256: dict[str, str]
    error_floor: dict[str, dict[str, Any]]
    model: str
    settings: dict[str, Any]
    source_sha256: str
    provenance: dict[str, str]
    parameters: int
    loss: str
    training: dict[str, Any]
    seed: int
    status: Literal["trained", "diverged", "fitted"]
    best_epoch: int | None
    curve: list[tuple[int, float | None, float | None]]
    scores: Scores
    per_sample: dict[str, dict[str, list[float | None]]]
    not_scored: dict[str, str]
    seconds: dict[str, float]
    opbench: str
    commit: str | None
    dirty: bool | None
    versions: dict[str, str | None]
    machine: dict[str, Any]
    weights_sha256: str | None

    @property
    def configuration(self) -> str:
        """Equal for runs that differ in nothing but the seed (and where they ran)."""
        decided = {"task", "task_version", "scale", "data_fingerprint", "model", "settings", "source_sha256", "loss", "training"}
        return fingerprint(self.model_dump(mode="json", include=decided))

    @property
    def fingerprint(self) -> str:
        return fingerprint([self.configuration, self.seed])

    def to_json(self) -> str:
        return json.dumps(self.model_dump(mode="json"), allow_nan=False, indent=1)


def finite(value: float) -> float | None:
    """JSON has no NaN: what is not finite is null."""
    return value if math.isfinite(value) else None


def save(record: Record, records: Path) -> Path:
    """Write records/<dataset>/<model>-<fingerprint>.json; an earlier record of the same run stays, the new one is numbered."""
    stem = f"{record.model.replace(':', '.').replace('/', '.')}-{record.fingerprint[:12]}"
    folder = records / record.dataset
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f".{stem}.{os.getpid()}.part"
    try:
        with aside.open("w", encoding="utf-8") as f:
            f.write(record.to_json() + "\n")
            f.flush()
            os.fsync(f.fileno())
        number = 1
        while True:
            path = folder / (f"{stem}.json" if number == 1 else f"{stem}-{number}.json")
            try:
                os.link(aside, path)  # fails, rather than overwrites, where the name is taken
                return path
            except FileExistsError:
                number += 1
    except OSError as error:
        raise DataError(f"{folder}: the record could not be written: {error.strerror}; free some space or choose another --out") from error
    finally:
        aside.unlink(missing_ok=True)


def shipped() -> Path:
    """Where the records that come with opbench lie: the wheel's copy, or the checkout's leaderboards/records."""
    copy = PACKAGE / "shipped" / "records"
    return copy if copy.is_dir() else PACKAGE.parent / "leaderboards" / "records"


def read_records(*folders: Path) -> Iterator[Record]:
    """All records below the folders, oldest first. Raises DataError for a file that is none."""
    found = []
    for path in sorted({path for folder in folders for path in folder.resolve().glob("*/*.json")}):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: is no JSON record ({error}); remove it or restore it") from error
        found.append(validate(Record, content, str(path)))
    yield from sorted(found, key=lambda record: record.date)
