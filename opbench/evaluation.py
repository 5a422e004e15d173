"""One model on one task: data, training, scores, record."""

import datetime
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from opbench import ladder, specimens
from opbench.atomic import locked
from opbench.boundary import Dirichlet, conditions, homogeneous
from opbench.build import Plain, build_model
from opbench.climb import climb
from opbench.config import canonical, fingerprint, validate
from opbench.cost import cost_of
from opbench.errors import ConfigError, ModelError, OpbenchError
from opbench.find import find, known
from opbench.finetune import Finetuning, finetuned_scores
from opbench.generation import Report
from opbench.losses import Loss, LossSettings
from opbench.model import Normalized, OperatorModel, Samples
from opbench.provenance import commit, machine, resolve_device, sha256, versions
from opbench.recipe import Foreign
from opbench.record import Cost, Machine, Matched, Record, decided, file_name, finite, read_records, save, shipped
from opbench.residual import Residual, unfit
from opbench.scoring import scores
from opbench.source import files, source_sha256
from opbench.task import Problem, Split, StoredSplit, problem
from opbench.train import STATE, WEIGHTS, Outcome, Progress, Training, predict, train
from opbench.version import __version__

BASELINES = ("mean", "persistence", "linear")
OUT = Path("leaderboards")
Second = tuple[Loss, str, LossSettings, Finetuning, Residual | None]


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

    Beside the record it writes what its predictions look like, see `opbench.specimens`.

    model: a name that `opbench list` shows, `module:Class`, `path/to/file.py:Class`, or a class.
    labels: how many training samples the loss may read the references of; None is all.
    finetune: a loss without labels, by which test samples are optimised one by one after training, from the trained weights.
    task: `dataset` for its first task, or `dataset/kind`. settings: by name, as "model.width" or "train.epochs".
    scale: "mini" or "full"; by default full on a GPU, mini without. device: "auto", "cpu" or "cuda".
    data: where the dataset's files lie, or are put. tuned: trials that chose the settings, for the record, see `opbench.tuning.tune`.
    report, progress: called after each solved block, each epoch.
    cost: whether the trained model is timed, and matched with a solver that errs as much: some seconds, and half a minute to minutes where
    out/solvers has no ladder of this task on this machine yet. compiled: whether torch.compile is timed too; by default on a GPU.
    A run that was interrupted goes on where it stopped when it is called again.
    Raises OpbenchError and its kinds.
    """
    run = planned(model, task, loss=loss, labels=labels, finetune=finetune, seed=seed, settings=settings, scale=scale, device=device)
    splits = run.splits(data, report)
    folder = Path(out) / "runs" / run.chosen.recipe.name / f"{file_name(run.about['model'])}-{run.identity[:12]}"
    network = run.network()
    with exact_convolutions():
        train_samples, valid_samples = (splits[name].samples().to(run.place) for name in ("train", "valid"))
        train_samples = shown(train_samples, run.objective, labels)
        outcome = train(network, run.objective, train_samples, valid_samples, run.training, seed, run.identity, folder, progress)
        scored = scores(run.chosen, network, splits, run.place, run.training.batch_size)
        second = None if run.second is None else finetuned_scores(network, splits["test"].samples().to(run.place), *run.second, seed)
        about = run.about | about_files(run.chosen, splits) | _about_outcome(outcome) | scored
        record = Record(
            **about, tuned=tuned, finetuned=second, machine=Machine(**machine(run.place)), weights_sha256=sha256(folder / WEIGHTS)
        )
        kept = kept_beside(record, network, splits["test"], run)
        if cost:
            record = timed(record, network, splits, run, Path(out) / "solvers", compiled, report)
    path = save(record, Path(out) / "records")
    (folder / STATE).unlink(missing_ok=True)  # only now: until the record is safe, the same command goes on from it
    specimens.write(path.with_suffix(specimens.SUFFIX), kept)
    return record


def kept_beside(record: Record, network: Normalized, test: Split, run: "Planned") -> specimens.Specimens:
    """What the model predicts of the test split's best, median and worst sample, which lies beside the record."""
    samples = test.samples().to(run.place)
    return specimens.make(record, test.spec, samples, predict(network, samples, run.training.batch_size))


def timed(
    record: Record,
    network: Normalized,
    splits: Mapping[str, Split],
    run: "Planned",
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
    """The solver that errs as much as the record's model; None where data have no solver, or the model no error."""
    error = record.scores.get("test", {}).get("relative_l2")
    stored = {name: split for name, split in splits.items() if isinstance(split, StoredSplit)}
    if error is None or not stored:
        return None
    wanted = ladder.identity(record.task, record.task_version, record.scale, record.data_fingerprint, record.machine)
    with locked(ladder.path_of(wanted, record.task, record.scale, folder).with_suffix(".lock")):
        found = ladder.ladder_for(ladder.read_ladders(ladder.shipped(), folder), wanted)
        if found is None:
            found = climb(chosen, stored, record.machine.device, report)
            ladder.save(found, folder)
    training = record.seconds["training_cpu" if cost.clock == "processor" else "training_wall"]
    return ladder.matched(found, error, cost, training)


@dataclass(frozen=True)
class Planned:
    """A run before any data are there. identity: the fingerprint that its record will have; about: the record's part that is known.

    second: what `finetuned_scores` is given of a second stage, if there is one.
    """

    chosen: Problem
    operator: OperatorModel
    objective: Loss
    loss_settings: LossSettings
    training: Training
    second: Second | None
    place: str
    about: dict[str, Any]

    @property
    def identity(self) -> str:
        return fingerprint([fingerprint(decided(self.about)), self.about["seed"]])

    def splits(self, data: str | Path | None, report: Report | None) -> dict[str, Split]:
        """Of the task, on the run's device; made where they are missing."""
        return {name: self.chosen.split(name, data, self.place, report) for name in self.chosen.splits}

    def network(self) -> Normalized:
        """The model, untrained, in physical units."""
        return Normalized(self.operator, mollifier(self.chosen, self.loss_settings, self.place)).to(self.place)

    @property
    def files(self) -> list[Path]:
        """Those that its source_sha256 is of; none where the model was written in a notebook."""
        return files(_author(self.operator))


def planned(
    model: str | type,
    task: str,
    *,
    loss: str = "data",
    labels: int | None = None,
    finetune: str | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    scale: str | None = None,
    device: str = "auto",
) -> Planned:
    """What `evaluate` would run with these arguments. Raises OpbenchError and its kinds."""
    place = resolve_device(device)
    if not (isinstance(seed, int) and 0 <= seed < 2**63):
        raise OpbenchError(f"seed: expected a whole number from 0 to 2^63 - 1, got {seed!r}")
    chosen = problem(task, scale or ("full" if place == "cuda" else "mini"))
    model_settings, train_settings, loss_settings, finetune_settings = _sorted_settings(settings or {})
    objective, chosen_settings = _objective(loss, labels, chosen, loss_settings, place)
    second = _second_stage(finetune, chosen, loss, loss_settings, finetune_settings, place)
    torch.manual_seed(seed)
    operator = build_model(model, replace(chosen.spec, auxiliary=objective.auxiliary), model_settings)
    objective.require(operator)
    _require_trainable(operator, model, loss, objective, chosen_settings)
    training = _training(chosen, operator, train_settings)
    if second is not None and not any(parameter.requires_grad for parameter in operator.parameters()):
        raise ModelError(f"{_label(model)}: has no weights to optimise; leave --finetune out")
    if second is not None and second[0].auxiliary != objective.auxiliary:
        raise ConfigError(f"finetune: the loss {finetune} asks a model for other channels than {loss}; take --finetune physics")
    label = _label(model)
    about = {
        **_about_model(operator, label),
        **_about_run(settings or {}),
        **_about_task(chosen),
        "command": _command(
            model if isinstance(model, str) else label, task, chosen.scale, loss, labels, finetune, seed, place, settings or {}
        ),
        "loss": loss,
        "loss_settings": {k: v for k, v in canonical(chosen_settings).items() if v != canonical(LossSettings()).get(k)},
        "labels": labels if objective.labels else 0,
        "training": canonical(training),
        "seed": seed,
    }
    return Planned(chosen, operator, objective, chosen_settings, training, second, place, about)


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


def _sorted_settings(settings: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Settings of the model, of the training, of the loss and of the second stage, by their names behind the dot."""
    parts: dict[str, dict[str, Any]] = {"model": {}, "train": {}, "loss": {}, "finetune": {}}
    for key, value in settings.items():
        head, dot, name = key.partition(".")
        if not dot:
            raise OpbenchError(
                f"setting '{key}': expected model.<name>=<value>, or train.<name>, loss.<name>, finetune.<name>; say which it belongs to"
            )
        parts[known("kind of setting", head, parts)][name] = value
    return tuple(parts.values())


def _objective(loss: str, labels: int | None, chosen: Problem, settings: Mapping[str, Any], place: str) -> tuple[Loss, LossSettings]:
    """The loss as the user asked for it; raises ConfigError where it does not fit the task or the labels."""
    kind = find("losses", loss, Loss)
    for name in settings:
        known(f"setting of the loss {loss}", name, kind.Settings.model_fields)
    made = validate(kind.Settings, dict(settings), f"loss {loss}")
    if labels is not None and not kind.labels:
        raise ConfigError(f"labels: the loss {loss} reads none; leave --labels out, or take --loss both")
    if labels is not None and not (isinstance(labels, int) and labels > 0):
        raise ConfigError(f"labels: expected a whole number, 1 or more, got {labels!r}; --loss physics needs none")
    return kind.of(chosen, made, place), made


def _second_stage(name: str | None, chosen: Problem, loss: str, loss_settings: Mapping[str, Any], settings: Mapping[str, Any], place: str):
    """The loss of `finetune`, its name, its own settings (those of training, where that is the same loss) and those of the stage."""
    for key in settings:
        known("finetune setting", key, Finetuning.model_fields)
    if name is None:
        if settings:
            raise ConfigError("finetune: settings are given and no loss; say --finetune physics")
        return None
    if find("losses", name, Loss).labels:
        raise ConfigError(f"finetune: the loss {name} reads references, which a sample that is asked has none of; take --finetune physics")
    objective, own = _objective(name, None, chosen, loss_settings if name == loss else {}, place)
    return objective, name, own, validate(Finetuning, dict(settings), "finetune"), None if unfit(chosen) else Residual(chosen, device=place)


def _require_trainable(operator: OperatorModel, model: Any, loss: str, objective: Loss, settings: LossSettings) -> None:
    """Raises ModelError for a model that is fitted to references where there are none, or where its output is not to be them."""
    if (not objective.labels or settings.ends == "exact") and operator.fitted:
        raise ModelError(f"{_label(model)}: is fitted to references as they are; take --loss data without loss.ends=exact")
    if not any(parameter.requires_grad for parameter in operator.parameters()) and objective.unlabelled:
        raise ModelError(f"{_label(model)}: has nothing to train with the loss {loss}; take --loss data")
    if objective.elsewhere and operator.one_resolution:
        raise ModelError(f"{operator.one_resolution}; leave loss.refine out")


def mollifier(chosen: Problem, settings: LossSettings, place: str) -> Callable[[Tensor], Tensor] | None:
    """What makes the unknowns zero at the ends where they are; raises ConfigError where a task's equation says nothing of them."""
    if settings.ends == "free":
        return None
    residual = Residual(chosen, device=place)
    if not any(homogeneous(condition) and isinstance(condition, Dirichlet) for *_, condition in conditions(residual.posed.conditions)):
        return None
    times = chosen.spec.out_channels // len(residual.unknowns)
    return lambda coords: residual.mollifier(coords).expand(-1, times, *coords.shape[:-1]).flatten(0, 1)


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


def _training(chosen: Problem, operator: OperatorModel, settings: Mapping[str, Any]) -> Training:
    """The task's budget, the model's learning rate, then what the user changed."""
    for name in settings:
        known("training setting", name, Training.model_fields)
    budget = {"epochs": chosen.task.epochs[chosen.scale], "batch_size": chosen.task.batch_size, "learning_rate": operator.learning_rate}
    return validate(Training, {**budget, **settings}, "train")


def _label(model: str | type) -> str:
    """A model's name in tables: without folders, which say nothing elsewhere."""
    return model.rpartition("/")[2] if isinstance(model, str) else f"{model.__module__}:{model.__qualname__}"


def _about_task(chosen: Problem) -> dict[str, Any]:
    return {
        "dataset": chosen.recipe.name,
        "task": chosen.name,
        "task_version": chosen.task.version,
        "scale": chosen.scale,
        "data_fingerprint": chosen.data_fingerprint,
    }


def about_files(chosen: Problem, splits: Mapping[str, Split]) -> dict[str, Any]:
    """The record's part that tells of the data's files."""
    stored = {name: split for name, split in splits.items() if isinstance(split, StoredSplit)}
    if isinstance(chosen.recipe, Foreign):
        sums = {name: part.sha256 for name, part in chosen.recipe.splits.items()}
    else:
        sums = {name: sha256(split.path) for name, split in stored.items()}
    floors = {name: split.stored.header.provenance["error_floor"]["fields"] for name, split in stored.items()}
    return {"data_sha256": sums, "error_floor": floors}


def _about_model(operator: OperatorModel, label: str) -> dict[str, Any]:
    return {
        "model": label,
        "settings": canonical(operator.config),
        "source_sha256": source_sha256(_author(operator)),
        "provenance": operator.provenance(),
        "parameters": sum(p.numel() * (2 if p.is_complex() else 1) for p in operator.parameters() if p.requires_grad),
    }


def _author(operator: OperatorModel) -> type:
    """The class that somebody wrote."""
    return type(operator.net) if isinstance(operator, Plain) else type(operator)


def _command(
    model: str,
    task: str,
    scale: str,
    loss: str,
    labels: int | None,
    finetune: str | None,
    seed: int,
    place: str,
    settings: Mapping[str, Any],
) -> str:
    """The command that repeats a run, files named as they were then."""
    words = ["opbench", "evaluate", "--model", model, "--task", task, "--scale", scale, "--loss", loss, "--seed", str(seed)]
    words += [] if labels is None else ["--labels", str(labels)]
    words += [] if finetune is None else ["--finetune", finetune]
    return shlex.join([*words, "--device", place, *(f"--set={name}={value}" for name, value in settings.items())])


def _about_run(settings: Mapping[str, Any]) -> dict[str, Any]:
    head, dirty = commit()
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds"),
        "changes": canonical(settings),
        "opbench": __version__,
        "commit": head,
        "dirty": dirty,
        "versions": versions(),
    }


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
