"""What may be said of errors over seeds, samples and tasks; lists of numbers in, small frozen values out. None stands for a diverged run.

Below three seeds no interval and no test is given, since they would tell of the luck of one run.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np

MIN_SEEDS = 3
LEVEL = 0.95
RESAMPLES = 9999
NORMAL = NormalDist()
Errors = Sequence[Sequence[float | None]]  # by seed, the error of each sample: the same samples in the same order
Statistic = Callable[..., np.ndarray]  # of weights (member, resample), one array a factor, that sum to one -> (resample,)


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
    """A model against a baseline. ratio: mean error over the baseline's; p_value: of Wilcoxon's signed-rank test that neither is better."""

    ratio: float
    interval: Interval
    p_value: float


@dataclass(frozen=True)
class Ranking:
    """Models over tasks. ranks: the average place, 1 the best; p_value: of Friedman's test that all are alike.

    critical_difference: average ranks that are nearer than this are not told apart (Nemenyi's test at 1 - LEVEL).
    """

    ranks: dict[str, float]
    tasks: int
    p_value: float | None
    critical_difference: float | None


@dataclass(frozen=True)
class Profile:
    """A model's error over the best error of each task, ascending; infinite where it diverged or was not run."""

    factors: tuple[float, ...]

    def within(self, factor: float) -> float:
        """The part of the tasks on which the error is at most `factor` times the best one."""
        return sum(own <= factor for own in self.factors) / len(self.factors)


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
    """Where the mean error lies, were other seeds and other test samples drawn: BCa bootstrap over both.

    None below three seeds, and where an error is not finite. Source: Efron, J. Am. Stat. Assoc. 82 (1987), several samples as in
    scipy.stats.bootstrap; seeds and samples are crossed, so both are drawn anew (Owen, Ann. Appl. Stat. 1 (2007)).
    """
    table = _table(errors)
    return None if table is None else _bca(table.drawn("own"), table.mean, table.errors.shape)


def compare(errors: Errors, baseline: Errors) -> Comparison | None:
    """A model against a baseline on the same samples, each with seeds of its own; None as in `interval`, and where both are equal."""
    return compare_all([errors], baseline)[0]


def compare_all(models: Sequence[Errors], baseline: Errors) -> list[Comparison | None]:
    """`compare` of each model with the same baseline, whose tests are made in one call, as they take longer than all else."""
    other = _table(baseline)
    pairs = [(own, other) if own and other else None for own in map(_table, models)]
    pairs = [pair if pair and _differ(*pair) else None for pair in pairs]
    tests = iter(_signed_ranks([own.errors.mean(0) - other.errors.mean(0) for own, other in filter(None, pairs)]))
    return [pair and Comparison(*_ratio(*pair), next(tests)) for pair in pairs]


def _differ(own: "_Table", other: "_Table") -> bool:
    """Whether two tables may be compared; raises ValueError for other samples."""
    (_, samples), (_, theirs) = own.errors.shape, other.errors.shape
    if samples != theirs:
        raise ValueError(f"compare: expected errors of the same samples, got {samples} and {theirs}")
    return bool((own.errors.mean(0) != other.errors.mean(0)).any() and other.errors.any())


def _ratio(own: "_Table", other: "_Table") -> tuple[float, Interval]:
    """Of two mean errors, and its interval."""

    def ratio(seeds: np.ndarray, others: np.ndarray, samples: np.ndarray) -> np.ndarray:
        return own.mean(seeds, samples) / other.mean(others, samples)

    sizes = (*own.errors.shape[:1], *other.errors.shape)
    return float(own.errors.mean() / other.errors.mean()), _bca(own.drawn("own") / other.drawn("other"), ratio, sizes)


def _signed_ranks(differences: Sequence[np.ndarray]) -> list[float]:
    """p of Wilcoxon's signed-rank test of each; for sizes that are tied or zero scipy takes another method, for all it is given."""
    tied = [bool((np.diff(np.sort(np.abs(row)), prepend=0.0) == 0).any()) for row in differences]
    found: dict[int, float] = {}
    for rows in ([i for i, is_tied in enumerate(tied) if not is_tied], *([i] for i, is_tied in enumerate(tied) if is_tied)):
        if rows:
            test: Any = _scipy().wilcoxon(np.stack([differences[i] for i in rows]), axis=1)
            found |= zip(rows, map(float, test.pvalue), strict=True)
    return [found[i] for i in range(len(differences))]


def ranking(errors: Mapping[str, Mapping[str, float | None]]) -> Ranking:
    """Average ranks of models over the tasks that all were run on, errors[model][task]; a diverged run is infinitely wrong.

    No test with fewer than three models or two tasks. Source: Demsar, J. Mach. Learn. Res. 7 (2006).
    """
    models, tasks = list(errors), _shared(errors)
    if not tasks:
        return Ranking({}, 0, None, None)
    table = np.array([_finite_or_infinite([errors[model][task] for model in models]) for task in tasks])
    stats = _scipy()
    places = np.apply_along_axis(stats.rankdata, 1, table)
    k, n, alike = len(models), len(tasks), bool((places == places[:, :1]).all())
    if k < 3 or n < 2 or alike:
        return Ranking(dict(zip(models, map(float, places.mean(0)), strict=True)), n, None, None)
    return Ranking(
        ranks=dict(zip(models, map(float, places.mean(0)), strict=True)),
        tasks=n,
        p_value=float(stats.friedmanchisquare(*places.T).pvalue),
        critical_difference=float(stats.studentized_range.ppf(LEVEL, k, np.inf) / math.sqrt(2) * math.sqrt(k * (k + 1) / (6 * n))),
    )


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


def _scipy() -> Any:
    """scipy.stats, which takes a second to import: what tests nothing does without."""
    from scipy import stats

    return stats


def _deviation(values: Sequence[float]) -> float:
    """Of equal values exactly zero."""
    apart = [value - values[0] for value in values]
    mean = math.fsum(apart) / len(apart)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in apart) / (len(apart) - 1))


def _factor(error: float, best: float) -> float:
    return 1.0 if error == best else math.inf if best == 0 else error / best


def _shared(errors: Mapping[str, Mapping[str, float | None]]) -> list[str]:
    return sorted(set.intersection(*(set(runs) for runs in errors.values()))) if errors else []


def _finite_or_infinite(errors: Sequence[float | None]) -> list[float]:
    return [error if error is not None and math.isfinite(error) else math.inf for error in errors]


@dataclass(frozen=True)
class _Table:
    """errors: (seed, sample)."""

    errors: np.ndarray

    def mean(self, seeds: np.ndarray, samples: np.ndarray) -> np.ndarray:
        """(resample,): under weights (seed, resample) and (sample, resample)."""
        each = np.einsum("sn,nr->sr", self.errors, samples)  # by no BLAS, whose threads and last digits are the machine's
        return (each * seeds).sum(0)

    @cached_property
    def _each(self) -> np.ndarray:
        """(seed, resample): means over samples drawn anew, the same draws whatever the table."""
        return np.einsum("sn,nr->sr", self.errors, _weights("samples", self.errors.shape[1]))

    def drawn(self, role: str) -> np.ndarray:
        """(resample,): `mean` of seeds and samples drawn anew; tables in one role have the same draws, in others they are independent."""
        return (self._each * _weights(role, self.errors.shape[0])).sum(0)


def _table(errors: Errors) -> _Table | None:
    """None where nothing may be said."""
    if len(errors) < MIN_SEEDS or any(None in seed for seed in errors):
        return None
    if len({len(seed) for seed in errors}) != 1 or not errors[0]:
        raise ValueError(f"statistics: expected as many samples for every seed, got {[len(seed) for seed in errors]}")
    table = np.array(errors, dtype=np.float64)
    return _kept(table.tobytes(), len(table)) if np.isfinite(table).all() else None


@lru_cache(maxsize=64)
def _kept(content: bytes, seeds: int) -> _Table:
    """A table's interval, its comparison and others' with it need the same means."""
    return _Table(np.frombuffer(content).reshape(seeds, -1))


@lru_cache(maxsize=16)
def _weights(role: str, n: int) -> np.ndarray:
    """(member, resample), the same whenever they are asked for: drawing them takes longer than all that follows."""
    rng = np.random.default_rng([*role.encode(), n])
    return rng.multinomial(n, np.full(n, 1 / n), RESAMPLES).T / n


def _bca(drawn: np.ndarray, statistic: Statistic, sizes: Sequence[int]) -> Interval:
    """The interval of a statistic whose factors (seeds, samples, ...) were resampled independently of each other, (resample,) `drawn`."""
    even = [np.full((n, 1), 1 / n) for n in sizes]
    observed = statistic(*even)[0]
    near = 1e-12 * abs(observed)  # equal but for rounding, which is the machine's
    if np.ptp(drawn) <= near:
        return Interval(float(observed), float(observed))
    below = ((drawn < observed - near).mean() + (drawn <= observed + near).mean()) / 2
    bias = NORMAL.inv_cdf(min(max(below, 1 / RESAMPLES), 1 - 1 / RESAMPLES))
    cubes = squares = 0.0
    for place, n in enumerate(sizes):
        if n > 1:
            without = (1 - np.eye(n)) / (n - 1)
            left = statistic(*(without if i == place else np.repeat(weights, n, 1) for i, weights in enumerate(even)))
            influence = (n - 1) * (left.mean() - left)
            cubes, squares = cubes + (influence**3).sum() / n**3, squares + (influence**2).sum() / n**2
    skew = cubes / (6 * squares**1.5) if squares > 0 else 0.0
    tails = [NORMAL.inv_cdf(part) + bias for part in ((1 - LEVEL) / 2, (1 + LEVEL) / 2)]
    lower, upper = np.quantile(drawn, [NORMAL.cdf(bias + tail / (1 - skew * tail)) for tail in tails])
    return Interval(float(lower), float(upper))
