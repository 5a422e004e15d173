"""What may be said of errors over seeds, samples and tasks; lists of numbers in, small frozen values out. None stands for a diverged run.

Below three seeds no interval and no test is given, since they would tell of the luck of one run.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MIN_SEEDS = 3
LEVEL = 0.95
ROUNDING = 1e-12  # relative; what varies less is the same but for the machine's last digits
Errors = Sequence[Sequence[float | None]]  # by seed, the error of each sample: the same samples in the same order


@dataclass(frozen=True)
class Summary:
    """Of one configuration over its seeds. mean: infinite where a run diverged or its error is not finite; deviation: of three or more."""

    mean: float
    deviation: float | None
    seeds: int
    diverged: int


@dataclass(frozen=True)
class Interval:
    """A confidence interval at LEVEL."""

    lower: float
    upper: float


@dataclass(frozen=True)
class Comparison:
    """A model against a baseline. ratio: mean error over the baseline's; p_value: that neither is better, for other seeds and samples."""

    ratio: float
    interval: Interval
    p_value: float


@dataclass(frozen=True)
class Ranking:
    """Models over tasks. ranks: the average place, 1 the best.

    critical_difference: average ranks that are nearer than this are not told apart (Nemenyi's test at 1 - LEVEL).
    """

    ranks: dict[str, float]
    critical_difference: float | None


@dataclass(frozen=True)
class Profile:
    """A model's error over the best error of each task, ascending; infinite where it diverged or was not run."""

    factors: tuple[float, ...]

    def within(self, factor: float) -> int:
        """The number of tasks on which the error is at most `factor` times the best one."""
        return sum(own <= factor for own in self.factors)


def summarize(errors: Sequence[float | None]) -> Summary:
    """Mean and standard deviation of one error a seed."""
    values = _finite_or_infinite(errors)
    diverged = sum(map(math.isinf, values))
    enough = len(values) >= MIN_SEEDS and not diverged
    return Summary(
        mean=math.inf if diverged or not values else math.fsum(values) / len(values),
        deviation=_deviation(values) if enough else None,
        seeds=len(values),
        diverged=diverged,
    )


def interval(errors: Errors) -> Interval | None:
    """Where the mean error lies, were other seeds and other test samples drawn; None below three seeds, and where an error is not finite.

    Welch's t of the mean's logarithm. Seeds and samples are crossed, both random, and their variances add up (Clark, J. Verbal Learn.
    Verbal Behav. 12 (1973)). Three seeds leave few degrees of freedom, which no number of samples makes more: a bootstrap knows of none.
    """
    table = _table(errors)
    if table is None:
        return None
    mean = float(table.mean())
    if mean == 0:
        return Interval(0.0, 0.0)
    return _between(mean, *_uncertainty((table / mean).mean(1), (table / mean).mean(0)))


def compare(errors: Errors, baseline: Errors) -> Comparison | None:
    """A model against a baseline on the same samples, each with seeds of its own; None as in `interval`, and where both are equal, or one
    has no error at all.

    As `interval`, of the ratio of means, paired by samples: a test over samples alone would take two trainings of one model for two models.
    """
    own, other = _table(errors), _table(baseline)
    if own is None or other is None:
        return None
    if own.shape[1] != other.shape[1]:
        raise ValueError(f"compare: expected errors of the same samples, got {own.shape[1]} and {other.shape[1]}")
    if not own.any() or not other.any() or (own.mean(0) == other.mean(0)).all():
        return None
    ratio, own, other = float(own.mean() / other.mean()), own / own.mean(), other / other.mean()
    error, freedom = _uncertainty(own.mean(1), other.mean(1), own.mean(0) - other.mean(0))
    p_value = 2 * _special().stdtr(freedom, -abs(math.log(ratio)) / error) if error else float(ratio == 1)
    return Comparison(ratio, _between(ratio, error, freedom), float(p_value))


def _uncertainty(*parts: np.ndarray) -> tuple[float, float]:
    """Standard error of a sum of independent means, and its degrees of freedom; source: Welch, Biometrika 34 (1947)."""
    varying = [part for part in parts if len(part) > 1 and np.ptp(part) > ROUNDING]
    if not varying:
        return 0.0, 1.0
    variances = np.array([part.var(ddof=1) / len(part) for part in varying])
    freedom = np.array([len(part) - 1 for part in varying])
    return math.sqrt(variances.sum()), float(variances.sum() ** 2 / (variances**2 / freedom).sum())


def _between(value: float, error: float, freedom: float) -> Interval:
    """At LEVEL, around a value that is known so well, relatively."""
    reach = float(_special().stdtrit(freedom, (1 + LEVEL) / 2)) * error if error else 0.0
    return Interval(value * math.exp(-reach), value * math.exp(reach))


def ranking(groups: Sequence[Sequence[Mapping[str, float]]], models: Sequence[str]) -> Ranking:
    """Average places by error; a model that a task has no error of is the last there. Source: Demsar, J. Mach. Learn. Res. 7 (2006).

    groups: of tasks on the same data, which are not independent: their places are averaged first, and groups are counted, not tasks. No
    difference is told of fewer than three models or two groups.
    """
    k, n = len(models), len(groups)
    means = np.array([np.mean([_places(errors, models) for errors in group], 0) for group in groups]).reshape(n, k).sum(0) / max(n, 1)
    apart = _studentized_range(k) / math.sqrt(2) * math.sqrt(k * (k + 1) / (6 * n)) if k >= 3 and n >= 2 else None
    return Ranking(dict(zip(models, means.tolist(), strict=True)), apart)


def _places(errors: Mapping[str, float], models: Sequence[str]) -> np.ndarray:
    """From 1 on; equal ones share theirs."""
    own = np.array(_finite_or_infinite([errors.get(model) for model in models]))
    return (own < own[:, None]).sum(1) + ((own == own[:, None]).sum(1) + 1) / 2


def _studentized_range(groups: int) -> float:
    """Its quantile at LEVEL for infinite degrees of freedom; scipy.stats has it too, and takes half a second to import."""
    z = np.linspace(-9.0, 9.0, 2001)
    weights, below = np.exp(-z * z / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0]), _special().ndtr(z)
    lower, upper = 0.0, 20.0
    for _ in range(60):
        middle = (lower + upper) / 2
        held = groups * float(weights @ (below - _special().ndtr(z - middle)) ** (groups - 1))
        lower, upper = (middle, upper) if held < LEVEL else (lower, middle)
    return upper


def profiles(errors: Mapping[str, Mapping[str, float | None]]) -> dict[str, Profile]:
    """Performance profiles of models over all tasks, errors[model][task]; a task on which no model has a finite error says nothing.

    Source: Dolan and More, Math. Program. 91 (2002).
    """
    tasks = sorted({task for runs in errors.values() for task in runs})
    values = {model: _finite_or_infinite([runs.get(task) for task in tasks]) for model, runs in errors.items()}
    best = [min(column) for column in zip(*values.values(), strict=True)]
    return {
        model: Profile(tuple(sorted(_factor(own, least) for own, least in zip(row, best, strict=True) if math.isfinite(least))))
        for model, row in values.items()
        if any(map(math.isfinite, best))
    }


def _special() -> Any:
    """scipy.special, which takes a tenth of a second to import."""
    from scipy import special

    return special


def _deviation(values: Sequence[float]) -> float:
    """Of equal values exactly zero."""
    apart = [value - values[0] for value in values]
    mean = math.fsum(apart) / len(apart)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in apart) / (len(apart) - 1))


def _factor(error: float, best: float) -> float:
    return 1.0 if error == best else math.inf if best == 0 else error / best


def _finite_or_infinite(errors: Sequence[float | None]) -> list[float]:
    return [error if error is not None and math.isfinite(error) else math.inf for error in errors]


def _table(errors: Errors) -> np.ndarray | None:
    """(seed, sample); None where nothing may be said."""
    if len(errors) < MIN_SEEDS or any(None in seed for seed in errors):
        return None
    if len({len(seed) for seed in errors}) != 1 or not errors[0]:
        raise ValueError(f"statistics: expected as many samples for every seed, got {[len(seed) for seed in errors]}")
    table = np.array(errors, dtype=np.float64)
    return table if np.isfinite(table).all() else None
