"""A model against others on the same tasks: who wins where, by how much and how surely, at what cost; and where the model is weak."""

import statistics as numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opbench.config import printable
from opbench.errors import ConfigError
from opbench.evaluation.evaluate import OUT, evaluate
from opbench.evaluation.planning import planned
from opbench.leaderboard.rolled import ROLL_OUT, ROLLED, rolled_cell
from opbench.leaderboard.table import METRIC, cost_cells, diverged, errors, is_plain, key, mean, middle, saturated, values
from opbench.leaderboard.table import name as with_settings
from opbench.leaderboard.words import aligned, probability, spread
from opbench.records.record import Record
from opbench.records.shelf import shelf, shipped
from opbench.statistics import LEVEL, MIN_SEEDS, Comparison, compare

WORST = 3  # samples that are named
ROUND_OFF = 1e-5  # of a model's error, below which another's is none, as a linear map's is in what it conserves
OUTCOMES = ("better than", "worse than", "not told apart from")
COSTS = {"latency": "latency", "throughput": "throughput", "ratio alone, batched": "solver alone, batched"}
Runs = tuple[Record, ...]
Runner = Callable[..., Record]  # evaluate's signature


@dataclass(frozen=True)
class Contest:
    """Runs of one model and of others on one task, by seed; reused: how many of them were there already."""

    task: str
    scale: str
    mine: Runs
    others: dict[str, Runs]
    reused: int

    @property
    def model(self) -> str:
        """As tables call it, with what was set."""
        return with_settings(self.mine[0])

    @property
    def every(self) -> dict[str, Runs]:
        """The contest's own model first."""
        return {self.model: self.mine, **self.others}


def contests(
    model: str | type,
    against: Sequence[str],
    tasks: Sequence[str],
    *,
    seeds: int = 3,
    settings: Mapping[str, Any] | None = None,
    out: str | Path = OUT,
    run: Runner = evaluate,
    **options: Any,
) -> list[Contest]:
    """Train what has no record yet, of this model with `settings` and of the others with their own; the rest is read.

    A record is taken where its fingerprint is the one that the run would have, and the device is of the same kind.
    options: as in `evaluate`. Raises OpbenchError and its kinds, before anything is trained where a model does not fit a task.
    """
    if not tasks:
        raise ConfigError("tasks: expected one or more, got none; name datasets, or dataset/kind")
    if model in against and not settings:
        raise ConfigError(f"against: expected other models than {model}, or settings of its own to set it apart; got it itself")
    models = [(model, settings or {}), *((other, {}) for other in dict.fromkeys(against))]
    known = {key: options[key] for key in ("loss", "labels", "scale", "device") if key in options}
    wanted = {
        task: [_wanted(name, own, task, seeds, known) for name, own in models] for task in tasks
    }  # of all tasks before the first training
    held = {(r.fingerprint, r.machine.kind): r for r in shelf(shipped(), Path(out) / "records").records}
    found = []
    for task, keys in wanted.items():
        mine, *others = (
            tuple(held.get(key) or run(name, task, seed=seed, settings=own, out=out, **options) for seed, key in enumerate(of_model))
            for (name, own), of_model in zip(models, keys, strict=True)
        )
        reused = sum(key in held for of_model in keys for key in of_model)
        found.append(Contest(mine[0].task, mine[0].scale, mine, dict(zip(dict.fromkeys(against), others, strict=True)), reused))
    return found


def _wanted(model: str | type, settings: Mapping[str, Any], task: str, seeds: int, known: Mapping[str, Any]) -> list[tuple[str, str]]:
    """By seed: the fingerprint of the run's record, and the kind of device. One seed where nothing is trained and all are the same run."""
    plans = (planned(model, task, seed=seed, settings=settings, **known) for seed in range(seeds))
    first = next(plans)
    alike = not any(p.requires_grad for p in first.operator.parameters())
    return [(plan.identity, plan.place) for plan in ([first] if alike else [first, *plans])]


def text(held: Contest) -> str:
    """The contest in words and numbers, for a terminal."""
    told = f"{held.task}, {held.scale}: {verdict(held)} ({held.reused} of the runs were there already)"
    lines = [told, heading(held), *aligned(table(held)), *caveats(held), *weaknesses(held), ""]
    return "\n".join(map(printable, lines))


def table(held: Contest) -> list[tuple[str, ...]]:
    """A row of heads, then one for each model, the contest's own first; `heading` says what they mean."""
    heads = ("model", "test", "ratio", f"{LEVEL:.0%} interval", "p", "parameters", "training", *COSTS.values())
    return [heads, _row(held, held.model, held.mine), *(_row(held, name, runs) for name, runs in held.others.items())]


def heading(held: Contest) -> str:
    """What the columns of `table` are."""
    about = f"test: mean {METRIC}; ratio: of {held.model}'s test error over the row's, with its interval, and p that neither is better"
    return f"{about}; solver: our own that errs no more, its time over the model's"


def caveats(held: Contest) -> list[str]:
    """What the numbers do not tell."""
    short = [name for name, runs in held.every.items() if len(errors(runs)) < MIN_SEEDS]
    few = [f"fewer than {MIN_SEEDS} seeds of {', '.join(short)}: no interval and no test is given"] if short else []
    lost = [f"{diverged(runs)} of {len(runs)} runs of {name} diverged" for name, runs in held.every.items() if diverged(runs)]
    means = {name: mean(runs, "test") for name, runs in held.every.items()}
    close = [name for name, error in means.items() if error is not None and saturated(held.every[name][0], "test", error)]
    near = [f"within twice the data's own error, and so not told apart by it: {', '.join(close)}"] if close else []
    return [*few, *lost, *near, *machines(held)]


def _row(held: Contest, name: str, runs: Runs) -> tuple[str, ...]:
    error, own = mean(runs, "test"), mean(held.mine, "test")
    found = None if runs is held.mine else _against(held.mine, runs)
    cells = cost_cells(middle(runs))
    return (
        name,
        "diverged" if error is None else f"{error:.4g}{spread(values(runs, 'test'))}",
        "" if runs is held.mine or not (error and own) else f"{own / error:.3g}",
        "" if found is None else f"{found.interval.lower:.3g} to {found.interval.upper:.3g}",
        "" if found is None else probability(found.p_value).removeprefix("= "),
        f"{runs[0].parameters:,}",
        f"{numbers.median(run.training_seconds for run in runs):.3g} s",
        *(cells[head] for head in COSTS),
    )


def _against(mine: Runs, others: Runs, metric: str = METRIC) -> Comparison | None:
    """None where fewer than three seeds, one that diverged, or other samples leave nothing to say."""
    tables = [errors(runs, "test", metric) for runs in (mine, others)]
    return compare(*tables) if len({len(row) for table in tables for row in table}) == 1 else None


def verdict(held: Contest) -> str:
    """Who wins."""
    parts = [(words, [name for name in held.others if outcome(held, name) == words]) for words in OUTCOMES]
    told = [f"{words} {', '.join(names)}" for words, names in parts if names]
    return f"{held.model} is {'; '.join(told) or 'alone'}"


def outcome(held: Contest, other: str) -> str:
    """One of OUTCOMES: by the interval of the ratio of errors where there is one, by the means alone otherwise."""
    better, worse, alike = OUTCOMES
    own, error, found = mean(held.mine, "test"), mean(held.others[other], "test"), _against(held.mine, held.others[other])
    if own is None or error is None:
        return worse if own is None else better
    if own == error or (found is not None and found.interval.lower <= 1 <= found.interval.upper):
        return alike
    return better if own < error else worse


def overall(held: Sequence[Contest]) -> list[str]:
    """One model's contests on several tasks, counted: a line for each of the others; none for a single task."""
    return [_counted(held, other) for other in held[0].others] if len(held) > 1 else []


def _counted(held: Sequence[Contest], other: str) -> str:
    found = [outcome(one, other) for one in held]
    told = ", ".join(f"{words} it on {found.count(words)}" for words in OUTCOMES if words in found)
    means = [(mean(one.mine, "test"), mean(one.others[other], "test")) for one in held]
    ratios = [own / theirs for own, theirs in means if own and theirs]
    known = len(ratios) == len(held)
    by_how_much = f"; its error over that of {other}: {numbers.geometric_mean(ratios):.3g}, a geometric mean" if known else ""
    return f"{other}, {len(held)} tasks: {held[0].model} is {told}{by_how_much}"


def machines(held: Contest) -> list[str]:
    """A warning where seconds were taken on machines that are not alike."""
    found = {r.machine.words for runs in (held.mine, *held.others.values()) for r in runs}
    return [f"seconds cannot be compared: they are of {'; '.join(sorted(found))}"] if len(found) > 1 else []


def weaknesses(held: Contest) -> list[str]:
    """Where the model is weak: its worst samples, other splits, other metrics, roll-outs; each beside the best of the others."""
    return [*_worst(held), *_splits(held), *_metrics(held), *_rollouts(held)]


def by_sample(runs: Runs) -> list[float]:
    """Each test sample's error, the mean over the seeds that did not diverge; infinite where one is."""
    rows = [r.per_sample["test"][METRIC] for r in runs if r.status != "diverged" and METRIC in r.per_sample.get("test", {})]
    return [numbers.fmean(float("inf") if value is None else value for value in column) for column in zip(*rows, strict=True)]


def _worst(held: Contest) -> list[str]:
    found = by_sample(held.mine)
    order = sorted(range(len(found)), key=lambda i: -found[i])[:WORST]
    told = ", ".join(f"{i} ({found[i]:.3g})" for i in order)
    return [f"worst samples of test: {told}; median {numbers.median(found):.3g}"] if found else []


def _splits(held: Contest) -> list[str]:
    lines = []
    for split in ("ood", "finer"):
        ratios = {name: _growth(runs, split) for name, runs in held.every.items()}
        told = ", ".join(f"{name} {ratio:.3g}" for name, ratio in ratios.items() if ratio is not None)
        if ratios[held.model] is not None:
            lines.append(f"error on {split} over that on test: {told}")
    return lines


def _growth(runs: Runs, split: str) -> float | None:
    there, here = mean(runs, split), mean(runs, "test")
    return there / here if there is not None and here else None


def _metrics(held: Contest) -> list[str]:
    """Metrics in which one of the others is better by more than in METRIC, and not by the luck of the samples."""
    names = sorted({metric for r in held.mine for metric in r.scores.get("test", {})} - {METRIC})
    lines, usual = [], _best(held, METRIC)
    for metric in names:
        found = _best(held, metric)
        power = 2 if metric == "correlation_error" else 1  # 1 - correlation grows with the square of an error
        if found is not None and usual is not None and _is_told_apart(held, *found, metric, max(1.0, usual[1]) ** power):
            lines.append(f"{metric}: {found[1]:.3g} times that of {found[0]}")
    return [f"weaker than elsewhere: {'; '.join(lines)}"] if lines else []


def _is_told_apart(held: Contest, other: str, ratio: float, metric: str, usual: float) -> bool:
    """Whether the ratio of errors is above the usual one, by its interval where there is one."""
    found = _against(held.mine, held.others[other], metric=metric)
    return (ratio if found is None else found.interval.lower) > usual


def _best(held: Contest, metric: str) -> tuple[str, float] | None:
    """The best of the others, and how many times its error the model's is."""
    own = mean(held.mine, "test", metric)
    if own is None:
        return None
    others = {name: error for name, runs in held.others.items() if (error := mean(runs, "test", metric)) and error > ROUND_OFF * own}
    if not others:
        return None
    name = min(others, key=lambda other: others[other])
    return name, own / others[name]


def _rollouts(held: Contest) -> list[str]:
    cells = {name: {head: rolled_cell(runs, head) for head in ROLLED} for name, runs in held.every.items()}
    told = "; ".join(f"{name} {', '.join(map(' '.join, found.items()))}" for name, found in cells.items() if found[ROLL_OUT] != "-")
    return [f"fed its own output on test: {told}"] if told else []


def summary(records: Sequence[Record], others: Sequence[Record]) -> str:
    """New runs of one model against the stored ones of the same table and device that have the task's own budget."""
    first = records[0]
    found: dict[str, dict[int, Record]] = {}
    for record in sorted(others, key=lambda r: r.date):
        if key(record) == key(first) and record.configuration != first.configuration and is_plain(record):
            found.setdefault(record.configuration, {})[record.seed] = record
    newest = sorted(found.values(), key=lambda runs: max(r.date for r in runs.values()))
    rivals = {_apart(next(iter(runs.values())), first): tuple(runs.values()) for runs in newest}  # of several states of a file the last
    held = Contest(first.task, first.scale, tuple(records), dict(sorted(rivals.items())), 0)
    return "\n".join([verdict(held), *caveats(held), *weaknesses(held)])


def _apart(rival: Record, record: Record) -> str:
    """The rival's name, by its loss or its source where that alone tells it from the record: an earlier state of the same file."""
    own = with_settings(rival)
    if own != with_settings(record):
        return own
    if rival.source_sha256 != record.source_sha256:
        return f"{own} (source {rival.source_sha256[:8]})"
    earlier = rival.loss == record.loss and rival.loss_source_sha256
    return f"{own} by {rival.loss}" + (f" (source {earlier[:8]})" if earlier else "")
