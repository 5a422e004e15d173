"""A record: one training run and its scores, complete enough to repeat the run and to render every table."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, model_validator
from pydantic_core import from_json

from opbench.atomic import write_bytes
from opbench.config import Frozen, fingerprint, validate_json
from opbench.errors import ConfigError, DataError, OpbenchError
from opbench.find import PACKAGE

LARGEST = 1 << 26  # bytes of a file that may be a record; one of 10,000 samples has a tenth
AGREE = 1e-6  # relative; a mean of printed numbers is the printed mean but for its last digits
NAME = r"^[^./\\\x00-\x1f][^/\\\x00-\x1f]*$"  # a file's name below a folder, and never a path out of it

Number = Annotated[float, Field(ge=-1e100, le=1e100)]  # beyond, sums overflow; no float32 error is there
Count = Annotated[int, Field(ge=0, lt=1 << 63)]
Label = Annotated[str, Field(min_length=1, max_length=200)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Scores = dict[str, dict[str, Number | None]]


class Machine(Frozen):
    """Where a run's seconds were spent; tf32: whether any float32 product was rounded to TF32."""

    device: str
    name: str
    threads: int
    tf32: bool


class Spread(Frozen):
    """Of timings repeated in one run: the median and the quartiles around it."""

    median: Number
    lower: Number
    upper: Number


class Speed(Frozen):
    """One way to run a trained model: seconds of a call with one sample, samples a second at the batch size that does most of them."""

    latency: Spread
    throughput: Spread
    batch_size: int
    compile_seconds: Number | None = None


class Cost(Frozen):
    """What a trained model costs on the record's machine. A quantity that the machine does not tell is null, never 0.

    inference: by "eager" and "compiled". flops: of one sample's forward pass, by opbench's formula. memory: peak bytes of inference at the
    best batch size; training_memory: of a training step. joules: of one sample at that size. noisy: whether the processor was taken away
    while it was timed. layout: what decides speed in a model's own form, as it says itself.
    """

    inference: dict[Literal["eager", "compiled"], Speed]
    flops: Number | None = None
    memory: int | None = None
    training_memory: int | None = None
    joules: Number | None = None
    noisy: bool
    layout: dict[str, str] = Field(default_factory=dict)


class Matched(Frozen):
    """The reference solver made exactly as wrong as the model, on the model's machine, batched as the model is.

    error: the model's, mean relative L2 on test. scheme, points, tolerance: the cheapest rung of the ladder that errs no more, and its own
    error, `solver_error`; `scheme` is null where none errs as much or as little. seconds: of one solve alone, seconds_batched: a sample in
    a batch. ratio: solver seconds over model seconds with one sample, ratio_batched: with full batches.
    break_even: solves at which training pays, data generation included; null where it never does.
    """

    error: Number
    scheme: str | None
    points: tuple[int, ...] | None = None
    tolerance: Number | None = None
    solver_error: Number | None = None
    seconds: Number | None = None
    seconds_batched: Number | None = None
    ratio: Number | None = None
    ratio_batched: Number | None = None
    break_even: Number | None = None


class Rollout(Frozen):
    """Of a step task, a model that is fed its own output: means over samples at each time after the start.

    errors: by metric, one value a time. correlation_time: mean time until the correlation with the reference falls below 0.8, or all of it.
    stable: part of the samples that stay finite and bounded over `horizon` times the stored time. growth_rate: of the error's logarithm, a
    unit of time, by least squares.
    """

    times: tuple[Number, ...]
    errors: dict[str, tuple[Number | None, ...]]
    correlation_time: Number | None
    stable: Number
    horizon: Number
    growth_rate: Number | None


class Finetuned(Frozen):
    """The first `samples` of test, each answered by weights of its own: the trained ones after `steps` steps on it alone by a loss that
    reads no reference.

    before, after: every metric, sample by sample; floor: what the equation leaves of these samples' references, on average. seconds: wall
    time of a sample, which is part of the cost of an answer.
    """

    loss: Label
    loss_settings: dict[str, Any]
    samples: Count
    steps: Count
    learning_rate: Number
    clip: Number
    before: dict[str, list[Number | None]]
    after: dict[str, list[Number | None]]
    floor: Number | None
    seconds: Number


DECIDED = {"task", "task_version", "scale", "data_fingerprint", "model", "settings", "source_sha256", "provenance", "loss", "training"}
SINCE = {"loss_settings", "labels"}  # decided too, where a record says anything of them: earlier records keep their fingerprints


class Record(Frozen):
    """Everything that a run depended on, and what came out. A number that is not finite is null, and the run's status says why.

    changes: what the user set beside the task's budget and the model's defaults.
    labels: training samples whose references were read, 0 where the loss reads none; None is all of them.
    loss_settings: those of the loss that differ from what a loss without settings does.
    physics_floor[split]: what the task's equation leaves of the references themselves, beside the metric physics_residual.
    scores[split][metric] is the mean over samples, per_sample[split][metric] the list. seconds are wall and processor time.
    rollouts: by split. tuned: trials of `opbench tune` that chose the settings; None where they are the defaults or the user's own.
    finetuned: what `--finetune` made of test samples.
    """

    schema_version: Literal[2] = 2
    date: str
    command: str
    dataset: Annotated[str, Field(max_length=100, pattern=NAME)]
    task: Label
    task_version: Count
    scale: Label
    data_fingerprint: Sha256
    data_sha256: dict[str, Sha256]
    error_floor: dict[str, dict[str, dict[str, dict[str, Number]]]]
    model: Label
    settings: dict[str, Any]
    changes: dict[str, Any]
    source_sha256: Sha256
    provenance: dict[str, str]
    parameters: Count
    loss: Label
    loss_settings: dict[str, Any] = Field(default_factory=dict)
    labels: Count | None = None
    training: dict[str, Any]
    seed: Count
    status: Literal["trained", "diverged", "fitted"]
    best_epoch: Count | None
    curve: list[tuple[Count, Number | None, Number | None]]
    scores: Scores
    per_sample: dict[str, dict[str, list[Number | None]]]
    not_scored: dict[str, str]
    physics_floor: dict[str, Number | None] = Field(default_factory=dict)
    metric_versions: dict[str, int] = Field(default_factory=dict)
    rollouts: dict[str, Rollout] = Field(default_factory=dict)
    cost: Cost | None = None
    matched: Matched | None = None
    tuned: Count | None = None
    finetuned: Finetuned | None = None
    seconds: dict[str, Number]
    samples_per_second: Number | None
    opbench: str
    commit: str | None
    dirty: bool | None
    versions: dict[str, str | None]
    machine: Machine
    weights_sha256: Sha256 | None

    @model_validator(mode="after")
    def _is_of_one_piece(self) -> "Record":
        """Raises ValueError where numbers contradict each other: somebody edited them."""
        json.dumps([self.settings, self.changes, self.training, self.loss_settings], allow_nan=False)  # 1e999 is read as infinity
        if not self.task.startswith(f"{self.dataset}/"):
            raise ValueError(f"task is '{self.task}', and dataset '{self.dataset}'")
        for split, metrics in self.per_sample.items():
            for metric, values in metrics.items():
                mean, score = _mean(values), self.scores.get(split, {}).get(metric)
                if (mean is None) != (score is None) or not math.isclose(mean or 0.0, score or 0.0, rel_tol=AGREE):
                    raise ValueError(f"scores.{split}.{metric} is {score}, and the mean of per_sample.{split}.{metric} {mean}")
        return self

    @cached_property
    def configuration(self) -> str:
        """Equal for runs that differ in nothing but the seed (and where they ran)."""
        return fingerprint(decided(self.model_dump(mode="json", include=DECIDED | SINCE)))

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint([self.configuration, self.seed])

    @property
    def stem(self) -> str:
        """Of the file's name, and the name of the run's folder."""
        return f"{file_name(self.model)}-{self.fingerprint[:12]}"

    def to_json(self) -> str:
        return json.dumps(self.model_dump(mode="json"), allow_nan=False, indent=1)


def decided(about: Mapping[str, Any]) -> dict[str, Any]:
    """What moves a run's numbers, beside its seed and the machine."""
    return {name: about[name] for name in DECIDED} | {name: about[name] for name in SINCE if about[name]}


def upgraded(content: Any) -> Any:
    """A record's JSON of an earlier schema as today's, one version at a time; what is newer or no record stays as it is."""
    while isinstance(content, dict) and (change := UPGRADES.get(content.get("schema_version", 0))):
        content = change(content)
    return content


def _to_2(content: dict[str, Any]) -> dict[str, Any]:
    """What version 2 adds was not measured before it."""
    return content | {"schema_version": 2}


UPGRADES = {1: _to_2}
NEWEST = max(UPGRADES) + 1


def finite(value: float) -> float | None:
    """JSON has no NaN: what is not finite is null."""
    return value if math.isfinite(value) else None


def save(record: Record, records: Path) -> Path:
    """Write records/<dataset>/<model>-<fingerprint>.json; an earlier record of the same run stays, the new one is numbered."""
    stem, number = record.stem, 1
    while (path := records / record.dataset / (f"{stem}.json" if number == 1 else f"{stem}-{number}.json")).exists():
        number += 1
    write_bytes(path, (record.to_json() + "\n").encode())
    return path


def file_name(label: str) -> str:
    """A model's name as part of a file's."""
    return label.replace(":", ".").replace("/", ".")


def shipped() -> Path:
    """Where the records that come with opbench lie: the wheel's copy, or the checkout's leaderboards/records."""
    copy = PACKAGE / "shipped" / "records"
    return copy if copy.is_dir() else PACKAGE.parent / "leaderboards" / "records"


def read_record(path: Path) -> Record:
    """Raises DataError for a file that is no record, or of a newer opbench, or renamed; ConfigError for one with faults."""
    try:
        if path.stat().st_size > LARGEST:
            raise DataError(f"{path}: expected a record, of at most {LARGEST >> 20} MiB, got {path.stat().st_size >> 20}; remove it")
        text = path.read_bytes()
        content = from_json(text, allow_inf_nan=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: is no JSON record ({error}); remove it or restore it") from error
    version = content.get("schema_version", 0) if isinstance(content, dict) else 0
    if isinstance(version, int) and version > NEWEST:
        raise DataError(f"{path}: schema_version: expected {NEWEST} or less, got {version}, of a newer opbench; update opbench to read it")
    record = validate_json(Record, text if version == NEWEST else json.dumps(upgraded(content)), str(path))
    if path.parent.name != record.dataset or not path.stem.startswith(record.stem):
        there = f"{path.parent.name}/{path.name}"
        raise DataError(f"{path}: expected {record.dataset}/{record.stem}.json by its content, got {there}; it was edited or renamed")
    return record


class Shelf(NamedTuple):
    """The records below some folders, oldest first, and what is wrong with each of the other files."""

    records: list[Record]
    faults: list[OpbenchError]


def shelf(*folders: Path) -> Shelf:
    """All that can be read. A file that repeats a run to its very date is no other run, and a fault."""
    held, faults = {}, []
    for path in sorted({path for folder in folders for path in folder.resolve().glob("*/*.json")}):
        try:
            record = read_record(path)
            run = (record.fingerprint, record.date)
            if run in held:
                raise DataError(f"{path}: is the run of {held[run][0]} again; remove one of them")
            held[run] = path, record
        except (ConfigError, DataError) as error:
            faults.append(error)
    return Shelf(sorted((record for _, record in held.values()), key=lambda record: record.date), faults)


def read_records(*folders: Path) -> Iterator[Record]:
    """All records below the folders, oldest first. Raises the first fault of `shelf`."""
    records, faults = shelf(*folders)
    if faults:
        raise faults[0]
    yield from records


def _mean(values: Iterable[float | None]) -> float | None:
    """None where one value is, and of none."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(list(values)) else None
