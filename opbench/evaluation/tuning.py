"""Settings of a model for a task, searched for by validation error alone; every model gets as many trials, each with the task's budget.

The search space is generic, so that nobody's model is favoured: the learning rate from a tenth of the model's own to ten times it, and
every whole number above one among the model's settings (widths, layers, modes) from half its default to twice it, all by their logarithm.
A default of None, which stands for a number that the model takes from the grid, is searched around that number.
"""

import importlib.util
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opbench.config import fingerprint
from opbench.data.generation import Report
from opbench.data.task import Split
from opbench.errors import ConfigError, Interrupted, ModelError, OpbenchError
from opbench.evaluation.build import Plain, build_model, defaults
from opbench.evaluation.evaluate import OUT, exact_convolutions, shown
from opbench.evaluation.planning import Planned, planned
from opbench.model import OperatorModel
from opbench.records.record import file_name
from opbench.train import train

RATE = "train.learning_rate"
RATE_FACTOR, COUNT_FACTOR = 10.0, 2
MOST = 129  # a number meant by None is looked for below it


@dataclass(frozen=True)
class Tuned:
    """proposed: the settings with the least validation error, without what the user had fixed.

    failed: trials that diverged, or whose settings do not fit each other. default_error: the validation error of the defaults.
    """

    proposed: dict[str, Any]
    trials: int
    failed: int
    default_error: float
    error: float


def space(run: Planned, fixed: Mapping[str, Any]) -> dict[str, tuple[float, float, float]]:
    """What is searched, by name: default, lower and upper end; whole numbers are int. What the user has fixed is not."""
    rate = run.training.learning_rate or run.operator.learning_rate
    found: dict[str, tuple[float, float, float]] = {RATE: (rate, rate / RATE_FACTOR, rate * RATE_FACTOR)}
    for name, default in _settings(run.operator).items():
        if type(default) is int and default > 1:
            found[f"model.{name}"] = (default, max(1, default // COUNT_FACTOR), default * COUNT_FACTOR)
    return {name: ends for name, ends in found.items() if name not in fixed}


def _settings(operator: OperatorModel) -> dict[str, Any]:
    """A model's settings as they are, a number that None stands for among them; of a plain module what its constructor takes."""
    if isinstance(operator, Plain):
        return defaults(type(operator.net)) | operator.config
    return {name: _meant(operator, name) if value is None else value for name, value in vars(operator.config).items()}


def _meant(operator: OperatorModel, name: str) -> int | None:
    """The number that makes the very same parameters as a setting's None does; None where that is 1, so where it decides none of them."""
    wanted = _shapes(operator)
    for number in range(1, MOST):
        try:
            other = build_model(type(operator), operator.spec, vars(operator.config) | {name: number})
        except OpbenchError:  # no number is wanted there, or this one is too large
            return None
        if _shapes(other) == wanted:
            return number if number > 1 else None
    return None


def _shapes(operator: OperatorModel) -> list[tuple[int, ...]]:
    return [tuple(parameter.shape) for parameter in operator.parameters()]


def tune(
    model: str | type,
    task: str,
    trials: int,
    *,
    loss: str = "data",
    labels: int | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    scale: str | None = None,
    device: str = "auto",
    out: str | Path = OUT,
    data: str | Path | None = None,
    report: Report | None = None,
    progress: Report | None = None,
) -> Tuned:
    """Train a model `trials` times with settings that optuna's TPE proposes, the defaults first; no test sample is read.

    settings: what the user fixes. progress: called after each trial. Other arguments are those of `evaluate`. Trials are kept in
    out/tuning: the same call goes on where it was interrupted, and one with more trials from where the earlier one ended.
    Raises OpbenchError where optuna is missing or all trials failed, and what `evaluate` does.
    """
    if importlib.util.find_spec("optuna") is None:
        raise OpbenchError("tune: needs optuna, which is not installed; pip install 'opbench[tune]'")
    fixed, options = dict(settings or {}), {"loss": loss, "labels": labels, "seed": seed, "scale": scale, "device": device}
    run = planned(model, task, settings=fixed, **options)
    searched, label = space(run, fixed), run.about["model"]
    if not any(parameter.requires_grad for parameter in run.operator.parameters()):
        raise ModelError(f"{label}: has nothing to train, so that nothing can be tuned; take a model that has")
    splits = {name: run.chosen.split(name, data, run.place, report) for name in ("train", "valid")}
    study = _study(run, fingerprint([run.identity, searched]), Path(out))
    if not _finished(study):  # one that was interrupted is not tried by itself again
        study.enqueue_trial({name: default for name, (default, *_) in searched.items()})
    for number in range(len(_finished(study)), trials):
        trial = study.ask()
        for name, ends in searched.items():
            _suggest(trial, name, ends)
        try:
            error = _valid_error(model, task, fixed | _short(trial.params), options, splits)
        except Interrupted as stop:
            raise Interrupted(f"interrupted in trial {number + 1} of {trials}; run the same command again to go on from it") from stop
        study.tell(trial, error)
        if progress is not None:
            progress(f"{label}, tuning", number + 1, trials)
    return _told(_finished(study)[:trials], label)


def _study(run: Planned, identity: str, out: Path) -> Any:
    """The trials so far of this very search, in a file that is only ever appended to."""
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = out / "tuning" / run.chosen.recipe.name / f"{file_name(run.about['model'])}-{identity[:12]}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(path)))
    study = optuna.create_study(storage=storage, study_name=identity, direction="minimize", load_if_exists=True)
    study.sampler = optuna.samplers.TPESampler(seed=len(study.trials))
    return study


def _suggest(trial: Any, name: str, ends: tuple[float, float, float]) -> None:
    default, lower, upper = ends
    suggest = trial.suggest_int if type(default) is int else trial.suggest_float
    suggest(name, lower, upper, log=True)


def _short(proposed: Mapping[str, Any]) -> dict[str, Any]:
    """Rates of three digits: more decide nothing, and people copy them."""
    return {name: float(f"{value:.3g}") if isinstance(value, float) else value for name, value in proposed.items()}


def _valid_error(model: str | type, task: str, settings: Mapping[str, Any], options: dict[str, Any], splits: Mapping[str, Split]) -> float:
    """The validation error of one trial; infinite where the settings do not fit each other or the run diverges."""
    try:
        run = planned(model, task, settings=settings, **options)
    except (ModelError, ConfigError):
        return math.inf
    network = run.network()
    with exact_convolutions():
        samples, valid = (splits[name].samples().to(run.place) for name in ("train", "valid"))
        outcome = train(network, run.objective, shown(samples, run.objective, options["labels"]), valid, run.training, options["seed"])
    error = outcome.best_valid_error
    return math.inf if error is None or outcome.status == "diverged" else error


def _finished(study: Any) -> list[Any]:
    return [trial for trial in study.trials if trial.state.is_finished()]


def _told(finished: list[Any], label: str) -> Tuned:
    best = min(finished, key=lambda trial: trial.value)
    if math.isinf(best.value):
        raise ModelError(f"{label}: diverged or could not be built in all of {len(finished)} trials; fix a lower train.learning_rate")
    failed = sum(math.isinf(trial.value) for trial in finished)
    return Tuned(_short(best.params), len(finished), failed, finished[0].value, best.value)
