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
Clock = Literal["processor", "wall"]
Way = Literal["alone", "batched"]
Scheme = Literal["finite_difference", "spectral", "sparse_lu"]


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

    inference: by "eager" and "compiled"; not_compiled: why the latter is not there. clock: the processor's own where one CPU thread does
    all the work, else the wall's. noisy: whether the processor was taken away meanwhile, or timings scattered by more than a tenth.
    flops: of one sample's forward pass, by the formula in opbench.flops. memory: peak bytes of inference at the best batch size, beside
    weights and inputs; training_memory: of a training step. joules: of one sample at that size. dtype: of inputs and outputs.
    layout: what decides speed in a model's own form, as it says itself.
    """

    inference: dict[Literal["eager", "compiled"], Speed]
    not_compiled: str | None = None
    clock: Clock
    noisy: bool
    flops: int
    memory: int
    training_memory: int | None = None
    joules: float | None = None
    dtype: str
    layout: dict[str, str] = Field(default_factory=dict)

    def seconds(self, way: Way) -> float:
        """Of a sample, by the faster of eager and compiled: alone, or in a full batch."""
        if way == "alone":
            return min(speed.latency.median for speed in self.inference.values())
        return 1 / max(speed.throughput.median for speed in self.inference.values())


def rung_name(scheme: Scheme, order: int | None, points: tuple[int, ...], tolerance: float | None) -> str:
    """A rung as tables call it."""
    how = {"finite_difference": f"order {order}", "spectral": "spectral", "sparse_lu": f"order {order} by sparse LU"}[scheme]
    return f"{how}, {' x '.join(map(str, points))}{'' if tolerance is None else f', tolerance {tolerance:.0e}'}"


class Match(Frozen):
    """The cheapest solve that errs no more than a model: which rung of the ladder, and its own error.

    seconds: of a sample. ratio: solver seconds over model seconds, below 1 where the solver is faster. break_even: solves after which
    training, with the data generated for it, has paid; null where it never does.
    """

    scheme: Scheme
    order: int | None
    points: tuple[int, ...]
    tolerance: float | None
    error: float
    seconds: float
    ratio: float
    break_even: float | None = None

    @property
    def name(self) -> str:
        return rung_name(self.scheme, self.order, self.points, self.tolerance)


class Matched(Frozen):
    """The reference solver made as wrong as the model, on the model's machine, one sample alone and batched as the model is.

    error: the model's, mean relative L2 on test. alone, batched: null where no rung of the ladder errs as little.
    training_seconds, generation_seconds: what break_even sets against each solve, training and validation data counted.
    ladder: fingerprint of the ladder that the rungs are of; noisy: whether it was.
    """

    error: float
    alone: Match | None
    batched: Match | None
    training_seconds: float
    generation_seconds: float
    ladder: str
    noisy: bool


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


DECIDED = {"task", "task_version", "scale", "data_fingerprint", "model", "settings", "source_sha256", "provenance", "loss", "training"}
SINCE = {"loss_settings", "labels"}  # decided too, where a record says anything of them: earlier records keep their fingerprints


class Record(Frozen):
    """Everything that a run depended on, and what came out. A number that is not finite is null, and the run's status says why.

    changes: what the user set beside the task's budget and the model's defaults.
    labels: training samples whose references were read; None is all of them, or none where the loss reads none.
    loss_settings: those of the loss that differ from what a loss without settings does.
    physics_floor[split]: what the task's equation leaves of the references themselves, beside the metric physics_residual.
    scores[split][metric] is the mean over samples, per_sample[split][metric] the list. seconds: wall and processor time of training, and
    until the best validation error.
    rollouts: by split. tuned: trials of `opbench tune` that chose the settings; None where they are the defaults or the user's own.
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
