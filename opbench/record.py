"""A record: one training run and its scores, complete enough to repeat the run and to render every table."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from opbench.atomic import write_bytes
from opbench.config import Frozen, fingerprint, validate
from opbench.errors import DataError
from opbench.find import PACKAGE

Scores = dict[str, dict[str, float | None]]


class Machine(Frozen):
    """Where a run's seconds were spent; tf32: whether any float32 product was rounded to TF32."""

    device: str
    name: str
    threads: int
    tf32: bool


class Spread(Frozen):
    """Of timings repeated in one run: the median and the quartiles around it."""

    median: float
    lower: float
    upper: float


class Speed(Frozen):
    """One way to run a trained model: seconds of a call with one sample, samples a second at the batch size that does most of them."""

    latency: Spread
    throughput: Spread
    batch_size: int
    compile_seconds: float | None = None


class Cost(Frozen):
    """What a trained model costs on the record's machine. A quantity that the machine does not tell is null, never 0.

    inference: by "eager" and "compiled". flops: of one sample's forward pass, by opbench's formula. memory: peak bytes of inference at the
    best batch size; training_memory: of a training step. joules: of one sample at that size. noisy: whether the processor was taken away
    while it was timed. layout: what decides speed in a model's own form, as it says itself.
    """

    inference: dict[Literal["eager", "compiled"], Speed]
    flops: float | None = None
    memory: int | None = None
    training_memory: int | None = None
    joules: float | None = None
    noisy: bool
    layout: dict[str, str] = Field(default_factory=dict)


class Matched(Frozen):
    """The reference solver made exactly as wrong as the model, on the model's machine, batched as the model is.

    error: the model's, mean relative L2 on test. scheme, points, tolerance: the cheapest rung of the ladder that errs no more, and its own
    error, `solver_error`; `scheme` is null where none errs as much or as little. seconds: of one solve alone, seconds_batched: a sample in
    a batch. ratio: solver seconds over model seconds with one sample, ratio_batched: with full batches.
    break_even: solves at which training pays, data generation included; null where it never does.
    """

    error: float
    scheme: str | None
    points: tuple[int, ...] | None = None
    tolerance: float | None = None
    solver_error: float | None = None
    seconds: float | None = None
    seconds_batched: float | None = None
    ratio: float | None = None
    ratio_batched: float | None = None
    break_even: float | None = None


class Rollout(Frozen):
    """Of a step task, a model that is fed its own output: means over samples at each time after the start.

    errors: by metric, one value a time. correlation_time: mean time until the correlation with the reference falls below 0.8, or all of it.
    stable: part of the samples that stay finite and bounded over `horizon` times the stored time. growth_rate: of the error's logarithm, a
    unit of time, by least squares.
    """

    times: tuple[float, ...]
    errors: dict[str, tuple[float | None, ...]]
    correlation_time: float | None
    stable: float
    horizon: float
    growth_rate: float | None


class Finetuned(Frozen):
    """The first `samples` of test, each answered by weights of its own: the trained ones after `steps` steps on it alone by a loss that
    reads no reference.

    before, after: every metric, sample by sample; floor: what the equation leaves of these samples' references, on average. seconds: wall
    time of a sample, which is part of the cost of an answer.
    """

    loss: str
    loss_settings: dict[str, Any]
    samples: int
    steps: int
    learning_rate: float
    clip: float
    before: dict[str, list[float | None]]
    after: dict[str, list[float | None]]
    floor: float | None
    seconds: float


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
    dataset: str
    task: str
    task_version: int
    scale: str
    data_fingerprint: str
    data_sha256: dict[str, str]
    error_floor: dict[str, dict[str, Any]]
    model: str
    settings: dict[str, Any]
    changes: dict[str, Any]
    source_sha256: str
    provenance: dict[str, str]
    parameters: int
    loss: str
    loss_settings: dict[str, Any] = Field(default_factory=dict)
    labels: int | None = None
    training: dict[str, Any]
    seed: int
    status: Literal["trained", "diverged", "fitted"]
    best_epoch: int | None
    curve: list[tuple[int, float | None, float | None]]
    scores: Scores
    per_sample: dict[str, dict[str, list[float | None]]]
    not_scored: dict[str, str]
    physics_floor: dict[str, float | None] = Field(default_factory=dict)
    metric_versions: dict[str, int] = Field(default_factory=dict)
    rollouts: dict[str, Rollout] = Field(default_factory=dict)
    cost: Cost | None = None
    matched: Matched | None = None
    tuned: int | None = None
    finetuned: Finetuned | None = None
    seconds: dict[str, float]
    samples_per_second: float | None
    opbench: str
    commit: str | None
    dirty: bool | None
    versions: dict[str, str | None]
    machine: Machine
    weights_sha256: str | None

    @property
    def configuration(self) -> str:
        """Equal for runs that differ in nothing but the seed (and where they ran)."""
        return fingerprint(decided(self.model_dump(mode="json")))

    @property
    def fingerprint(self) -> str:
        return fingerprint([self.configuration, self.seed])

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


def finite(value: float) -> float | None:
    """JSON has no NaN: what is not finite is null."""
    return value if math.isfinite(value) else None


def save(record: Record, records: Path) -> Path:
    """Write records/<dataset>/<model>-<fingerprint>.json; an earlier record of the same run stays, the new one is numbered."""
    stem, number = f"{file_name(record.model)}-{record.fingerprint[:12]}", 1
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


def read_records(*folders: Path) -> Iterator[Record]:
    """All records below the folders, oldest first. Raises DataError for a file that is none."""
    found = []
    for path in sorted({path for folder in folders for path in folder.resolve().glob("*/*.json")}):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: is no JSON record ({error}); remove it or restore it") from error
        found.append(validate(Record, upgraded(content), str(path)))
    yield from sorted(found, key=lambda record: record.date)
