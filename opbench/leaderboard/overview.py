"""Records -> Markdown: every task and model in one table, the losses of a model side by side, and the time that it all took."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import quote

from opbench.atomic import write_bytes
from opbench.leaderboard.rolled import ROLL_OUT, rolled
from opbench.leaderboard.table import Board, diverged, escaped, is_plain, mean
from opbench.record import Record

OVERVIEW = """# Leaderboards

Mean relative L2 error on the test split of each task, over samples and seeds, of every model with its own settings, trained by the data
under the task's budget; the best of a row is bold. A row behind each task's link says more: other splits, spread, cost, machine.
[index.html](index.html) shows the same records with plots. All is rendered from `records/` by `opbench table` and `opbench page`, never
edited.
"""
ROLLED_OUT = """## Fed their own output

Of the step tasks, whose errors above are of one step: mean relative L2 error at the last stored time, of the same models fed their own
output from the first one on.
"""
BY_LOSS = """## By loss

The same models trained by the data, by the task's equation alone (physics, which reads no label) and by both, all labels read.
"""
LOSSES = ("both", "data", "physics")
Column = Callable[[Record], str | None]  # where a run stands
Error = Callable[[Sequence[Record]], float | None]  # of the runs of a row
ON_TEST: Error = partial(mean, split="test")


def write_overview(all_boards: Sequence[Board], folder: Path) -> Path:
    """folder/README.md: a row for every table, a column for every model as it comes, by its mean test error; and one for every loss."""
    models = sorted({r.model for board in all_boards for r in board.records if is_plain(r)})
    parts = [OVERVIEW, *_overview(all_boards, models, _plain, ON_TEST), "", _spent(all_boards), ""]
    if steps := [board for board in all_boards if any(is_plain(r) and "test" in r.rollouts for r in board.records)]:
        parts += [ROLLED_OUT, *_overview(steps, models, _plain, partial(rolled, head=ROLL_OUT)), ""]
    losses = [(board, {r.model for r in board.records if _by_loss(r) and r.loss != "data"}) for board in all_boards]
    if compared := [board for board, models in losses if models]:
        heads = sorted({str(head) for board, models in losses for r in board.records if r.model in models and (head := _by_loss(r))})
        parts += [BY_LOSS, *_overview(compared, heads, _by_loss, ON_TEST), ""]
    path = folder / "README.md"
    write_bytes(path, "\n".join(parts).encode())
    return path


def _plain(record: Record) -> str | None:
    return record.model if is_plain(record) else None


def _by_loss(record: Record) -> str | None:
    """The column of a run by the equation, by data or by both, all of them; None for one on some labels or at points of a loss' own."""
    return f"{record.model}, {record.loss}" if record.loss in LOSSES and not (record.changes or record.labels) else None


def _spent(all_boards: Sequence[Board]) -> str:
    said = []
    for device in sorted({board.device for board in all_boards}):
        runs = [record for board in all_boards if board.device == device for record in board.records]
        clock, words = ("training_cpu", "processor time") if device == "cpu" else ("training_wall", "wall time")
        hours = math.fsum(record.seconds[clock] for record in runs) / 3600
        said.append(f"{len(runs)} runs on {device}, whose training took {hours:.1f} hours of {words}")
    return f"{'; '.join(said)}."


def _overview(all_boards: Sequence[Board], columns: Sequence[str], column: Column, error: Error) -> list[str]:
    """A row for each board."""
    heads = ("task", "scale", "device", *(escaped(head) for head in columns))
    lines = [heads, ["---"] * len(heads), *(_overview_row(board, columns, column, error) for board in all_boards)]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _overview_row(board: Board, columns: Sequence[str], column: Column, error: Error) -> list[str]:
    """The best of each column's unchanged runs; the best of all is bold, "-" is not run and "diverged" what it says."""
    cells, means = {}, {}
    for runs in reversed([runs for runs in board.configurations if not runs[0].changes]):
        own, head = error(runs), column(runs[0])
        means[head] = math.inf if diverged(runs) or own is None else own
        cells[head] = "diverged" if diverged(runs) else "-" if own is None else f"{own:.4g}" if math.isfinite(own) else "not finite"
    best = min((means.get(head, math.inf) for head in columns), default=math.inf)
    shown = [f"**{cells[head]}**" if means.get(head) == best < math.inf else cells.get(head, "-") for head in columns]
    return [f"[{escaped(board.task)}]({quote(board.dataset)}.md)", board.scale, board.device, *shown]
