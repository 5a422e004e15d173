"""One model on one task: data, training, scores, record."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from opbench.atomic import locked
from opbench.cost.climb import climb
from opbench.cost.measure import cost_of
from opbench.data.foreign import Foreign
from opbench.data.generation import Report
from opbench.data.task import Problem, Split, StoredSplit, problem
from opbench.errors import ConfigError, Interrupted, ModelError, OpbenchError
from opbench.evaluation import specimens
from opbench.evaluation.build import build_model
from opbench.evaluation.finetune import finetuned_scores
from opbench.evaluation.planning import Planned, planned
from opbench.evaluation.runs import claimed
from opbench.evaluation.scoring import scores
from opbench.losses import Loss
from opbench.model import Normalized, Samples
from opbench.provenance import machine, sha256
from opbench.records import ladder
from opbench.records.record import TOGETHER, Cost, Machine, Matched, Record, file_name, finite
from opbench.records.shelf import read_records, save, shipped
from opbench.train import Outcome, Progress, predict, train

BASELINES = ("mean", "persistence", "linear")
OUT = Path("leaderboards")


def evaluate(
    model: str | type,
    task: str = "burgers_1d",
    *,
    loss: str = "data",
    labels: int | None = None,
    finetune: str | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    scale: str | None = None,
    device: str = "auto",
    out: str | Path = OUT,
    data: str | Path | None = None,
    tuned: int | None = None,
    report: Report | None = None,
    progress: Progress | None = None,
    cost: bool = True,
    compiled: bool | None = None,
) -> Record:
    """Train a model on a task under the task's budget, score it, write its record below out/records and its weights below out/runs.

    Beside the record it writes what its predictions look like, see `specimens`.

    model: a name that `opbench list` shows, `module:Class`, `path/to/file.py:Class`, or a class.
    labels: how many training samples the loss may read the references of; None is all.
    finetune: a loss without labels, by which test samples are optimised one by one after training, from the trained weights.
    task: `dataset` for its first task, or `dataset/kind`. settings: by name, as "model.width" or "train.epochs".
    scale: "mini" or "full"; by default full on a GPU, mini without. device: "auto", "cpu" or "cuda".
    data: where the dataset's files lie, or are put. tuned: trials that chose the settings, for the record, see `tuning.tune`.
    report, progress: called after each solved block, each epoch.
    cost: whether the trained model is timed, and matched with a solver that errs as much: some seconds, and half a minute to minutes where
    out/solvers has no ladder of this task on this machine yet. compiled: whether torch.compile is timed too; by default on a GPU.
    A run that was interrupted goes on where it stopped when it is called again; one that had ended is repeated, and has its own weights.
    Raises OpbenchError and its kinds.
    """
    run = planned(model, task, loss=loss, labels=labels, finetune=finetune, seed=seed, settings=settings, scale=scale, device=device)
    splits = run.splits(data, report)
    network = run.network()
    train_samples, valid_samples = (splits[name].samples().to(run.place) for name in ("train", "valid"))
    train_samples = shown(train_samples, run.objective, labels)
    name = f"{file_name(run.about['model'])}-{run.identity[:12]}"
    with claimed(Path(out), run.chosen.recipe.name, name, resume=True) as place, exact_convolutions():
        outcome = train(network, run.objective, train_samples, valid_samples, run.training, seed, run.identity, place.folder, progress)
        scored = scores(run.chosen, network, splits, run.place, run.training.batch_size)
        asked = splits["test"].samples().to(run.place), splits["test"].pairs
        second = None if run.second is None else finetuned_scores(network, *asked, run.second, seed)
        about = run.about | about_files(run.chosen, splits) | _about_outcome(outcome) | scored
        record = Record(**about, tuned=tuned, finetuned=second, machine=Machine(**machine(run.place)), weights_sha256=sha256(place.weights))
        kept = kept_beside(record, network, splits["test"], run)
        untimed = None
        if cost:
            record, untimed = _timed_if_it_can_be(record, network, splits, run, Path(out) / "solvers", compiled, report)
        path = save(record, Path(out) / "records", place.name)
    specimens.write(path.with_suffix(specimens.SUFFIX), kept)
    if untimed is not None:
        words = f"the record is kept without it, and `opbench rescore {path} --cost` adds it"
        raise OpbenchError(f"cost was not measured: {untimed}; {words}") from untimed
    return record


def _timed_if_it_can_be(record: Record, *given: Any) -> tuple[Record, Exception | None]:
    """As `timed`, or the record as it is and what was wrong: a training is not lost with its timing."""
    try:
        return timed(record, *given), None
    except Interrupted:
        raise
    except (OpbenchError, MemoryError, RuntimeError) as error:
        return record, error


def kept_beside(record: Record, network: Normalized, test: Split, run: Planned) -> specimens.Specimens:
    """What the model predicts of the test split's best, median and worst sample, which lies beside the record."""
    samples = test.samples().to(run.place)
    return specimens.make(record, test.spec, samples, predict(network, samples, run.training.batch_size))


def timed(
    record: Record,
    network: Normalized,
    splits: Mapping[str, Split],
    run: Planned,
    solvers: Path,
    compiled: bool | None = None,
    report: Report | None = None,
) -> Record:
    """The record with what its model costs on this machine, and what a solver does that errs as much; ladders are kept in `solvers`."""
    samples = splits["train"].samples().to(run.place)
    with_compiler = run.place == "cuda" if compiled is None else compiled
    cost = cost_of(network, samples, run.objective, run.training.batch_size, with_compiler)
    return record.model_copy(update={"cost": cost, "matched": _matched(run.chosen, splits, record, cost, solvers, report)})


def _matched(
    chosen: Problem, splits: Mapping[str, Split], record: Record, cost: Cost, folder: Path, report: Report | None
) -> Matched | None:
    """The solver that errs as much as the record's model; None where data have no solver, or too few points, or the model no error."""
    error = record.scores.get("test", {}).get("relative_l2")
    stored = {name: split for name, split in splits.items() if isinstance(split, StoredSplit)}
    if error is None or not stored:
        return None
    wanted = ladder.identity(record.task, record.task_version, record.scale, record.data_fingerprint, record.machine)
    with locked(ladder.path_of(wanted, record.task, record.scale, folder).with_suffix(".lock")):
        found = ladder.ladder_for(ladder.read_ladders(ladder.shipped(), folder), wanted)
        if found is None:
            found = climb(chosen, stored, record.machine.device, report)
            if found is None:
                return None
            ladder.save(found, folder)
    return ladder.matched(found, error, cost, record.training_seconds)


def exact_convolutions():
    """Float32 convolutions in float32: cuDNN would round their inputs to TF32's 10 bits unasked."""
    cudnn = torch.backends.cudnn
    return cudnn.flags(enabled=cudnn.enabled, benchmark=cudnn.benchmark, deterministic=cudnn.deterministic, allow_tf32=False)


def place_among_baselines(record: Record, task: str, out: str | Path = OUT, **options: Any) -> None:
    """Make the rows that place a record's numbers (mean, persistence, linear) where its table has none; they take seconds.

    task, out, options: those that `evaluate` made the record with.
    """
    held = {(r.task, r.task_version, r.scale, r.data_fingerprint, r.model) for r in read_records(shipped(), Path(out) / "records")}
    for model in BASELINES:
        if (record.task, record.task_version, record.scale, record.data_fingerprint, model) not in held:
            try:
                build_model(model, problem(task, record.scale).spec, {})
            except ModelError:
                continue  # a steady task has no state that could persist
            evaluate(model, task, scale=record.scale, out=out, **options)


def shown(train: Samples, loss: Loss, labels: int | None) -> Samples:
    """The training split as a loss may see it: references of its first `labels` samples, NaN for the others.

    A loss that learns from labelled samples alone goes through those again and again, so that an epoch has as many steps.
    Raises ConfigError for more labels than samples.
    """
    if labels is not None and labels > len(train):
        raise ConfigError(f"labels: expected at most {len(train)}, the samples of the training split, got {labels}")
    if not loss.unlabelled:
        return train if labels is None else train[torch.arange(len(train), device=train.given.device) % labels]
    reference = train.reference.clone()
    reference[0 if not loss.labels else labels if labels is not None else len(train) :] = float("nan")
    return Samples(train.given, reference, train.coords)


def about_files(chosen: Problem, splits: Mapping[str, Split]) -> dict[str, Any]:
    """The record's part that tells of the data's files."""
    stored = {name: split for name, split in splits.items() if isinstance(split, StoredSplit)}
    if isinstance(chosen.recipe, Foreign):
        sums = {name: chosen.recipe.sha256(name) for name in chosen.recipe.splits}
    else:
        sums = {name: sha256(split.path) for name, split in stored.items()}
    measured = {name: split.stored.header.provenance["error_floor"] for name, split in stored.items()}
    floors = {name: own["fields"] | ({TOGETHER: own["together"]} if "together" in own else {}) for name, own in measured.items()}
    return {"data_sha256": sums, "error_floor": floors}


def _about_outcome(outcome: Outcome) -> dict[str, Any]:
    seconds = {"training_wall": outcome.seconds, "training_cpu": outcome.cpu_seconds}
    seconds |= {"best_wall": outcome.best_seconds, "best_cpu": outcome.best_cpu_seconds}
    return {
        "status": outcome.status,
        "best_epoch": outcome.best_epoch,
        "curve": [(epoch, finite(loss), finite(error)) for epoch, loss, error in outcome.curve],
        "seconds": {name: value for name, value in seconds.items() if value is not None},
        "samples_per_second": outcome.samples_per_second if outcome.status == "trained" else None,
    }
