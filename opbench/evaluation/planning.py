"""What a run is before any data are there: arguments checked, model, loss and budget made ready, its identity known."""

import datetime
import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from opbench.boundary import Dirichlet, conditions, homogeneous
from opbench.config import canonical, fingerprint, typed, validate
from opbench.data.generation import Report
from opbench.data.task import Problem, Split, problem
from opbench.errors import ConfigError, ModelError, OpbenchError
from opbench.evaluation.build import build_model
from opbench.evaluation.finetune import Finetuning, SecondStage
from opbench.evaluation.source import files, source_sha256
from opbench.find import find, known, names
from opbench.losses import Loss, LossSettings
from opbench.model import Normalized, OperatorModel
from opbench.provenance import commit, resolve_device, versions
from opbench.records.record import decided
from opbench.residual import Residual, unfit
from opbench.train import Training
from opbench.version import __version__


@dataclass(frozen=True)
class Planned:
    """A run before any data are there. identity: the fingerprint that its record will have; about: the record's part that is known.

    files, loss_files: those that its source_sha256 and loss_source_sha256 are of, by name; none where the model was written in a notebook
    or the loss is opbench's.
    """

    chosen: Problem
    operator: OperatorModel
    objective: Loss
    loss_settings: LossSettings
    training: Training
    second: SecondStage | None
    place: str
    about: dict[str, Any]
    files: dict[str, Path]
    loss_files: dict[str, Path]

    @property
    def identity(self) -> str:
        return fingerprint([fingerprint(decided(self.about)), self.about["seed"]])

    def splits(self, data: str | Path | None, report: Report | None) -> dict[str, Split]:
        """Of the task, on the run's device; made where they are missing."""
        return {name: self.chosen.split(name, data, self.place, report) for name in self.chosen.splits}

    def network(self) -> Normalized:
        """The model, untrained, in physical units."""
        return Normalized(self.operator, mollifier(self.chosen, self.loss_settings, self.place)).to(self.place)


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
    own = None if loss in names("losses") else type(objective)  # whose modules the next import of the user's code may forget
    loss_files, loss_source = ({}, None) if own is None else (files(own), source_sha256(own))
    second = _second_stage(finetune, chosen, loss, loss_settings, finetune_settings, place)
    torch.manual_seed(seed)
    operator = build_model(model, replace(chosen.spec, auxiliary=objective.auxiliary), model_settings)
    objective.require(operator)
    _require_trainable(operator, model, loss, objective, chosen_settings)
    training = _training(chosen, operator, train_settings)
    if second is not None and not any(parameter.requires_grad for parameter in operator.parameters()):
        raise ModelError(f"{_label(model)}: has no weights to optimise; leave --finetune out")
    if second is not None and second.loss.auxiliary != objective.auxiliary:
        raise ConfigError(f"finetune: the loss {finetune} asks a model for other channels than {loss}; take --finetune physics")
    label = _label(model)
    about = {
        **_about_model(operator, label),
        **_about_run(settings or {}),
        **_about_task(chosen),
        "command": _command(
            model if isinstance(model, str) else label, task, chosen.scale, loss, labels, finetune, seed, place, settings or {}
        ),
        "loss": _label(loss),
        "loss_source_sha256": loss_source,
        "loss_settings": {k: v for k, v in canonical(chosen_settings).items() if v != canonical(LossSettings()).get(k)},
        "labels": labels if objective.labels else 0,
        "training": canonical(training),
        "seed": seed,
    }
    return Planned(chosen, operator, objective, chosen_settings, training, second, place, about, files(operator.written), loss_files)


def _sorted_settings(settings: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Settings of the model, of the training, of the loss and of the second stage, by their names behind the dot."""
    parts: dict[str, dict[str, Any]] = {"model": {}, "train": {}, "loss": {}, "finetune": {}}
    for key, value in settings.items():
        head, dot, name = key.partition(".")
        if not dot:
            raise OpbenchError(
                f"setting '{key}': expected model.<name>=<value>, or train.<name>, loss.<name>, finetune.<name>; say which it belongs to"
            )
        try:
            json.dumps(canonical(value), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{key}: expected a finite number, text, true or false, or a list of them; got {value!r}") from error
        parts[known("kind of setting", head, parts)][name] = value
    return tuple(parts.values())


def _kind(loss: str) -> type[Loss]:
    kind = find("losses", loss, Loss)
    if not issubclass(kind, Loss):
        raise ConfigError(f"{loss}: is no loss; derive it from opbench.losses.Loss")
    return kind


def _objective(loss: str, labels: int | None, chosen: Problem, settings: Mapping[str, Any], place: str) -> tuple[Loss, LossSettings]:
    """The loss as the user asked for it; raises ConfigError where it does not fit the task or the labels."""
    kind = _kind(loss)
    for name in settings:
        known(f"setting of the loss {loss}", name, kind.Settings.model_fields)
    made = validate(kind.Settings, dict(settings), f"loss {loss}")
    if labels is not None and not kind.labels:
        raise ConfigError(f"labels: the loss {loss} reads none; leave --labels out, or take --loss both")
    if labels is not None and not (isinstance(labels, int) and labels > 0):
        raise ConfigError(f"labels: expected a whole number, 1 or more, got {labels!r}; --loss physics needs none")
    return kind.of(chosen, made, place), made


def _second_stage(
    name: str | None, chosen: Problem, loss: str, loss_settings: Mapping[str, Any], settings: Mapping[str, Any], place: str
) -> SecondStage | None:
    """That of `finetune`; its loss has the settings of training's, where that is the same."""
    for key in settings:
        known("finetune setting", key, Finetuning.model_fields)
    if name is None:
        if settings:
            raise ConfigError("finetune: settings are given and no loss; say --finetune physics")
        return None
    if _kind(name).labels:
        raise ConfigError(f"finetune: the loss {name} reads references, which a sample that is asked has none of; take --finetune physics")
    objective, own = _objective(name, None, chosen, loss_settings if name == loss else {}, place)
    residual = None if unfit(chosen) else Residual(chosen, device=place)
    return SecondStage(_label(name), objective, own, validate(Finetuning, dict(settings), "finetune"), residual)


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


def _training(chosen: Problem, operator: OperatorModel, settings: Mapping[str, Any]) -> Training:
    """The task's budget, the model's learning rate, then what the user changed."""
    for name in settings:
        known("training setting", name, Training.model_fields)
    budget = {"epochs": chosen.task.epochs[chosen.scale], "batch_size": chosen.task.batch_size, "learning_rate": operator.learning_rate}
    return validate(Training, {**budget, **settings}, "train")


def _label(model: str | type) -> str:
    """A model's name in tables, or a loss': without folders, which say nothing elsewhere."""
    return model.rpartition("/")[2] if isinstance(model, str) else f"{model.__module__}:{model.__qualname__}"


def _about_task(chosen: Problem) -> dict[str, Any]:
    return {
        "dataset": chosen.recipe.name,
        "task": chosen.name,
        "task_version": chosen.task.version,
        "scale": chosen.scale,
        "data_fingerprint": chosen.data_fingerprint,
    }


def _about_model(operator: OperatorModel, label: str) -> dict[str, Any]:
    return {
        "model": label,
        "settings": canonical(operator.config),
        "source_sha256": source_sha256(operator.written),
        "provenance": operator.provenance(),
        "parameters": sum(p.numel() * (2 if p.is_complex() else 1) for p in operator.parameters() if p.requires_grad),
    }


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
    return shlex.join([*words, "--device", place, *(f"--set={name}={typed(value)}" for name, value in settings.items())])


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
