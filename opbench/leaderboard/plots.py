"""What the page draws: performance profiles over all tasks, and for each table error against costs and against time."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from opbench.leaderboard.figures import LEFT, WIDTH, Axis, axes, lines, scatter
from opbench.leaderboard.markup import Markup, element
from opbench.leaderboard.rolled import growth
from opbench.leaderboard.table import diverged, mean, middle, name
from opbench.records.record import Record
from opbench.statistics import Profile

RATIO = 20.0  # where the performance profile ends
Runs = Sequence[Record]


def profiles(found: Mapping[str, Profile], colours: Mapping[str, int]) -> Markup | None:
    """By model: on which part of the tables its error is at most so many times the least (Dolan and Moré, 2002)."""
    tables = max((len(profile.factors) for profile in found.values()), default=0)
    if tables < 2:
        return None
    series = {}
    for model, profile in found.items():
        points = [(factor, (i + 1) / tables) for i, factor in enumerate(profile.factors) if factor <= RATIO]
        series[model] = [(1.0, 0.0), *points, (RATIO, points[-1][1] if points else 0.0)]
    x = Axis("error over the task's least error", 1.0, RATIO, LEFT, WIDTH - 16)
    y = Axis("part of the tasks", 0.0, 1.0, 278, 14, log=False)
    words = f"How often a model is near the best: over {tables} tables, the part on which its error is at most so many times the least. "
    more = "A run that diverged or is missing counts as never."
    return element(
        "div",
        element("figure", lines("Performance profiles", series, colours, x, y, steps=True), element("figcaption", words + more)),
        class_="figures",
    )


def figures(groups: Sequence[Runs], colours: Mapping[str, int]) -> Markup | None:
    shown = [runs for runs in groups if not diverged(runs)]
    drawn = [_pareto(shown, colours, *axis) for axis in PARETO]
    found = [figure for figure in (*drawn, _growth(shown, colours)) if figure is not None]
    return element("div", found, class_="figures") if found else None


PARETO = (
    ("training time in s", lambda runs: median(run.training_seconds for run in runs)),
    ("latency of one sample in ms", lambda runs: latency(middle(runs))),
    ("parameters", lambda runs: runs[0].parameters),
)


def _pareto(groups: Sequence[Runs], colours: Mapping[str, int], label: str, cost: Any) -> Markup | None:
    """Each model and each of its settings once, trained by the data and all labels, or where it was not, by what errs least."""
    points, shades, drawn = {}, {}, set()
    for runs in sorted(groups, key=lambda runs: (runs[0].loss != "data", runs[0].labels is not None)):
        error, price, title = mean(runs, "test"), cost(runs), _title(runs[0])
        if error and (own := name(runs[0])) not in drawn:
            drawn.add(own)
            if price:
                points[title], shades[title] = (price, error), colours[runs[0].model]
    if len(points) < 2:
        return None
    words = (
        f"Relative L2 error on test against {label}, whatever is chosen above; the dashed line joins models that no other beats in both."
    )
    return element("figure", scatter(f"Error and {label}", points, shades, label, "relative L2 error"), element("figcaption", words))


def _title(record: Record) -> str:
    return name(record) if record.loss == "data" else f"{name(record)}, {loss(record)}"


def _growth(groups: Sequence[Runs], colours: Mapping[str, int]) -> Markup | None:
    """Error against time of roll-outs on test, the median over seeds."""
    series, shades = {}, {}
    for runs in groups:
        points, title = growth(runs), _title(runs[0])
        if len(points) > 1 and title not in series:
            series[title], shades[title] = points, colours[runs[0].model]
    if not series:
        return None
    x, y = axes([point for points in series.values() for point in points], "time in s", "relative L2 error", log_x=False)
    words = "Relative L2 error on test of a model fed its own output, against time; median over seeds of the mean over samples."
    return element("figure", lines("Error against time", series, shades, x, y), element("figcaption", words))


def loss(record: Record) -> str:
    return f"{record.loss}, {record.labels} labels" if record.labels else record.loss


def latency(record: Record | None) -> float | None:
    return 1e3 * record.cost.seconds("alone") if record and record.cost else None
