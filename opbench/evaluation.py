"""One model on one task: data, training, scores, record."""

import contextlib
import datetime
import inspect
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from opbench.build import Plain, build_model
from opbench.config import canonical, fingerprint, validate
from opbench.errors import ModelError, OpbenchError
from opbench.find import find, known
from opbench.generation import Report
from opbench.losses import Loss
from opbench.metrics import metrics
from opbench.model import Normalized, OperatorModel
from opbench.provenance import commit, machine, sha256, versions
from opbench.recipe import Foreign
from opbench.record import Record, finite, read_records, save, shipped
from opbench.task import Problem, Split, StoredSplit, problem
from opbench.train import Outcome, Progress, Training, predict, train
from opbench.version import __version__

BASELINES = ("mean", "persistence", "linear")
SCORED = ("test", "ood", "finer")
OUT = Path("leaderboards")


def evaluate(
    model: str | type,
    task: str = "burgers_1d",
    *,
    loss: str = "data",
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    scale: str | None = None,
    device: str = "auto",
    out: str | Path = OUT,
    data: str | Path | None = None,
    report: Report | None = None,
    progress: Progress | None = None,
) -> Record:
    """Train a model on a task under the task's budget, score it, write its record below out/records and its weights below out/runs.

    model: a name that `opbench list` shows, `module:Class`, `path/to/file.py:Class`, or a class.
    task: `dataset` for its first task, or `dataset/kind`. settings: by name, as "model.width" or "train.epochs".
    scale: "mini" or "full"; by default full on a GPU, mini without. device: "auto", "cpu" or "cuda".
    data: where the dataset's files lie, or are put. report, progress: called after each solved block, each epoch.
    A run that was interrupted goes on where it stopped when it is called again.
    Raises OpbenchError and its kinds.
    """
    place = resolve_device(device)
    chosen = problem(task, scale or ("full" if place == "cuda" else "mini"))
    objective = find("losses", loss, Loss)
    model_settings, train_settings = _sorted_settings(settings or {})
    torch.manual_seed(seed)
    operator = build_model(model, chosen.spec, model_settings)
    training = _training(chosen, operator, train_settings)
    splits = {name: chosen.split(name, data, place, report) for name in chosen.splits}
    label, source = _label(model), _source(operator)
    identity = fingerprint([chosen.name, chosen.task.version, chosen.data_fingerprint, label, source, operator.config, loss])
    run = Path(out) / "runs" / chosen.recipe.name / f"{_file_name(label)}-{fingerprint([identity, training, seed])[:12]}"
    network = Normalized(operator).to(place)
    train_samples, valid_samples = (splits[name].samples().to(place) for name in ("train", "valid"))
    outcome = train(network, objective(), train_samples, valid_samples, training, seed, identity, run, progress)  # pyright: ignore[reportAbstractUsage]
    record = Record(
        **_about_data(chosen, splits),
        **_about_model(operator),
        model=label,
        source_sha256=source,
        weights_sha256=sha256(run / "weights.safetensors"),
        **_about_run(outcome, place),
        **_scores(network, splits, place, training.batch_size),
        loss=loss,
        training=canonical(training),
        seed=seed,
    )
    save(record, Path(out) / "records")
    return record


def place_among_baselines(record: Record, task: str, out: str | Path = OUT, **options: Any) -> None:
    """Make the rows that place a record's numbers (mean, persistence, linear) where its table has none; they take seconds.

    task, out, options: those that `evaluate` made the record with.
    """
    held = {(r.task, r.task_version, r.scale, r.data_fingerprint, r.model) for r in read_records(shipped(), Path(out) / "records")}
    for model in BASELINES:
        if (record.task, record.task_version, record.scale, record.data_fingerprint, model) not in held:
            with contextlib.suppress(ModelError):  # a steady task has no state that could persist
                evaluate(model, task, scale=record.scale, out=out, **options)


def resolve_device(device: str) -> str:
    """ "cpu" or "cuda"; raises OpbenchError where CUDA is asked for and not there."""
    known("device", device, ("auto", "cpu", "cuda"))
    if device == "cuda" and not torch.cuda.is_available():
        raise OpbenchError("device cuda: torch sees no CUDA device here; use --device cpu, or install a CUDA build of torch")
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def _sorted_settings(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of the model and of the training, by their names behind the dot."""
    parts: dict[str, dict[str, Any]] = {"model": {}, "train": {}}
    for key, value in settings.items():
        head, dot, name = key.partition(".")
        if not dot:
            raise OpbenchError(f"setting '{key}': expected model.<name>=<value> or train.<name>=<value>; say which it belongs to")
        parts[known("kind of setting", head, parts)][name] = value
    return parts["model"], parts["train"]


def _training(chosen: Problem, operator: OperatorModel, settings: Mapping[str, Any]) -> Training:
    """The task's budget, the model's learning rate, then what the user changed."""
    for name in settings:
        known("training setting", name, Training.model_fields)
    budget = {"epochs": chosen.task.epochs[chosen.scale], "batch_size": chosen.task.batch_size, "learning_rate": operator.learning_rate}
    return validate(Training, {**budget, **settings}, "train")


def _label(model: str | type) -> str:
    """A model's name in tables: without folders, which say nothing elsewhere."""
    return model.rpartition("/")[2] if isinstance(model, str) else f"{model.__module__}:{model.__qualname__}"


def _file_name(label: str) -> str:
    return label.replace(":", ".")


def _about_data(chosen: Problem, splits: Mapping[str, Split]) -> dict[str, Any]:
    stored = {name: split for name, split in splits.items() if isinstance(split, StoredSplit)}
    if isinstance(chosen.recipe, Foreign):
        sums = {name: part.sha256 for name, part in chosen.recipe.splits.items()}
    else:
        sums = {name: sha256(split.path) for name, split in stored.items()}
    return {
        "dataset": chosen.recipe.name,
        "task": chosen.name,
        "task_version": chosen.task.version,
        "scale": chosen.scale,
        "data_fingerprint": chosen.data_fingerprint,
        "data_sha256": sums,
        "error_floor": {name: split.stored.header.provenance["error_floor"]["fields"] for name, split in stored.items()},
    }


def _source(operator: OperatorModel) -> str:
    """sha256 of the file in which the model's class is written."""
    file = inspect.getsourcefile(type(operator.net) if isinstance(operator, Plain) else type(operator))
    return sha256(Path(file)) if file and Path(file).is_file() else "not in a file"


def _about_model(operator: OperatorModel) -> dict[str, Any]:
    return {
        "settings": canonical(operator.config),
        "provenance": operator.provenance(),
        "parameters": sum(p.numel() * (2 if p.is_complex() else 1) for p in operator.parameters() if p.requires_grad),
    }


def _about_run(outcome: Outcome, place: str) -> dict[str, Any]:
    head, dirty = commit()
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["opbench", *sys.argv[1:]]) if Path(sys.argv[0]).name == "opbench" else "opbench.evaluate(...) from Python",
        "status": outcome.status,
        "best_epoch": outcome.best_epoch,
        "curve": [(epoch, finite(loss), finite(error)) for epoch, loss, error in outcome.curve],
        "seconds": {"training_wall": outcome.seconds, "training_cpu": outcome.cpu_seconds},
        "opbench": __version__,
        "commit": head,
        "dirty": dirty,
        "versions": versions(),
        "machine": machine(place),
    }


def _scores(network: Normalized, splits: Mapping[str, Split], place: str, batch_size: int) -> dict[str, Any]:
    """Every metric on every scored split; a split on another grid than the training's only where the model runs there."""
    scores, per_sample, skipped = {}, {}, {}
    for name in (name for name in SCORED if name in splits):
        reason = network.model.one_resolution
        if reason and splits[name].spec.grid != splits["train"].spec.grid:
            skipped[name] = reason
            continue
        samples = splits[name].samples().to(place)
        prediction = predict(network, samples, batch_size)
        values = {key: metric(prediction, samples.reference).double().cpu() for key, metric in metrics().items()}
        scores[name] = {key: finite(float(value.mean())) for key, value in values.items()}
        per_sample[name] = {key: [finite(v) for v in value.tolist()] for key, value in values.items()}
    return {"scores": scores, "per_sample": per_sample, "not_scored": skipped}
