"""A record: one training run and its scores, complete enough to repeat the run and to render every table."""

import json
import math
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, PrivateAttr, model_validator

from opbench.config import TAKEN, Frozen, Name, Sha256, digest
from opbench.records.badge import Badge

AGREE = 1e-6  # relative; a mean of printed numbers is the printed mean but for its last digits
KIND = r"^[^/]+/[A-Za-z_][A-Za-z_0-9]{0,29}$"
TOGETHER = "all fields"  # among the fields of an error floor, of which none has a blank in its name

Number = Annotated[float, Field(ge=-1e100, le=1e100)]  # beyond, sums overflow; no float32 error is there
Error = Annotated[float, Field(ge=0, le=1e100)]  # every metric is one, and so are seconds
Positive = Annotated[float, Field(ge=1e-30, le=1e30)]  # seconds and rates, which are divided by and drawn
Count = Annotated[int, Field(ge=0, lt=1 << 63)]
Label = Annotated[str, Field(min_length=1, max_length=200)]
Date = Annotated[
    str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(\+00:00|Z)$")
]  # in UTC, so that text sorts as time
Device = Annotated[str, Field(pattern=r"^(cpu|cuda)(:\d+)?$")]
Scale = Annotated[str, Field(pattern=r"^(mini|full)$")]
Scores = dict[str, dict[str, Error | None]]
Clock = Literal["processor", "wall"]
Way = Literal["alone", "batched"]
Scheme = Literal["finite_difference", "spectral", "sparse_lu"]
Track = Literal["closed", "open"]


def clock_of(device: str, threads: int) -> Clock:
    """The processor's own where one CPU thread does all the work, else the wall's.

    On a quiet core they agree; on a shared one only the first repeats.
    """
    return "processor" if device == "cpu" and threads == 1 else "wall"


class Machine(Frozen):
    """Where a run's seconds were spent; tf32: whether any float32 product was rounded to TF32."""

    device: Device
    name: Label
    threads: Count
    tf32: bool

    @property
    def kind(self) -> str:
        """Of device: cpu or cuda."""
        return self.device.partition(":")[0]

    @property
    def clock(self) -> Clock:
        return clock_of(self.device, self.threads)

    @property
    def words(self) -> str:
        return f"{self.device} ({self.name}, {self.threads} thread{'' if self.threads == 1 else 's'})"


class Spread(Frozen):
    """Of timings repeated in one run: the median and the quartiles around it."""

    median: Positive
    lower: Positive
    upper: Positive


class Speed(Frozen):
    """One way to run a trained model: seconds of a call with one sample, samples a second at the batch size that does most of them."""

    latency: Spread
    throughput: Spread
    batch_size: Annotated[int, Field(gt=0)]
    compile_seconds: Error | None = None


class Cost(Frozen):
    """What a trained model costs on the record's machine. A quantity that the machine does not tell is null, never 0.

    inference: by "eager" and "compiled"; not_compiled: why the latter is not there. clock: the processor's own where one CPU thread does
    all the work, else the wall's. noisy: whether the processor was taken away meanwhile, or timings scattered by more than a tenth.
    flops: of one sample's forward pass, by the formula in cost/flops.py. memory: peak bytes of inference at the best batch size, beside
    weights and inputs; training_memory: of a training step. joules: of one sample at that size. dtype: of inputs and outputs.
    layout: what decides speed in a model's own form, as it says itself.
    """

    inference: Annotated[dict[Literal["eager", "compiled"], Speed], Field(min_length=1)]
    not_compiled: Annotated[str, Field(max_length=400)] | None = None
    clock: Clock
    noisy: bool
    flops: Count
    memory: Count
    training_memory: Count | None = None
    joules: Error | None = None
    dtype: Label
    layout: dict[str, Label] = Field(default_factory=dict)

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
    order: Count | None
    points: tuple[Count, ...]
    tolerance: Positive | None
    error: Error
    seconds: Positive
    ratio: Positive
    break_even: Error | None = None

    @property
    def name(self) -> str:
        return rung_name(self.scheme, self.order, self.points, self.tolerance)


class Matched(Frozen):
    """The cheapest solve that errs no more than the model, on the model's machine, one sample alone and batched as the model is.

    error: the model's, mean relative L2 on test. alone, batched: null where no rung of the ladder errs as little.
    training_seconds, generation_seconds: what break_even sets against each solve, training and validation data counted.
    ladder: fingerprint of the ladder that the rungs are of; noisy: whether one of them was, or the model's cost.
    """

    error: Error
    alone: Match | None
    batched: Match | None
    training_seconds: Error
    generation_seconds: Error
    ladder: Sha256
    noisy: bool

    def match(self, way: Way) -> Match | None:
        return self.alone if way == "alone" else self.batched


class Rollout(Frozen):
    """Of a step task, a model that is fed its own output: means over samples at each time after the start.

    errors: by metric, one value a time. correlation_time: mean time until the correlation with the reference falls below 0.8, or all of it.
    stable: part of the samples that stay finite and bounded over `horizon` times the stored time. growth_rate: of the error's logarithm, a
    unit of time, by least squares.
    """

    times: tuple[Error, ...]
    errors: dict[str, tuple[Error | None, ...]]
    correlation_time: Error | None
    stable: Error
    horizon: Error
    growth_rate: Number | None

    @model_validator(mode="after")
    def _has_a_value_for_each_time(self) -> "Rollout":
        if list(self.times) != sorted(set(self.times)):
            raise ValueError("times: expected each later than the one before")
        if wrong := [name for name, values in self.errors.items() if len(values) != len(self.times)]:
            raise ValueError(f"errors: expected {len(self.times)} values, one a time, of {', '.join(wrong)}")
        return self


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
    before: dict[str, list[Error | None]]
    after: dict[str, list[Error | None]]
    floor: Error | None
    seconds: Error


class Trained(Frozen):
    """The code that trained what a record's scores are of, where later code has scored it anew."""

    date: Date
    source_sha256: Sha256
    opbench: str
    commit: str | None
    dirty: bool | None
    versions: dict[str, str | None]


DECIDED = {"task", "task_version", "scale", "data_fingerprint", "model", "settings", "source_sha256", "provenance", "loss", "training"}
# decided too, where a record says anything of them: earlier records keep their fingerprints
SINCE = {"loss_settings", "loss_source_sha256", "labels"}
BUDGET = {"train.epochs", "train.batch_size"}


class Record(Frozen):
    """Everything that a run depended on, and what came out. A number that is not finite is null, and the run's status says why.

    error_floor: the data's own, by split, field (and TOGETHER, of several), metric, and mean or max over samples.
    changes: what the user set beside the task's budget and the model's defaults.
    labels: training samples whose references were read, 0 where the loss reads none; None is all of them.
    loss_settings: those of the loss that differ from what a loss without settings does. loss_source_sha256: of the files that a loss of
    the user's own is written in.
    physics_floor[split]: what the task's equation leaves of the references themselves, beside the metric physics_residual.
    scores[split][metric] is the mean over samples, per_sample[split][metric] the list; of a step task, where a sample is a trajectory, of
    means over its steps. seconds: wall and processor
    time of training, and until the best validation error.
    rollouts: by split. tuned: trials of `opbench tune` that chose the settings; None where they are the defaults or the user's own.
    finetuned: what `--finetune` made of test samples.
    trained: of a record that `opbench rescore` made; date, source_sha256, opbench, commit, dirty and versions are then of the scoring.
    """

    schema_version: Literal[2] = 2
    date: Date
    command: str
    dataset: Name
    task: Annotated[str, Field(max_length=100, pattern=KIND)]
    task_version: Count
    scale: Scale
    data_fingerprint: Sha256
    data_sha256: dict[str, Sha256]
    error_floor: dict[str, dict[str, dict[str, dict[str, Error]]]]
    model: Label
    settings: dict[str, Any]
    changes: dict[str, Any]
    source_sha256: Sha256
    provenance: dict[str, str]
    parameters: Count
    loss: Label
    loss_settings: dict[str, Any] = Field(default_factory=dict)
    loss_source_sha256: Sha256 | None = None
    labels: Count | None = None
    training: dict[str, Any]
    seed: Count
    status: Literal["trained", "diverged", "fitted"]
    best_epoch: Count | None
    curve: list[tuple[Count, Number | None, Number | None]]
    scores: Scores
    per_sample: dict[str, dict[str, Annotated[list[Error | None], Field(min_length=1)]]]
    not_scored: dict[str, str]
    physics_floor: dict[str, Error | None] = Field(default_factory=dict)
    metric_versions: dict[str, int] = Field(default_factory=dict)
    rollouts: dict[str, Rollout] = Field(default_factory=dict)
    cost: Cost | None = None
    matched: Matched | None = None
    tuned: Count | None = None
    finetuned: Finetuned | None = None
    trained: Trained | None = None
    seconds: dict[str, Error]
    samples_per_second: Error | None
    opbench: str
    commit: str | None
    dirty: bool | None
    versions: dict[str, str | None]
    machine: Machine
    weights_sha256: Sha256 | None
    _badge: Badge | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _is_of_one_piece(self) -> "Record":
        """Raises ValueError where numbers contradict each other: somebody edited them."""
        second = self.finetuned and self.finetuned.loss_settings
        json.dumps([self.settings, self.changes, self.training, self.loss_settings, second], allow_nan=False)  # 1e999 is read as infinity
        if self.dataset.casefold() in TAKEN:
            raise ValueError(f"dataset is '{self.dataset}', as the leaderboards' own page is; rename it")
        if self.task.partition("/")[0] != self.dataset:
            raise ValueError(f"task is '{self.task}', and dataset '{self.dataset}'; expected <dataset>/<kind>")
        if missing := [name for name in ("training_wall", "training_cpu") if name not in self.seconds]:
            raise ValueError(f"seconds: expected {', '.join(missing)} too")
        for metric in self.scores.get("test", {}):
            if metric not in self.per_sample.get("test", {}):
                raise ValueError(f"per_sample.test: expected {metric} of every sample too, whose mean scores.test.{metric} is")
        for split, metrics in self.per_sample.items():
            if len(counts := {len(values) for values in metrics.values()}) > 1:
                raise ValueError(f"per_sample.{split}: expected as many samples of every metric, got {sorted(counts)}")
            for metric, values in metrics.items():
                mean, score = _mean(values), self.scores.get(split, {}).get(metric)
                if (mean is None) != (score is None) or not math.isclose(mean or 0.0, score or 0.0, rel_tol=AGREE):
                    raise ValueError(f"scores.{split}.{metric} is {score}, and the mean of per_sample.{split}.{metric} {mean}")
        return self

    @model_validator(mode="after")
    def _has_the_ratios_of_its_own_seconds(self) -> "Record":
        """Raises ValueError where a solver is said to be matched that its error or its seconds do not match."""
        if self.matched is None:
            return self
        error = self.scores.get("test", {}).get("relative_l2")
        if self.cost is None or error is None or not math.isclose(self.matched.error, error, rel_tol=AGREE):
            raise ValueError(f"matched.error is {self.matched.error}, and scores.test.relative_l2 {error}")
        for way in get_args(Way):
            match = self.matched.match(way)
            if match is None:
                continue
            ratio = match.seconds / self.cost.seconds(way)
            if match.error > error or not math.isclose(match.ratio, ratio, rel_tol=AGREE):
                told = f"got ratio {match.ratio}, error {match.error}"
                raise ValueError(f"matched.{way}: expected ratio {ratio:.6g} by its own seconds, and error {error:.6g} at most; {told}")
        return self

    @cached_property
    def configuration(self) -> str:
        """Equal for runs that differ in nothing but the seed (and where they ran)."""
        return digest(decided(self.model_dump(mode="json", include=DECIDED | SINCE)))

    @cached_property
    def fingerprint(self) -> str:
        return digest([self.configuration, self.seed])

    @property
    def stem(self) -> str:
        """Of the file's name and that of the run's folder, which are numbered where a run is repeated."""
        return f"{file_name(self.model)}-{self.fingerprint[:12]}"

    @property
    def training_seconds(self) -> float:
        """By the machine's clock."""
        return self.seconds["training_cpu" if self.machine.clock == "processor" else "training_wall"]

    @property
    def trained_at(self) -> str:
        """The date of the training, which scoring anew leaves as it is."""
        return (self.trained or self).date

    @property
    def track(self) -> Track:
        """ "closed" for a run under the task's own budget and on all labels that its loss reads, "open" for any other."""
        return "open" if BUDGET & self.changes.keys() or self.labels else "closed"

    @property
    def badge(self) -> Badge | None:
        """That somebody found its numbers too. Only `shelf` gives it, from a file beside the records: no record says so itself."""
        return self._badge

    def to_json(self) -> str:
        return json.dumps(self.model_dump(mode="json"), allow_nan=False, indent=1)


def decided(about: Mapping[str, Any]) -> dict[str, Any]:
    """What moves a run's numbers, beside its seed and the machine."""
    return {name: about[name] for name in DECIDED} | {name: about[name] for name in SINCE if about[name]}


def finite(value: float) -> float | None:
    """JSON has no NaN: what is not finite is null."""
    return value if math.isfinite(value) else None


def file_name(label: str) -> str:
    """A model's name as part of a file's."""
    return label.replace(":", ".").replace("/", ".")


def _mean(values: Iterable[float | None]) -> float | None:
    """None where one value is, and of none."""
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(list(values)) else None
