"""Is a record true? Its checkpoint is scored anew, or its training repeated, and every number compared."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from opbench.checkpoint import put_back, read
from opbench.errors import DataError, OpbenchError
from opbench.evaluation import evaluate, exact_convolutions
from opbench.find import names
from opbench.generation import Report
from opbench.model import Normalized
from opbench.planning import Planned, planned
from opbench.provenance import sha256
from opbench.recipe import datasets
from opbench.record import Record
from opbench.scoring import scores
from opbench.shelf import shelf
from opbench.train import WEIGHTS, Progress

TOLERANCE = 1e-3  # relative, of an error: another processor's float32 sums move one of 1e-2 by some 1e-5 of itself
SPREADS = 3.0  # standard deviations between seeds that a repeated training may lie from their mean


@dataclass(frozen=True)
class Finding:
    """One number of a record beside the one that was found; `spread` is what a training may differ by, None for a mere evaluation."""

    split: str
    metric: str
    recorded: float | None
    found: float | None
    tolerance: float
    spread: float | None = None

    @property
    def agrees(self) -> bool:
        if self.recorded is None or self.found is None:
            return self.recorded is self.found
        allowed = max(self.tolerance * abs(self.recorded), self.spread or 0.0)
        return abs(self.found - self.recorded) <= allowed

    def __str__(self) -> str:
        recorded, found = ("not finite" if value is None else f"{value:.6g}" for value in (self.recorded, self.found))
        return f"{'agrees ' if self.agrees else 'DIFFERS'} {self.split:6} {self.metric:18} recorded {recorded}, found {found}"


def verify(
    record: Record,
    weights: Path,
    *,
    model: str | None = None,
    task: str | None = None,
    data: str | Path | None = None,
    report: Report | None = None,
) -> list[Finding]:
    """Score a record's checkpoint on the data that the recipes make today: first the means, then the largest difference of any sample.

    model: the class of a record whose model is none of opbench's, as "file.py:Class": no other code of a submission is run.
    task: where the record's data are of a recipe of the user's own, as `evaluate` was given it: "recipe.toml" or "recipe.toml/kind".
    Raises what `checked` raises.
    """
    run = checked(record, weights, model=model, task=task)
    network, splits = restored(run, weights), run.splits(data, report)
    with exact_convolutions():
        scored = scores(run.chosen, network, splits, run.place, run.training.batch_size)
    return compared(record, scored)


def restored(run: Planned, weights: Path) -> Normalized:
    """The run's model with the weights of a checkpoint."""
    network = run.network()
    put_back(network, read(weights)[0], str(weights))
    return network


def compared(record: Record, scored: Mapping[str, Any]) -> list[Finding]:
    """The record's means beside those of `scores`, and the sample of each that differs most."""
    return _findings(record, scored["scores"], TOLERANCE) + _by_sample(record, scored["per_sample"])


def checked(
    record: Record,
    weights: Path,
    *,
    model: str | None = None,
    task: str | None = None,
    device: str | None = None,
    other_source: bool = False,
) -> Planned:
    """The record's run, where task, data, code and weights are those that it names; nothing is computed.

    device: instead of the record's. other_source: the model may be written otherwise today.

    Raises DataError where the record is of other data or the weights are not those that it names, OpbenchError and its kinds.
    """
    run = _planned(record, model, task, device, other_source)
    if not weights.is_file():
        raise DataError(f"{weights}: no checkpoint there; put the run's {WEIGHTS} there, or name its place with --weights")
    if record.weights_sha256 != sha256(weights):
        raise DataError(f"{weights}: is not the checkpoint that the record names (sha256 differs); bring the run's own")
    return run


def retrain(
    record: Record,
    siblings: Path,
    *,
    model: str | None = None,
    task: str | None = None,
    data: str | Path | None = None,
    report: Report | None = None,
    progress: Progress | None = None,
) -> list[Finding]:
    """Repeat a record's training in a folder that is gone afterwards.

    siblings: a folder of records; the runs there that differ from this one in their seed tell by how much a training may differ where the
    machine is another. Without two of them the numbers must agree as those of `verify` do.
    """
    _planned(record, model, task)  # what does not fit is told before hours of training
    with TemporaryDirectory() as scratch:
        again = evaluate(**_arguments(record, model, task), out=scratch, data=data, report=report, progress=progress, cost=False)
    runs = [other for other in shelf(siblings).records if other.configuration == record.configuration]
    return _findings(record, again.scores, TOLERANCE, runs)


def checkpoint(path: Path, record: Record) -> Path:
    """Where a record's weights lie when nobody says: beside its records/, in runs/<dataset>/<the record's name>/.

    Those of a repeated run may lie where its first run's were: there they were put once, each over the other.
    """
    runs = path.resolve().parents[2] / "runs" / record.dataset
    own, first = (runs / name / WEIGHTS for name in (path.resolve().stem, record.stem))
    if own != first and not own.exists() and first.is_file() and sha256(first) == record.weights_sha256:
        return first
    return own


def _arguments(record: Record, model: str | None, task: str | None, device: str | None = None) -> dict[str, Any]:
    """Those of `evaluate` that made a record."""
    return {
        "model": _model(record, model),
        "task": task or record.task,
        "loss": record.loss,
        "labels": record.labels or None,  # 0: the loss reads none
        "finetune": record.finetuned and record.finetuned.loss,
        "seed": record.seed,
        "settings": record.changes,
        "scale": record.scale,
        "device": device or record.machine.device.partition(":")[0],
    }


def _model(record: Record, model: str | None) -> str:
    """What is imported: a name of opbench's own, or what the user named; never a name that a record brings along."""
    if model is not None:
        return model
    if record.model in names("models"):
        return record.model
    raise OpbenchError(f"the record's model '{record.model}' is code of others: read it, then name it with --model path/to/file.py:Class")


def _planned(record: Record, model: str | None, task: str | None, device: str | None = None, other_source: bool = False) -> Planned:
    if task is None and record.dataset not in datasets():
        raise OpbenchError(f"the record's dataset '{record.dataset}' is none of opbench's: name its recipe with --task path/to/recipe.toml")
    run = planned(**_arguments(record, model, task, device))
    if run.about["task"] != record.task:
        raise DataError(f"{record.stem}: is of {record.task}, and {task} is {run.about['task']}; name that recipe and kind with --task")
    for key, kind in (("task_version", "the task"), ("data_fingerprint", "the data")):
        if run.about[key] != getattr(record, key):
            raise DataError(
                f"{record.stem}: {kind} changed since ({key} is {run.about[key]} today); verify it with opbench {record.opbench}"
            )
    same = ("settings", "training", "loss_settings", *(() if other_source else ("source_sha256",)))
    differing = [key for key in same if run.about[key] != getattr(record, key)]
    if differing:
        raise DataError(f"{record.stem}: the code that is here makes another {', '.join(differing)}; verify it with the run's own code")
    return run


def _findings(
    record: Record, found: Mapping[str, Mapping[str, float | None]], tolerance: float, runs: list[Record] | None = None
) -> list[Finding]:
    return [
        Finding(split, metric, value, found.get(split, {}).get(metric), tolerance, _spread(runs or [], split, metric))
        for split, metrics in record.scores.items()
        for metric, value in metrics.items()
    ]


def _spread(runs: list[Record], split: str, metric: str) -> float | None:
    """What the runs' seeds differ by; None of fewer than three."""
    values = [value for run in runs if (value := run.scores.get(split, {}).get(metric)) is not None]
    if len(values) < 3:
        return None
    mean = math.fsum(values) / len(values)
    return SPREADS * math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _by_sample(record: Record, found: Mapping[str, Mapping[str, list[float | None]]]) -> list[Finding]:
    """The sample of each split and metric whose two numbers differ most."""
    worst = []
    for split, metrics in record.per_sample.items():
        for metric, values in metrics.items():
            others = found.get(split, {}).get(metric, [])
            if len(others) != len(values):
                worst.append(Finding(split, f"{metric}, samples", len(values), len(others), 0.0))
                continue
            pairs = [Finding(split, f"{metric}, sample {i}", *pair, TOLERANCE) for i, pair in enumerate(zip(values, others, strict=True))]
            worst.append(max(pairs, key=lambda pair: (not pair.agrees, _difference(pair))))
    return worst


def _difference(finding: Finding) -> float:
    if finding.recorded is None or finding.found is None:
        return 0.0
    return abs(finding.found - finding.recorded) / (abs(finding.recorded) or 1.0)
