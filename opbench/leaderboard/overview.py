"""Records -> every task in a row: the models side by side, what they do fed their own output, and their losses; as values and Markdown."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.parse import quote

from opbench.atomic import write_bytes
from opbench.leaderboard.rolled import ROLL_OUT, rolled
from opbench.leaderboard.table import Board, diverged, is_plain, mean, saturated
from opbench.leaderboard.words import plain
from opbench.markdown import escaped, plain_table, table
from opbench.records.record import Record
from opbench.statistics import Profile, Ranking, profiles, ranking

ALL_TASKS = (
    "Mean relative L2 error on each task's test split, over samples and seeds, of models with their own settings, trained by the data "
    "under the task's budget. Lower is better: the best of a row is bold, the best on average stand left. Mean, persistence and linear are "
    "no networks: the mean of the training data, the initial state, and least squares. \N{DAGGER}: within twice the data's own error, "
    "below which nothing is told apart."
)
STANDING = (
    "Ranks are averages over datasets, where a run that diverged or is missing is the last{apart}. Then on how many tasks a model errs "
    "least, or at most so many times the least; and what it errs on shifted inputs (ood) and at twice the points (finer) over what it errs "
    "on test: the median and, in brackets, the most."
)
APART = "; those closer than {:.2g} are not told apart (Nemenyi, 5 %)"
ROLLED_OUT = (
    "Of the step tasks, whose errors above are of one step: mean relative L2 error at the last stored time, of the same models fed their "
    "own output from the first one on."
)
BY_LOSS = "The same models trained by the data, by the task's equation alone (physics, which reads no label) and by both, all labels read."
OVER_DATA = "On how many tasks a model errs so many times what it does by the data, and the median."
BEHIND = (
    "A row behind each task's link says more: other splits, spread, cost, machine. [index.html](index.html) shows the same records with "
    "plots. All is rendered from `records/` by `opbench table` and `opbench page`, never edited."
)
SATURATED = " \N{DAGGER}"
LOSSES = ("data", "physics", "both")
WITHIN = (1.0, 1.25, 2.0)  # times the least error of a task
SHIFTED = ("ood", "finer")
PLACES = ("model", "rank", "best", *(f"≤ {factor:g} ×" for factor in WITHIN[1:]), *SHIFTED)
AGAINST_DATA = ("model, loss", "tasks", "< 1 ×", "≤ 1.5 ×", "> 10 ×", "diverged", "median")
Place = Callable[[Record], str | None]  # the column that a run stands in
Error = Callable[[Sequence[Record]], float | None]  # of the runs of a configuration
ON_TEST: Error = partial(mean, split="test")


class Cell(NamedTuple):
    """error: infinite where a run diverged or it is not finite; saturated: within twice the data's own error."""

    error: float
    text: str
    saturated: bool = False


@dataclass(frozen=True)
class Overview:
    """A row for each board, with the cells of those columns that it has; summary: a smaller table above them, its heads first; short: what
    that says."""

    title: str
    about: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Board, dict[str, Cell]], ...]
    short: str = ""
    summary: tuple[Sequence[str], ...] = ()

    def best(self, row: int) -> set[str]:
        """The columns of the least error, and of what is saturated beside it."""
        cells = self.rows[row][1]
        first = min(cells, key=lambda column: cells[column].error, default="")
        if not first or math.isinf(cells[first].error):
            return set()
        return {c for c, cell in cells.items() if cell.error == cells[first].error or (cell.saturated and cells[first].saturated)}

    @property
    def nearness(self) -> dict[str, Profile]:
        """How near each column's errors are to the least one of their rows."""
        return profiles({c: {str(i): cells[c].error for i, (_, cells) in enumerate(self.rows) if c in cells} for c in self.columns})

    @property
    def ranking(self) -> Ranking:
        """Of the columns, over datasets."""
        datasets: dict[str, list[dict[str, float]]] = {}
        for board, cells in self.rows:
            if cells:
                datasets.setdefault(board.dataset, []).append({column: cell.error for column, cell in cells.items()})
        return ranking([*datasets.values()], self.columns)


def overviews(found: Sequence[Board]) -> list[Overview]:
    """All tasks; and roll-outs and losses, where records have them."""
    models = sorted({r.model for board in found for r in board.records if is_plain(r)})
    every = _overview("All tasks", ALL_TASKS, models, found, _plain, ON_TEST)
    ranks, apart = every.ranking.ranks, every.ranking.critical_difference
    models.sort(key=lambda model: (ranks[model], model))
    every = replace(every, columns=tuple(models))
    short = STANDING.format(apart=APART.format(apart) if apart else "")
    return [replace(every, short=short, summary=(PLACES, *_places(every))), *_rolled_out(found, models), *_by_loss(found, models)]


def _places(overview: Overview) -> Iterator[tuple[str, ...]]:
    """Of each model: how it stands over all tasks."""
    ranks, boards = overview.ranking.ranks, [board for board, _ in overview.rows]
    shifted = [_overview("", "", overview.columns, boards, _plain, partial(mean, split=split)) for split in SHIFTED]
    for model, profile in overview.nearness.items():
        grown = (_ratios(_errors(other, model), _errors(overview, model)) for other in shifted)
        said = (f"{plain(median(ratios), 3)} ({plain(max(ratios), 3)})" if ratios else "-" for ratios in grown)
        yield model, f"{ranks[model]:.2f}", *map(str, map(profile.within, WITHIN)), *said


def _errors(overview: Overview, column: str) -> list[float | None]:
    """Row by row."""
    return [cells[column].error if column in cells else None for _, cells in overview.rows]


def _ratios(own: Sequence[float | None], other: Sequence[float | None]) -> list[float]:
    """Where both are known, and the other is neither zero nor infinite."""
    return [a / b for a, b in zip(own, other, strict=True) if a is not None and b is not None and 0 < b < math.inf]


def _rolled_out(found: Sequence[Board], models: Sequence[str]) -> Iterator[Overview]:
    if steps := [board for board in found if any(is_plain(r) and "test" in r.rollouts for r in board.records)]:
        yield _overview("Fed their own output", ROLLED_OUT, models, steps, _plain, partial(rolled, head=ROLL_OUT))


def _by_loss(found: Sequence[Board], models: Sequence[str]) -> Iterator[Overview]:
    """Of the models that were trained otherwise than by the data, on the tasks on which they were."""
    others = [{r.model for r in board.records if _loss(r) and r.loss != "data"} for board in found]
    if compared := [board for board, names in zip(found, others, strict=True) if names]:
        heads = [f"{model}, {loss}" for model in [*models, *sorted(set().union(*others) - set(models))] for loss in LOSSES]
        there = {_loss(r) for board, names in zip(found, others, strict=True) for r in board.records if r.model in names}
        overview = _overview("By loss", BY_LOSS, [head for head in heads if head in there], compared, _loss, ON_TEST)
        yield replace(overview, short=OVER_DATA, summary=(AGAINST_DATA, *_against_data(overview)))


def _against_data(overview: Overview) -> Iterator[tuple[str, ...]]:
    """Of each model and loss but the data: on how many tasks its errors are how many times those of the data."""
    for column in overview.columns:
        data = f"{column.rpartition(', ')[0]}, {LOSSES[0]}"
        ratios = _ratios(_errors(overview, column), _errors(overview, data))
        if column == data or not ratios:
            continue
        diverged = ratios.count(math.inf)
        less, near, far = sum(r < 1 for r in ratios), sum(r <= 1.5 for r in ratios), sum(r > 10 for r in ratios) - diverged
        yield column, *map(str, (len(ratios), less, near, far, diverged)), f"{median(ratios):.3g}"


def _plain(record: Record) -> str | None:
    return record.model if is_plain(record) else None


def _loss(record: Record) -> str | None:
    """The column of a run by the equation, by data or by both, all of them; None for one on some labels or at points of a loss' own."""
    return f"{record.model}, {record.loss}" if record.loss in LOSSES and not (record.changes or record.labels) else None


def _overview(title: str, about: str, columns: Sequence[str], found: Sequence[Board], place: Place, error: Error) -> Overview:
    return Overview(title, about, tuple(columns), tuple((board, _cells(board, columns, place, error)) for board in found))


def _cells(board: Board, columns: Sequence[str], place: Place, error: Error) -> dict[str, Cell]:
    """By columns, of the best unchanged runs that stand there."""
    cells: dict[str, Cell] = {}
    for runs in reversed([runs for runs in board.configurations if not runs[0].changes]):
        own, column = error(runs), place(runs[0])
        if column is None or column not in columns:
            continue
        if diverged(runs):
            cells[column] = Cell(math.inf, "diverged")
        elif own is not None:
            near = error is ON_TEST and saturated(runs[0], "test", own)
            cells[column] = Cell(own, f"{own:.4g}{SATURATED if near else ''}" if math.isfinite(own) else "not finite", near)
    return cells


def write_overview(all_boards: Sequence[Board], folder: Path) -> Path:
    """folder/README.md: every overview, and the time that all took."""
    first, *others = overviews(all_boards)
    parts = ["# Leaderboards", "", first.about, "", BEHIND, "", *_summary(first), *_markdown(first), "", _spent(all_boards), ""]
    for other in others:
        parts += [f"## {other.title}", "", other.about, "", *_summary(other), *_markdown(other), ""]
    path = folder / "README.md"
    write_bytes(path, "\n".join(parts).encode())
    return path


def _spent(all_boards: Sequence[Board]) -> str:
    said = []
    for device in sorted({board.device for board in all_boards}):
        runs = [record for board in all_boards if board.device == device for record in board.records]
        clock, words = ("training_cpu", "processor time") if device == "cpu" else ("training_wall", "wall time")
        hours = math.fsum(record.seconds[clock] for record in runs) / 3600
        said.append(f"{len(runs)} runs on {device}, whose training took {hours:.1f} hours of {words}")
    return f"{'; '.join(said)}."


def _summary(overview: Overview) -> list[str]:
    return [overview.short, "", *plain_table(overview.summary[0], overview.summary[1:]), ""] if overview.summary else []


def _markdown(overview: Overview) -> list[str]:
    heads = ("task", "scale", "device", *map(escaped, overview.columns))
    rows = []
    for row, (board, cells) in enumerate(overview.rows):
        best = overview.best(row)
        shown = [f"**{cells[c].text}**" if c in best else cells[c].text if c in cells else "-" for c in overview.columns]
        rows.append((f"[{escaped(board.task)}]({quote(board.dataset)}.md)", board.scale, board.device, *shown))
    return table(heads, rows)
