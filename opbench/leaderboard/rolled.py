"""What tables tell of a step task's roll-outs on test: columns beside the errors of single steps."""

import math
import statistics
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import NamedTuple

from opbench.leaderboard.words import METRIC, spread
from opbench.records.record import Record, Rollout


class Column(NamedTuple):
    """about: what it tells; of: one roll-out; form: how it is written."""

    about: str
    of: Callable[[Rollout], float | None]
    form: Callable[[float], str]


ROLL_OUT = "roll-out"
ROLLED = {
    ROLL_OUT: Column("relative L2 error at the last stored time", lambda r: (r.errors.get(METRIC) or (None,))[-1], "{:.4g}".format),
    "correlated until": Column(
        "time in s at which the correlation falls below 0.8, or the last", lambda r: r.correlation_time, "{:.3g}".format
    ),
    "stable": Column("part of the samples that stay bounded over four times as long", lambda r: r.stable, "{:.0%}".format),
}
ABOUT_ROLLED = f"Of a model that is fed its own output: {'; '.join(f'{head}, {column.about}' for head, column in ROLLED.items())}."


def rolled(runs: Sequence[Record], head: str) -> float | None:
    """One of ROLLED, the mean over the seeds that did not diverge; infinite where one is not finite, None where nothing was rolled."""
    found = _each(runs, head)
    return sum(found) / len(found) if found else None


def rolled_cell(runs: Sequence[Record], head: str) -> str:
    found = rolled(runs, head)
    if found is None or math.isinf(found):
        return "-" if found is None else "not finite"
    return f"{ROLLED[head].form(found)}{spread(_each(runs, head)) if head == ROLL_OUT else ''}"


def growth(runs: Sequence[Record]) -> list[tuple[float, float]]:
    """(time, error): the median over seeds of the mean over samples; times without one are left out."""
    found = [r.rollouts["test"] for r in runs if "test" in r.rollouts]
    errors = zip_longest(*(r.errors.get(METRIC, ()) for r in found))
    known = ((time, [error for error in at if error]) for time, at in zip(found[0].times if found else (), errors, strict=False))
    return [(time, statistics.median(values)) for time, values in known if values]


def _each(runs: Sequence[Record], head: str) -> list[float]:
    found = [ROLLED[head].of(r.rollouts["test"]) for r in runs if r.status != "diverged" and "test" in r.rollouts]
    return [math.inf if value is None else value for value in found]
