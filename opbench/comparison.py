"""A model against others on the same tasks: who wins where, by how much and how surely, at what cost; and where the model is weak."""

import statistics as numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opbench.evaluation import OUT, evaluate
from opbench.leaderboard.table import METRIC, mean
from opbench.planning import planned
from opbench.record import Record, shelf, shipped
from opbench.statistics import LEVEL, MIN_SEEDS, Comparison, compare

WORST = 3  # samples that are named
ROUND_OFF = 1e-5  # of a model's error, below which another's is none, as a linear map's is in what it conserves
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
        return self.mine[0].model


def contest(
    model: str | type,
    against: Sequence[str],
    task: str,
    *,
    seeds: int = 3,
    settings: Mapping[str, Any] | None = None,
    out: str | Path = OUT,
    run: Runner = evaluate,
    **options: Any,
) -> Contest:
    """Train what has no record yet, of this model with `settings` and of the others with their own; the rest is read.

    A record is taken where its fingerprint is the one that the run would have, and the device is of the same kind.
    options: as in `evaluate`. Raises OpbenchError and its kinds, before anything is trained where a model does not fit.
    """
    held = {(r.fingerprint, _device(r)): r for r in shelf(shipped(), Path(out) / "records").records}
    models = {model: settings or {}} | {other: {} for other in against}
    known = {key: options[key] for key in ("loss", "labels", "scale", "device") if key in options}
    plans = {(name, seed): planned(name, task, seed=seed, settings=own, **known) for name, own in models.items() for seed in range(seeds)}
    there = {key: held.get((plan.identity, plan.place)) for key, plan in plans.items()}
    runs = {
        name: tuple(
            there[name, seed] or run(name, task, seed=seed, settings=own, out=out, **options)
            for seed in range(seeds)
            if seed == 0 or any(p.requires_grad for p in plans[name, seed].operator.parameters())  # else all seeds are alike
        )
        for name, own in models.items()
    }
    chosen = plans[model, 0].chosen
    used = {r.fingerprint for every in runs.values() for r in every}
    reused = sum(r is not None and r.fingerprint in used for r in there.values())
    return Contest(chosen.name, chosen.scale, runs.pop(model), runs, reused)  # pyright: ignore[reportArgumentType]


def _device(record: Record) -> str:
    return record.machine.device.partition(":")[0]


def text(held: Contest) -> str:
    """The contest in words and numbers, for a terminal."""
    rows = table(held)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    told = f"{held.task}, {held.scale}: {verdict(held)} ({held.reused} of the runs were there already)"
    return "\n".join([told, *lines, *caveats(held), *weaknesses(held), ""])


def table(held: Contest) -> list[tuple[str, ...]]:
    """A row of heads, then one for each model, the contest's own first."""
    heads = ("model", "test", f"{METRIC} over {held.model}'s", f"{LEVEL:.0%} interval", "p", "parameters", "training", "latency")
    return [heads, _row(held, held.model, held.mine), *(_row(held, name, runs) for name, runs in held.others.items())]


def caveats(held: Contest) -> list[str]:
    """What the numbers do not tell."""
    few = [] if len(held.mine) >= MIN_SEEDS else [f"fewer than {MIN_SEEDS} seeds: no interval and no test is given"]
    return [*few, *machines(held)]


def _row(held: Contest, name: str, runs: Runs) -> tuple[str, ...]:
    error, own = mean(runs, "test"), mean(held.mine, "test")
    found = None if runs is held.mine else _against(held.mine, runs)
    return (
        name,
        "diverged" if error is None else f"{error:.4g}",
        "" if runs is held.mine or not (error and own) else f"{error / own:.3g}",
        "" if found is None else f"{1 / found.interval.upper:.3g} to {1 / found.interval.lower:.3g}",
        "" if found is None else f"{found.p_value:.1g}",
        f"{runs[0].parameters:,}",
        f"{numbers.median(r.seconds['training_wall'] for r in runs):.3g} s",
        _latency(runs),
    )


def _latency(runs: Runs) -> str:
    """Of one sample, the faster of eager and compiled, where it was measured."""
    found = [r.cost.seconds("alone") for r in runs if r.cost]
    return f"{1e3 * numbers.median(found):.3g} ms" if found else ""


def _against(mine: Runs, others: Runs, split: str = "test", metric: str = METRIC) -> Comparison | None:
    """None where fewer than three seeds, or other samples, leave nothing to say."""
    tables = [[r.per_sample.get(split, {}).get(metric, []) for r in runs if r.status != "diverged"] for runs in (mine, others)]
    if len({len(row) for table in tables for row in table}) != 1:
        return None
    return compare(*tables)


def verdict(held: Contest) -> str:
    """Who wins: by the interval of the ratio of errors where there is one, by the means alone otherwise."""
    better, worse, open_ = [], [], []
    own = mean(held.mine, "test")
    for name, runs in held.others.items():
        error, found = mean(runs, "test"), _against(held.mine, runs)
        if own is None or error is None:
            (worse if own is None else better).append(name)
        elif found is not None and found.interval.lower <= 1 <= found.interval.upper:
            open_.append(name)
        else:
            (better if own < error else worse).append(name)
    parts = (("better than", better), ("worse than", worse), ("not told apart from", open_))
    told = [f"{words} {', '.join(names)}" for words, names in parts if names]
    return f"{held.model} is {'; '.join(told) or 'alone'}"


def machines(held: Contest) -> list[str]:
    """A warning where seconds were taken on machines that are not alike."""
    found = {f"{r.machine.name}, {r.machine.threads} threads" for runs in (held.mine, *held.others.values()) for r in runs}
    return [f"seconds cannot be compared: they are of {'; '.join(sorted(found))}"] if len(found) > 1 else []


def weaknesses(held: Contest) -> list[str]:
    """Where the model is weak: its worst samples, other splits, other metrics, roll-outs; each beside the best of the others."""
    return [*_worst(held), *_splits(held), *_metrics(held), *_rollouts(held)]


def by_sample(runs: Runs, split: str = "test", metric: str = METRIC) -> list[float]:
    """Each sample's error, the mean over the seeds that did not diverge; infinite where one is."""
    rows = [r.per_sample[split][metric] for r in runs if r.status != "diverged" and metric in r.per_sample.get(split, {})]
    return [numbers.fmean(float("inf") if value is None else value for value in column) for column in zip(*rows, strict=True)]


def _worst(held: Contest) -> list[str]:
    errors = by_sample(held.mine)
    order = sorted(range(len(errors)), key=lambda i: -errors[i])[:WORST]
    return (
        [f"worst samples of test: {', '.join(f'{i} ({errors[i]:.3g})' for i in order)}; median {numbers.median(errors):.3g}"]
        if errors
        else []
    )


def _splits(held: Contest) -> list[str]:
    lines = []
    for split in ("ood", "finer"):
        ratios = {name: _growth(runs, split) for name, runs in {held.model: held.mine, **held.others}.items()}
        told = ", ".join(f"{name} {ratio:.3g}" for name, ratio in ratios.items() if ratio is not None)
        if ratios[held.model] is not None:
            lines.append(f"error on {split} over that on test: {told}")
    return lines


def _growth(runs: Runs, split: str) -> float | None:
    there, here = mean(runs, split), mean(runs, "test")
    return there / here if there is not None and here else None


def _metrics(held: Contest) -> list[str]:
    """Metrics in which one of the others is better by more than in METRIC."""
    names = sorted({metric for r in held.mine for metric in r.scores.get("test", {})} - {METRIC})
    lines, usual = [], _best(held, METRIC)
    for metric in names:
        found = _best(held, metric)
        if found is not None and usual is not None and found[1] > max(1.0, usual[1]):
            lines.append(f"{metric}: {found[1]:.3g} times that of {found[0]}")
    return [f"weaker than elsewhere: {'; '.join(lines)}"] if lines else []


def _best(held: Contest, metric: str) -> tuple[str, float] | None:
    """The best of the others, and how many times its error the model's is."""
    own = mean(held.mine, "test", metric)
    if own is None:
        return None
    errors = {name: error for name, runs in held.others.items() if (error := mean(runs, "test", metric)) and error > ROUND_OFF * own}
    if not errors:
        return None
    name = min(errors, key=lambda other: errors[other])
    return name, own / errors[name]


def _rollouts(held: Contest) -> list[str]:
    rolled = {name: runs[0].rollouts["test"] for name, runs in {held.model: held.mine, **held.others}.items() if "test" in runs[0].rollouts}
    told = "; ".join(
        f"{name} stable {r.stable:.0%}, correlated until {r.correlation_time:.3g}" for name, r in rolled.items() if r.correlation_time
    )
    return [f"roll-out on test: {told}"] if told else []


def summary(records: Sequence[Record], others: Sequence[Record]) -> str:
    """New runs of one model against the stored ones of the same table and device that have the task's own budget."""
    first = records[0]
    rivals: dict[str, dict[int, Record]] = {}
    for record in sorted(others, key=lambda r: r.date):
        own_budget = not record.changes and record.loss == "data" and record.labels is None
        if _table(record) == _table(first) and record.configuration != first.configuration and own_budget:
            rivals.setdefault(record.model, {})[record.seed] = record
    held = Contest(first.task, first.scale, tuple(records), {name: tuple(runs.values()) for name, runs in sorted(rivals.items())}, 0)
    return "\n".join([verdict(held), *machines(held), *weaknesses(held)])


def _table(record: Record) -> tuple[Any, ...]:
    return record.task, record.task_version, record.scale, record.data_fingerprint, _device(record)
