"""Records -> Markdown: one table for every task, version, scale, state of the data and kind of device; a row for every configuration.

All tables of a dataset stand in one file. Rows are ranked by error. Seconds are those of the row's
machine: where a table has several, letters keep them apart.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from opbench.atomic import write_bytes
from opbench.config import printable
from opbench.leaderboard.rolled import ABOUT_ROLLED, ROLL_OUT, ROLLED, rolled_cell
from opbench.leaderboard.words import METRIC, aligned, plain, probability, rate, seconds, spread
from opbench.markdown import escaped, plain_table
from opbench.records.badge import Repeated
from opbench.records.ladder import Ladder, Rung
from opbench.records.record import TOGETHER, Machine, Match, Record, Way
from opbench.records.shelf import common
from opbench.statistics import MIN_SEEDS, Comparison, Interval, compare, interval

RESIDUAL = "physics_residual"
BASELINE = "fno"
INTERVAL, OVER = "95 % interval", f"over {BASELINE}'s"
ABOUT_ERRORS = "Mean relative L2 error over samples, then over seeds; from three seeds on ± their standard deviation"
ABOUT = (
    f"{ABOUT_ERRORS}, and the 95 % interval over seeds and samples (over samples where a model is fitted, not trained). Over "
    "fno's: mean test error over that of fno with its defaults, the interval, and p that neither is better, for other seeds and samples. "
    "Training: seconds of the processor's own clock where one thread did it all, else of the wall's."
)
ABOUT_FIELDS = (
    "The relative L2 error is of all fields together, each in its unit, so that the largest decides; nRMSE on test is the mean of each "
    "field's own relative error."
)
ABOUT_COST = (
    "Latency: seconds of one sample alone. Solver: our own on the rung of its ladder that errs no more than the row, and its seconds over "
    "the row's, so that below 1 it is the faster. ~: timed while the machine was busy."
)
ABOUT_BADGES = (
    "Verified: somebody else scored the checkpoints of all the row's runs, or retrained them too, and found their numbers; - is unverified."
)
EACH_FIELD = "nrmse"
ABOUT_HEADS = {EACH_FIELD: ABOUT_FIELDS, ROLL_OUT: ABOUT_ROLLED, "latency": ABOUT_COST, "verified": ABOUT_BADGES}
ALWAYS = ("model", "loss", "parameters", "test", "ood", "finer", "training", "seeds", "diverged", "device")  # others where they are known


@dataclass(frozen=True)
class Board:
    """The records that may stand in one table: same task, version, scale and data, and the same kind of device, "cpu" or "cuda"; and the
    solver's ladders for it."""

    task: str
    task_version: int
    scale: str
    data_fingerprint: str
    device: str
    records: tuple[Record, ...]
    ladders: tuple[Ladder, ...] = ()

    @property
    def dataset(self) -> str:
        return self.records[0].dataset

    @property
    def heading(self) -> str:
        """What all its records have in common, and the data's own error."""
        return f"{self.task}, {self.scale}{'' if self.device == 'cpu' else f', on {self.device}'} ({state(self)})"

    @cached_property
    def machines(self) -> list[Machine]:
        """Where its rows come from, the one with most runs first."""
        found = [record.machine for record in self.records]
        return sorted(dict.fromkeys(found), key=lambda machine: (-found.count(machine), str(machine)))

    def mark(self, machine: Machine) -> str:
        """What tells the machine's seconds from another's, nothing where there is no other."""
        return f" [{_letters(self.machines.index(machine))}]" if len(self.machines) > 1 and machine in self.machines else ""

    @cached_property
    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]], list[tuple | None]]:
        """Heads, ALWAYS and others where any row has them; cells by them: `configurations`, and among them the solver itself on the rungs
        that err no more than they do; and of each row what its runs have in common, None where it is the solver's."""
        return _table(self)

    @cached_property
    def surely(self) -> list[tuple[Interval | None, Comparison | None]]:
        """Of each of `configurations` where its test error lies, and how it compares with the first runs of BASELINE."""
        plain = [runs for runs in self.configurations if runs[0].model == BASELINE and is_plain(runs[0])]
        baseline = errors(min(plain, key=lambda runs: min(r.date for r in runs), default=[]))
        found = map(errors, self.configurations)
        return [(interval(own), compare(own, baseline)) for own in found]

    @cached_property
    def configurations(self) -> list[list[Record]]:
        """Runs that differ in their seed alone, best mean test error first; one that diverged in any seed stands behind the others."""
        groups: dict[tuple, list[Record]] = {}
        for record in self.records:
            groups.setdefault(_row_of(record), []).append(record)
        return sorted(groups.values(), key=_order)


def _letters(place: int) -> str:
    """A to Z, then AA as in spreadsheets."""
    more, last = divmod(place, 26)
    return (_letters(more - 1) if more else "") + chr(ord("A") + last)


def boards(records: Iterable[Record], ladders: Iterable[Ladder] = ()) -> list[Board]:
    """Records grouped into tables, and the newest ladder of every machine; a repeated run counts once, by its newest record."""
    groups: dict[tuple[str, int, str, str, str], dict[tuple, Record]] = {}
    for record in sorted(records, key=lambda r: r.date):
        groups.setdefault(key(record), {})[record.fingerprint, str(record.machine), record.tuned] = record
    climbed: dict[tuple[str, int, str, str, str], dict[str, Ladder]] = {}
    for ladder in sorted(ladders, key=lambda found: found.date):
        climbed.setdefault(key(ladder), {})[str(ladder.machine)] = ladder
    return [Board(*key, tuple(group.values()), tuple(climbed.get(key, {}).values())) for key, group in sorted(groups.items())]


def key(found: Record | Ladder) -> tuple[str, int, str, str, str]:
    """Equal for what stands in one table."""
    return found.task, found.task_version, found.scale, found.data_fingerprint, found.machine.kind


def _row_of(record: Record) -> tuple:
    """Equal for runs that stand in one row."""
    return record.configuration, str(record.machine), record.tuned


def _order(runs: Sequence[Record]) -> tuple[int, float, str]:
    error = mean(runs, "test")
    return diverged(runs), math.inf if error is None else error, runs[0].model


def _table(board: Board) -> tuple[tuple[str, ...], list[tuple[str, ...]], list[tuple | None]]:
    found = zip(board.configurations, board.surely, strict=True)
    models = [(_order(runs), _cells(board, runs, *surely), _row_of(runs[0])) for runs, surely in found]
    solvers = [
        ((0, rung.error, rung.name), _solver_cells(board, ladder, rung), None) for ladder in board.ladders for rung in rungs(board, ladder)
    ]
    _, cells, whose = zip(*sorted([*models, *solvers], key=lambda entry: entry[0]), strict=True)
    heads = tuple(head for head in models[0][1] if head in ALWAYS or any(row.get(head, "-") != "-" for row in cells))
    return heads, [tuple(row.get(head, "-") for head in heads) for row in cells], list(whose)


def rungs(board: Board, ladder: Ladder) -> list[Rung]:
    """The rungs that the error of a row of the ladder's own machine is matched with, alone or batched."""
    own = [runs for runs in board.configurations if runs[0].machine == ladder.machine]
    wanted = [error for runs in own if (error := mean(runs, "test")) is not None]
    ways: tuple[Way, ...] = ("alone", "batched")
    found = [rung for error in wanted for way in ways if (rung := ladder.cheapest(error, way)) is not None]
    return sorted(dict.fromkeys(found), key=lambda rung: rung.error)


def _cells(board: Board, runs: Sequence[Record], own: Interval | None, against: Comparison | None) -> dict[str, str]:
    first = runs[0]
    return {
        "model": name(first),
        "loss": first.loss if not first.labels else f"{first.loss}, {first.labels} labels",
        "parameters": f"{first.parameters:,}",
        "test": _score(runs, "test"),
        INTERVAL: interval_cell(own),
        OVER: comparison_cell(against),
        EACH_FIELD: each_field(runs),
        "ood": _score(runs, "ood"),
        "finer": _score(runs, "finer"),
        "coarser": _score(runs, "coarser"),
        "1 % noise": _score(runs, "noise_1"),
        "5 % noise": _score(runs, "noise_5"),
        **{head: rolled_cell(runs, head) for head in ROLLED},
        "residual (reference's)": _residual(runs),
        **cost_cells(middle(runs), board.mark(first.machine)),
        "training": f"{statistics.median(run.training_seconds for run in runs):.1f} s{board.mark(first.machine)}",
        "seeds": str(len(runs)),
        "verified": verified(runs) or "-",
        "diverged": str(diverged(runs)),
        "device": _device(board, first.machine),
    }


def cost_cells(run: Record | None, mark: str = "") -> dict[str, str]:
    """What a run costs and the solver that errs as much, "-" where nobody measured it. mark: of its machine."""
    cells: dict[str, str] = dict.fromkeys(("latency", "throughput", "solver's latency", "solver's throughput", "ratio alone, batched"), "-")
    if run is None or run.cost is None:
        return cells
    about = "~" if run.cost.noisy else ""
    cells["latency"] = f"{about}{seconds(run.cost.seconds('alone'))}{mark}"
    cells["throughput"] = f"{about}{rate(1 / run.cost.seconds('batched'))}{mark}"
    if run.matched is not None:
        alone, batched, about = run.matched.alone, run.matched.batched, "~" if run.matched.noisy else ""
        cells["solver's latency"] = f"{about}{seconds(alone.seconds)}{mark}" if alone else "-"
        cells["solver's throughput"] = f"{about}{rate(1 / batched.seconds)}{mark}" if batched else "-"
        cells["ratio alone, batched"] = f"{about}{_ratio(alone)}, {_ratio(batched)}"
    return cells


def _ratio(match: Match | None) -> str:
    return "-" if match is None else plain(match.ratio, 2)


def _solver_cells(board: Board, ladder: Ladder, rung: Rung) -> dict[str, str]:
    mark, about = board.mark(ladder.machine), "~" if rung.noisy else ""
    return {
        "model": f"solver: {rung.name}",
        "test": f"{rung.error:.4g}",
        "latency": f"{about}{seconds(rung.alone.median)}{mark}",
        "throughput": f"{about}{rate(1 / rung.batched.median)}{mark}",
        "device": _device(board, ladder.machine),
    }


def _device(board: Board, machine: Machine) -> str:
    return f"{machine.words}{board.mark(machine)}"


def middle(runs: Sequence[Record]) -> Record | None:
    """Of the runs whose cost was measured, that of median test error."""
    timed = [r for r in runs if r.cost is not None and r.scores.get("test", {}).get(METRIC) is not None]
    return sorted(timed, key=lambda r: r.scores["test"][METRIC] or 0.0)[(len(timed) - 1) // 2] if timed else None


def name(record: Record) -> str:
    """The model, and what makes it another one than its defaults under the task's budget; what tuning found is in the record."""
    tuned = [] if record.tuned is None else [f"tuned in {record.tuned} trials"]
    shown = {key: v for key, v in record.changes.items() if not (tuned and (key.startswith("model.") or key == "train.learning_rate"))}
    told = ", ".join([*tuned, *(f"{key} = {value}" for key, value in shown.items())])
    return f"{record.model} ({told})" if told else record.model


def is_plain(record: Record) -> bool:
    """Whether a run is of a model with its own settings under the task's budget, by the data and all labels: what the overviews show."""
    return record.loss == "data" and not record.changes and record.labels is None and record.tuned is None


def diverged(runs: Sequence[Record]) -> int:
    return sum(r.status == "diverged" for r in runs)


def verified(runs: Sequence[Record]) -> Repeated | None:
    """What was repeated of every run, "scored" where not all were retrained; None where a run has no badge."""
    repeated = {r.badge and r.badge.repeated for r in runs}
    return None if None in repeated else "scored" if "scored" in repeated else "retrained"


def values(runs: Sequence[Record], split: str, metric: str = METRIC) -> list[float]:
    """Of the runs that did not diverge, one a seed."""
    found = (r.scores.get(split, {}).get(metric) for r in runs if r.status != "diverged")
    return [value for value in found if value is not None]


def mean(runs: Sequence[Record], split: str, metric: str = METRIC) -> float | None:
    """Over the seeds; None where no run has a value."""
    found = values(runs, split, metric)
    return math.fsum(found) / len(found) if found else None


def _score(runs: Sequence[Record], split: str) -> str:
    """Mean over seeds, and how far they scatter; a score within twice the data's own error is marked."""
    error = mean(runs, split)
    if error is None:
        return "-"
    return f"{error:.4g}{spread(values(runs, split))}{' (saturated)' if saturated(runs[0], split, error) else ''}"


def errors(runs: Sequence[Record], split: str = "test", metric: str = METRIC) -> list[list[float | None]]:
    """Of every seed's samples; a diverged run has none. What is fitted and not trained has one run, which is that of any seed."""
    none: list[float | None] = [None]
    found = [none if r.status == "diverged" else r.per_sample.get(split, {}).get(metric, none) for r in runs]
    return found * MIN_SEEDS if len(runs) == 1 and runs[0].status == "fitted" else found


def interval_cell(found: Interval | None) -> str:
    return "-" if found is None else f"{found.lower:.3g} to {found.upper:.3g}"


def comparison_cell(found: Comparison | None) -> str:
    if found is None:
        return "-"
    return f"{found.ratio:.3g} ({found.interval.lower:.3g} to {found.interval.upper:.3g}), p {probability(found.p_value)}"


def saturated(record: Record, split: str, error: float) -> bool:
    """Whether an error is within twice the data's own, at the least, so that it says no more about the model."""
    own = floor(record, split)
    return own is not None and error < 2 * own[0]


def _residual(runs: Sequence[Record]) -> str:
    residual, own = mean(runs, "test", RESIDUAL), runs[0].physics_floor.get("test")
    return f"{residual:.3g} ({own:.3g})" if residual is not None and own is not None else "-"


def floor(record: Record, split: str) -> tuple[float, float] | None:
    """The data's own mean relative L2 error; where it is not known of all fields together, the least and the largest of theirs, between
    which it lies. None where nobody knows it.

    The coarser grid has values of the test split.
    """
    fields = record.error_floor.get("test" if split == "coarser" else split, {})
    known = [fields[TOGETHER]] if TOGETHER in fields else fields.values()
    found = [field[METRIC]["mean"] for field in known if "mean" in field.get(METRIC, {})]
    return (min(found), max(found)) if found else None


def each_field(runs: Sequence[Record]) -> str:
    """Of several unknowns the mean of their own relative errors."""
    several = len(runs[0].error_floor.get("test", {}).keys() - {TOGETHER}) > 1
    return f"{error:.4g}" if several and (error := mean(runs, "test", EACH_FIELD)) is not None else "-"


def state(board: Board) -> str:
    """Which data a table is of, and what is known of their own error."""
    floors = {split: common(floor(record, split) for record in board.records) for split in ("test", "ood", "finer")}
    known = ", ".join(f"{split} {_between(ends)}" for split, ends in floors.items() if ends is not None)
    return f"task version {board.task_version}, data {board.data_fingerprint[:8]}; the data's own error: {known or 'not known'}"


def _between(ends: Any) -> str:
    least, most = ends
    return f"{most:.1e}" if least == most else f"{least:.1e} to {most:.1e} by field"


def markdown(board: Board, command: str) -> str:
    """The table with its heading, what was measured, the data's own error, and the command that printed it."""
    heads, body, _ = board.table
    about = " ".join([ABOUT, *(words for head, words in ABOUT_HEADS.items() if head in heads)])
    return "\n".join([f"## {escaped(board.heading)}", "", f"{about} Printed by `{command}`.", "", *plain_table(heads, body), ""])


def text(board: Board, mark: Record | None = None) -> str:
    """The table for a terminal; the row of the run `mark` is pointed at."""
    heads, body, whose = board.table
    lines = [("", *heads), *((">" if mark and own == _row_of(mark) else "", *row) for row, own in zip(body, whose, strict=True))]
    return "\n".join([printable(board.heading), *aligned(lines), ""])


def write(all_boards: Sequence[Board], folder: Path) -> list[Path]:
    """One Markdown file for every dataset, below `folder`; returns their paths."""
    texts: dict[str, list[str]] = {}
    for board in all_boards:
        texts.setdefault(board.dataset, []).append(markdown(board, f"opbench table --task {board.task}"))
    paths = [folder / f"{dataset}.md" for dataset in texts]
    for path, parts in zip(paths, texts.values(), strict=True):
        write_bytes(path, "\n".join(parts).encode())
    return paths
