"""A record's checkpoint scored by today's metrics: a metric that is added or mended needs no training anew."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opbench.atomic import write_bytes
from opbench.config import canonical, validate
from opbench.data.generation import Report
from opbench.errors import DataError, OpbenchError
from opbench.evaluation import specimens
from opbench.evaluation.evaluate import about_files, exact_convolutions, kept_beside, timed
from opbench.evaluation.runs import claimed
from opbench.evaluation.scoring import scores
from opbench.metrics import versions
from opbench.provenance import machine
from opbench.records.record import Machine, Record, Trained
from opbench.records.shelf import read_record, save
from opbench.submission.reproduce import checked, checkpoint, compared, restored

NOW = ("date", "source_sha256", "provenance", "opbench", "commit", "dirty", "versions")


def rescore(
    path: Path,
    *,
    weights: Path | None = None,
    model: str | None = None,
    loss: str | None = None,
    task: str | None = None,
    data: str | Path | None = None,
    cost: bool = False,
    report: Report | None = None,
) -> Path:
    """Write a record like that at `path` beside it, with today's scores and its training as it was; its path.

    The model may be written otherwise today, if it is the same function: what was scored before by a metric of today's version must come
    out again. weights, model, loss, task: as in `reproduce.verify`. cost: whether what the model costs is measured anew too, which only
    the machine that trained it may do.
    Raises DataError where a number does not, or none is left that could, OpbenchError and its kinds.
    """
    record = read_record(path)
    weights = weights or checkpoint(path, record)
    run = checked(record, weights, model=model, loss=loss, task=task, other_source=True)
    network, splits = restored(run, weights), run.splits(data, report)
    with exact_convolutions():
        if cost:
            _require_same_machine(record, run.place)
        scored = scores(run.chosen, network, splits, run.place, run.training.batch_size)
        _require_agreement(_comparable(record, scored), scored, path)
        now = {name: run.about[name] for name in NOW} | about_files(run.chosen, splits) | scored
        trained = record.trained or Trained(**{name: getattr(record, name) for name in Trained.model_fields})
        new = validate(Record, record.model_dump(mode="json") | canonical(now | {"trained": trained}), str(path))
        kept = kept_beside(new, network, splits["test"], run)
        if cost:
            new = timed(new, network, splits, run, path.resolve().parent.parent.parent / "solvers", report=report)
    with claimed(path.resolve().parent.parent.parent, new.dataset, new.stem, resume=False) as place:
        write_bytes(place.weights, weights.read_bytes())
        written = save(new, path.resolve().parents[1], place.name)
    specimens.write(written.with_suffix(specimens.SUFFIX), kept)
    return written


def _require_same_machine(record: Record, place: str) -> None:
    here = Machine(**machine(place))
    if here != record.machine:
        raise OpbenchError(
            f"{record.stem}: was trained on {record.machine}, here is {here}, and times of two machines do not go together; "
            f"leave --cost out, or train it here"
        )


def _comparable(record: Record, scored: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the record's scores alone that are taken today too, by metrics whose version is what it was."""
    same = {name for name, version in versions().items() if version == record.metric_versions.get(name, 1)}

    def alike(part: str) -> dict[str, dict[str, Any]]:
        held: Mapping[str, Mapping[str, Any]] = getattr(record, part)
        return {
            split: {name: value for name, value in metrics.items() if name in same & scored[part].get(split, {}).keys()}
            for split, metrics in held.items()
        }

    return {part: alike(part) for part in ("scores", "per_sample")}


def _require_agreement(recorded: Mapping[str, Any], scored: Mapping[str, Any], path: Path) -> None:
    found = compared(recorded, scored)
    if not found:
        raise DataError(f"{path}: no metric of its scores is defined today as it was then; evaluate the model anew")
    if wrong := [finding for finding in found if not finding.agrees]:
        raise DataError(
            f"{path}: {len(wrong)} of {len(found)} numbers come out otherwise today, first: {wrong[0]}; evaluate the model anew"
        )
