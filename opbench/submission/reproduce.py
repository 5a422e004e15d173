"""Is a record true? Its checkpoint is scored anew, or its training repeated, and every number of `PARTS` compared."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from opbench.checkpoint import put_back, read
from opbench.config import printable
from opbench.data.generation import Report
from opbench.data.recipe import datasets
from opbench.errors import DataError, OpbenchError
from opbench.evaluation.evaluate import evaluate, exact_convolutions
from opbench.evaluation.planning import Planned, planned
from opbench.evaluation.scoring import HEADLINE, scores
from opbench.find import names
from opbench.metrics import versions
from opbench.model import Normalized
from opbench.provenance import sha256
from opbench.records.record import Record
from opbench.records.shelf import shelf
from opbench.train import WEIGHTS, Progress

TOLERANCE = 1e-3  # relative, of an error: another processor's float32 sums move one of 1e-2 by some 1e-5 of itself, rolled out or not
FLOOR = 1e-2  # relative, of what an equation leaves of its references: float32 rounding of these moves the smallest by 2e-3
ROUNDED = 1e-6  # of a field's size: a total in float32 is known so well, and another processor sums in another order
SLOPE = 3.0  # times 1/span: the most that a slope by least squares over equally spaced times moves by, where each value does by 1 at most
SPREADS = 3.0  # standard deviations between seeds that a repeated training may lie from their mean
PARTS = ("parameters", "scores", "per_sample", "physics_floor", "rollouts")  # of a record: all that is compared
ROLLED = ("correlation_time", "stable", "horizon", "growth_rate")
LEFT_OUT, EARLIER, GONE = "left out", "made before it was measured", "none"

ROOMS = {"model": "models", "loss": "losses"}

Value = float | str | None  # None is not finite; a word says why there is no number
Values = Sequence[float | None] | str  # one or several; a word says why there are none
Key = tuple[str, str, str]  # split, what is measured, and whereof where that is not the whole split: "sample {}" of several


@dataclass(frozen=True)
class Finding:
    """One number of a record beside the one that was found; `spread` is what it may differ by where `tolerance`, relative, allows less."""

    split: str
    metric: str
    recorded: Value
    found: Value
    tolerance: float
    spread: float | None = None

    @property
    def earlier(self) -> bool:
        """Whether the record says that it is older than what is measured here, so that there is nothing to compare."""
        return self.recorded == EARLIER

    @property
    def agrees(self) -> bool:
        if isinstance(self.recorded, float | int) and isinstance(self.found, float | int):
            return abs(self.found - self.recorded) <= max(self.tolerance * abs(self.recorded), self.spread or 0.0)
        return self.earlier or self.recorded is self.found is None

    def __str__(self) -> str:
        word = "is new " if self.earlier else "agrees " if self.agrees else "DIFFERS"
        return f"{word} {self.split:6} {self.metric:18} recorded {_shown(self.recorded)}, found {_shown(self.found)}"


def _shown(value: Value) -> str:
    if value is None:
        return "not finite"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def verify(
    record: Record,
    weights: Path,
    *,
    model: str | None = None,
    loss: str | None = None,
    task: str | None = None,
    data: str | Path | None = None,
    report: Report | None = None,
) -> list[Finding]:
    """Score a record's checkpoint on the data that the recipes make today: all numbers of `PARTS`, of samples and of times the one that
    differs most; and what is measured today and the record leaves out.

    model, loss: the class of a record whose model or loss is none of opbench's, as "file.py:Class": no other code of a submission is run.
    task: where the record's data are of a recipe of the user's own, as `evaluate` was given it: "recipe.toml" or "recipe.toml/kind".
    Raises what `checked` raises.
    """
    run = checked(record, weights, model=model, loss=loss, task=task)
    network, splits = restored(run, weights), run.splits(data, report)
    with exact_convolutions():
        scored = scores(run.chosen, network, splits, run.place, run.training.batch_size)
    recorded, found = _parts(record), scored | {"parameters": run.about["parameters"]}
    return compared(recorded, found) + left_out(record, found)


def restored(run: Planned, weights: Path) -> Normalized:
    """The run's model with the weights of a checkpoint."""
    network = run.network()
    put_back(network, read(weights)[0], str(weights))
    return network


def compared(recorded: Mapping[str, Any], scored: Mapping[str, Any], runs: Sequence[Record] = ()) -> list[Finding]:
    """Every number that is recorded beside the one that was found; both are some of a record's `PARTS`.

    runs: those by whose seeds it may differ, where they are three or more.
    """
    found, allowed, others = _numbers(scored), _allowed(scored), [_numbers(_parts(run)) for run in runs]
    findings = []
    for key, values in _numbers(recorded).items():
        theirs = [held for numbers in others if len(held := numbers.get(key, ())) == len(values)]
        findings.append(_finding(key, values, found.get(key, GONE), allowed.get(key, 0.0), theirs))
    return findings


def left_out(record: Record, scored: Mapping[str, Any]) -> list[Finding]:
    """What was found and the record does not tell of, be it that it says of a metric that it was made before there was one."""
    recorded = _numbers(_parts(record))
    new = versions().keys() - record.metric_versions.keys() - {metric for _, metric, _ in recorded}
    missing = [(key, values) for key, values in _numbers(scored).items() if key not in recorded]
    return [_finding(key, EARLIER if key[1] in new else LEFT_OUT, values) for key, values in missing]


def _parts(record: Record) -> dict[str, Any]:
    return {name: getattr(record, name) for name in PARTS}


def checked(
    record: Record,
    weights: Path,
    *,
    model: str | None = None,
    loss: str | None = None,
    task: str | None = None,
    device: str | None = None,
    other_source: bool = False,
) -> Planned:
    """The record's run, where task, data, code and weights are those that it names; nothing is computed.

    device: instead of the record's. other_source: the model may be written otherwise today.

    Raises DataError where the record is of other data or the weights are not those that it names, OpbenchError and its kinds.
    """
    run = _planned(record, model, loss, task, device, other_source)
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
    loss: str | None = None,
    task: str | None = None,
    data: str | Path | None = None,
    report: Report | None = None,
    progress: Progress | None = None,
) -> list[Finding]:
    """Repeat a record's training in a folder that is gone afterwards.

    siblings: a folder of records; the runs there that differ from this one in their seed tell by how much a training may differ where the
    machine is another. Without two of them the numbers must agree as those of `verify` do.
    """
    _planned(record, model, loss, task)  # what does not fit is told before hours of training
    with TemporaryDirectory() as scratch:
        again = evaluate(**_arguments(record, model, loss, task), out=scratch, data=data, report=report, progress=progress, cost=False)
    runs = [other for other in shelf(siblings).records if other.configuration == record.configuration]
    recorded = {name: value for name, value in _parts(record).items() if name != "per_sample"}
    return compared(recorded, _parts(again), runs) + left_out(record, _parts(again))


def checkpoint(path: Path, record: Record) -> Path:
    """Where a record's weights lie when nobody says: beside its records/, in runs/<dataset>/<the record's name>/.

    Those of a repeated run may lie where its first run's were: there they were put once, each over the other.
    """
    runs = path.resolve().parent.parent.parent / "runs" / record.dataset
    own, first = (runs / name / WEIGHTS for name in (path.resolve().stem, record.stem))
    if own != first and not own.exists() and first.is_file() and sha256(first) == record.weights_sha256:
        return first
    return own


def _arguments(record: Record, model: str | None, loss: str | None, task: str | None, device: str | None = None) -> dict[str, Any]:
    """Those of `evaluate` that made a record."""
    return {
        "model": _named("model", record.model, model),
        "task": task or record.task,
        "loss": _named("loss", record.loss, loss),
        "labels": record.labels or None,  # 0: the loss reads none
        "finetune": record.finetuned and _named("loss", record.finetuned.loss, loss),
        "seed": record.seed,
        "settings": record.changes,
        "scale": record.scale,
        "device": device or record.machine.kind,
    }


def foreign(kind: str, name: str) -> bool:
    """Whether a model or a loss that a record names is none of opbench's."""
    return name not in names(ROOMS[kind])


def _named(kind: str, name: str, given: str | None) -> str:
    """What is imported: a model or loss of opbench's own, else what the user named; never a name that a record brings along."""
    if not foreign(kind, name):
        return name
    if given is not None:
        return given
    raise OpbenchError(
        f"the record's {kind} '{printable(name)}' is code of others: read it, then name it with --{kind} path/to/file.py:Class"
    )


def _planned(
    record: Record, model: str | None, loss: str | None, task: str | None, device: str | None = None, other_source: bool = False
) -> Planned:
    if task is None and record.dataset not in datasets():
        raise OpbenchError(f"the record's dataset '{record.dataset}' is none of opbench's: name its recipe with --task path/to/recipe.toml")
    run = planned(**_arguments(record, model, loss, task, device))
    if run.about["task"] != record.task:
        raise DataError(f"{record.stem}: is of {record.task}, and {task} is {run.about['task']}; name that recipe and kind with --task")
    for key, kind in (("task_version", "the task"), ("data_fingerprint", "the data")):
        if run.about[key] != getattr(record, key):
            raise DataError(
                f"{record.stem}: {kind} changed since ({key} is {run.about[key]} today); take the code that it was made by, {_code(record)}"
            )
    same = ("settings", "training", "loss_settings", *(() if other_source else ("source_sha256", "loss_source_sha256")))
    differing = [key for key in same if run.about[key] != getattr(record, key)]
    if differing:
        raise DataError(f"{record.stem}: the code that is here makes another {', '.join(differing)}; verify it with the run's own code")
    return run


def _code(record: Record) -> str:
    """Of opbench, that computed a record's scores."""
    if record.commit is None:
        return f"opbench {record.opbench} of {record.date[:10]}"
    return f"commit {record.commit} of opbench{', which had changes on top' if record.dirty else ''}"


def _numbers(parts: Mapping[str, Any]) -> dict[Key, Sequence[float | None]]:
    """All numbers of some of a record's `PARTS`; those of samples and of times together. No name of a metric can stand for another part."""
    found: dict[Key, Sequence[float | None]] = {}
    if "parameters" in parts:
        found["model", "parameters", "trainable"] = [parts["parameters"]]
    for split, held in parts.get("scores", {}).items():
        found |= {(split, metric, ""): [value] for metric, value in held.items()}
    for split, held in parts.get("per_sample", {}).items():
        found |= {(split, metric, "sample {}"): values for metric, values in held.items()}
    found |= {(split, "physics_floor", "references"): [value] for split, value in parts.get("physics_floor", {}).items()}
    for split, rolled in parts.get("rollouts", {}).items():
        found[split, "times", "roll-out time {}"] = rolled.times
        found |= {(split, metric, "roll-out step {}"): values for metric, values in rolled.errors.items()}
        found |= {(split, name, "roll-out"): [getattr(rolled, name)] for name in ROLLED}
    return found


def _allowed(scored: Mapping[str, Any]) -> dict[Key, float]:
    """By how much more than a part of itself a number may differ: a rate may be zero, and one sample's time be the stored one before."""
    floors = scored.get("physics_floor", {}).items()
    allowed: dict[Key, float] = {(split, "physics_floor", "references"): FLOOR * floor for split, floor in floors if floor is not None}
    for split, found in scored.get("scores", {}).items():
        if (rmse := found.get("rmse")) and (nrmse := found.get("nrmse")):
            rounded = ROUNDED * rmse / nrmse  # of the fields themselves, whose totals a model may hold exactly
            allowed |= {(split, "crmse", whereof): rounded for whereof in ("", "sample {}", "roll-out step {}")}
    for split, rolled in scored.get("rollouts", {}).items():
        first, last = rolled.times[0], rolled.times[-1]
        allowed[split, "growth_rate", "roll-out"] = SLOPE * TOLERANCE / (last - first or last)
        allowed[split, "correlation_time", "roll-out"] = last / len(rolled.times) / len(scored["per_sample"][split][HEADLINE])
    return allowed


def _finding(key: Key, recorded: Values, found: Values, allowed: float = 0.0, others: Sequence[Sequence[float | None]] = ()) -> Finding:
    """Of several numbers, that which differs most."""
    split, metric, whereof = key
    labels = [", ".join(filter(None, (metric, whereof.format(i)))) for i in range(len(found) or 1)]
    if isinstance(recorded, str) or isinstance(found, str):
        one, other = (values if isinstance(values, str) else next(iter(values), None) for values in (recorded, found))
        return Finding(split, labels[0], one, other, 0.0)
    if len(recorded) != len(found):
        return Finding(split, f"{metric}, {whereof.format('')}numbers", len(recorded), len(found), 0.0)
    spreads = [_spread(values) for values in zip(*others, strict=True)] or [0.0] * len(found)
    each = [
        Finding(split, label, one, other, 0.0 if isinstance(one, int) else TOLERANCE, max(allowed, spread))
        for label, one, other, spread in zip(labels, recorded, found, spreads, strict=True)
    ]
    return max(each, key=lambda finding: (not finding.agrees, _difference(finding)))


def _spread(values: Sequence[float | None]) -> float:
    """What the runs' seeds differ by; none of fewer than three."""
    known = [value for value in values if value is not None]
    if len(known) < 3:
        return 0.0
    mean = math.fsum(known) / len(known)
    return SPREADS * math.sqrt(math.fsum((value - mean) ** 2 for value in known) / (len(known) - 1))


def _difference(finding: Finding) -> float:
    if not isinstance(finding.recorded, float | int) or not isinstance(finding.found, float | int):
        return 0.0
    return abs(finding.found - finding.recorded) / (abs(finding.recorded) or 1.0)
