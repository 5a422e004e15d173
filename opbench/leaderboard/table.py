"""Records -> Markdown: one table for every task, version, scale, state of the data and kind of device; a row for every configuration.

A row is over the seeds of its configuration. One file a dataset, and README.md as the overview of all.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from opbench.atomic import write_bytes
from opbench.config import printable
from opbench.record import Record

METRIC = "relative_l2"
ABOUT = "Mean relative L2 error over samples, then over seeds (± standard deviation from three seeds on)."
RESIDUAL = "physics_residual"
OVERVIEW = """# Leaderboards

Mean relative L2 error on the test split of each task, over samples and seeds, of every model with its own settings under the task's budget;
the best of a row is bold. A row behind each task's link says more: other splits, spread, cost, machine. [index.html](index.html) shows the
same records with plots. All is rendered from `records/` by `opbench table` and `opbench page`, never edited.
"""
COLUMNS = ("model", "loss", "parameters", "test", "ood", "finer", "training", "seeds", "diverged", "device")


@dataclass(frozen=True)
class Board:
    """The records that may stand in one table: same task, version, scale and data, and the same kind of device, "cpu" or "cuda"."""

    task: str
    task_version: int
    scale: str
    data_fingerprint: str
    device: str
    records: tuple[Record, ...]

    @property
    def dataset(self) -> str:
        return self.records[0].dataset


def boards(records: Iterable[Record]) -> list[Board]:
    """Records grouped into tables; a repeated run counts once, by its newest record."""
    groups: dict[tuple[str, int, str, str, str], dict[tuple[str, str], Record]] = {}
    for record in sorted(records, key=lambda r: r.date):
        device = record.machine.device.partition(":")[0]
        key = (record.task, record.task_version, record.scale, record.data_fingerprint, device)
        groups.setdefault(key, {})[record.fingerprint, str(record.machine)] = record
    return [Board(*key, tuple(group.values())) for key, group in sorted(groups.items())]


def columns(board: Board) -> tuple[str, ...]:
    """COLUMNS, and what the task's equation leaves of the test predictions (of the references), where that was measured."""
    if not any(r.physics_floor for r in board.records):
        return COLUMNS
    place = COLUMNS.index("training")
    return (*COLUMNS[:place], "residual (reference's)", *COLUMNS[place:])


def rows(board: Board) -> list[tuple[str, ...]]:
    """Cells by `columns`, for each of `configurations`."""
    return [_cells(runs, len(columns(board)) > len(COLUMNS)) for runs in configurations(board)]


def configurations(board: Board) -> list[list[Record]]:
    """Runs that differ in their seed alone, best mean test error first; one that diverged in any seed stands behind those that did not."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in board.records:
        groups.setdefault((record.configuration, str(record.machine)), []).append(record)
    return sorted(groups.values(), key=lambda runs: (diverged(runs), _rank(runs), runs[0].model))


def _cells(runs: Sequence[Record], with_residual: bool) -> tuple[str, ...]:
    first = runs[0]
    return (
        name(first),
        first.loss if first.labels is None else f"{first.loss}, {first.labels} labels",
        f"{first.parameters:,}",
        *(_score(runs, split) for split in ("test", "ood", "finer")),
        *([_residual(runs)] if with_residual else []),
        f"{statistics.median(r.seconds['training_wall'] for r in runs):.1f} s",
        str(len(runs)),
        str(diverged(runs)),
        f"{first.machine.device} ({first.machine.name}, {first.machine.threads} threads)",
    )


def name(record: Record) -> str:
    """The model, and what the user changed of it and of the budget."""
    changes = ", ".join(f"{key} = {value}" for key, value in record.changes.items())
    return f"{record.model} ({changes})" if changes else record.model


def diverged(runs: Sequence[Record]) -> int:
    return sum(r.status == "diverged" for r in runs)


def _rank(runs: Sequence[Record]) -> float:
    error = mean(runs, "test")
    return float("inf") if error is None else error


def values(runs: Sequence[Record], split: str, metric: str = METRIC) -> list[float]:
    """Of the runs that did not diverge, one a seed."""
    found = (r.scores.get(split, {}).get(metric) for r in runs if r.status != "diverged")
    return [value for value in found if value is not None]


def mean(runs: Sequence[Record], split: str, metric: str = METRIC) -> float | None:
    """Over the seeds; None where no run has a value."""
    found = values(runs, split, metric)
    return math.fsum(found) / len(found) if found else None


def _score(runs: Sequence[Record], split: str) -> str:
    """Mean over seeds, with the standard deviation from three seeds on; a score within twice the data's own error is marked."""
    error = mean(runs, split)
    if error is None:
        return "-"
    found = values(runs, split)
    spread = f" ± {statistics.stdev(found):.1g}" if len(found) >= 3 else ""
    return f"{error:.4g}{spread}{' (saturated)' if saturated(runs[0], split, error) else ''}"


def saturated(record: Record, split: str, error: float) -> bool:
    """Whether an error is within twice the data's own, so that it says no more about the model."""
    own = floor(record, split)
    return own is not None and error < 2 * own


def _residual(runs: Sequence[Record]) -> str:
    residual, own = mean(runs, "test", RESIDUAL), runs[0].physics_floor.get("test")
    return f"{residual:.3g} ({own:.3g})" if residual is not None and own is not None else "-"


def floor(record: Record, split: str) -> float | None:
    """The data's own mean relative L2 error, of the unknown that has the largest; None where nobody knows it."""
    means = [field[METRIC]["mean"] for field in record.error_floor.get(split, {}).values()]
    return max(means) if means else None


def markdown(board: Board, command: str) -> str:
    """The table with its heading, what was measured, the data's own error, and the command that printed it."""
    heads = columns(board)
    lines = [
        "| " + " | ".join(cells) + " |" for cells in (heads, ["---"] * len(heads), *([_escape(c) for c in row] for row in rows(board)))
    ]
    return "\n".join([f"## {_heading(board)}", "", f"{ABOUT} Printed by `{command}`.", "", *lines, ""])


def _heading(board: Board) -> str:
    return f"{board.task}, {board.scale} ({state(board)})"


def state(board: Board) -> str:
    """Which data a table is of, and what is known of their own error."""
    floors = {split: floor(board.records[0], split) for split in ("test", "ood", "finer")}
    known = ", ".join(f"{split} {error:.1e}" for split, error in floors.items() if error is not None)
    return f"task version {board.task_version}, data {board.data_fingerprint[:8]}; the data's own error: {known or 'not known'}"


def _escape(cell: str) -> str:
    return printable(cell).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def text(board: Board, mark: str = "") -> str:
    """The table for a terminal; the rows of the model `mark` are pointed at."""
    lines = [("", *columns(board)), *((">" if row[0].split(" (")[0] == mark else "", *row) for row in rows(board))]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        [
            printable(_heading(board)),
            *("  ".join(printable(c).ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines),
            "",
        ]
    )


def write(all_boards: Sequence[Board], folder: Path) -> list[Path]:
    """One Markdown file for every dataset, below `folder`; returns their paths."""
    texts: dict[str, list[str]] = {}
    for board in all_boards:
        texts.setdefault(board.dataset, []).append(markdown(board, f"opbench table --task {board.task}"))
    paths = [folder / f"{dataset}.md" for dataset in texts]
    for path, parts in zip(paths, texts.values(), strict=True):
        write_bytes(path, "\n".join(parts).encode())
    return paths


def write_overview(all_boards: Sequence[Board], folder: Path) -> Path:
    """folder/README.md: a row for every table, a column for every model as it comes, by its mean test error."""
    models = sorted({r.model for board in all_boards for r in board.records if not r.changes})
    heads = ("task", "scale", "device", *models)
    lines = [heads, ["---"] * len(heads), *(_overview(board, models) for board in all_boards)]
    path = folder / "README.md"
    write_bytes(path, "\n".join([OVERVIEW, *(f"| {' | '.join(cells)} |" for cells in lines), ""]).encode())
    return path


def _overview(board: Board, models: Sequence[str]) -> list[str]:
    """The best row of each model that the user changed nothing of; the best of all is bold, "-" is not run and "diverged" what it says."""
    cells, errors = {}, {}
    for runs in reversed([runs for runs in configurations(board) if not runs[0].changes]):
        error, model = mean(runs, "test"), runs[0].model
        cells[model] = "diverged" if diverged(runs) else "-" if error is None else f"{error:.4g}"
        errors[model] = math.inf if diverged(runs) or error is None else error
    best = min(errors.values(), default=math.inf)
    shown = [f"**{cells[m]}**" if errors.get(m) == best < math.inf else cells.get(m, "-") for m in models]
    return [f"[{_escape(board.task)}]({quote(board.dataset)}.md)", board.scale, board.device, *shown]
