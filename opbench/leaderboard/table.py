"""Records -> Markdown: one table for every task, version, scale, state of the data and kind of device; a row for every configuration.

A row is over the seeds of its configuration. Rows are ranked by error; seconds are those of the row's machine, and where a table has
several, letters keep them apart. One file a dataset, and README.md as the overview of all.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from opbench.atomic import write_bytes
from opbench.config import printable
from opbench.ladder import Ladder, Rung
from opbench.leaderboard.words import rate, seconds
from opbench.record import Machine, Match, Record, Way

METRIC = "relative_l2"
ABOUT = "Mean relative L2 error over samples, then over seeds (± standard deviation from three seeds on)."
RESIDUAL = "physics_residual"
COST = ("latency", "throughput", "solver's latency", "solver's throughput", "ratio alone, batched")
ABOUT_COST = (
    "Latency: seconds of one sample alone. Solver: our own on the rung of its ladder that errs no more than the row, and its seconds over "
    "the row's, so that below 1 it is the faster. ~: timed while the machine was busy."
)
OVERVIEW = """# Leaderboards

Mean relative L2 error on the test split of each task, over samples and seeds, of every model with its own settings under the task's budget;
the best of a row is bold. A row behind each task's link says more: other splits, spread, cost, machine. [index.html](index.html) shows the
same records with plots. All is rendered from `records/` by `opbench table` and `opbench page`, never edited.
"""
COLUMNS = ("model", "loss", "parameters", "test", "ood", "finer", "training", "seeds", "diverged", "device")


@dataclass(frozen=True)
class Board:
    """The records that may stand in one table: same task, version, scale and data, and the same kind of device, "cpu" or "cuda".

    ladders: the solver's for it, one a machine.
    """

    task: str
    task_version: int
    scale: str
    data_fingerprint: str
    device: str
    records: tuple[Record, ...]
    ladders: tuple[Ladder, ...] = ()

    @property
    def machines(self) -> list[Machine]:
        """Where its rows come from, the one with most runs first."""
        found = [record.machine for record in self.records]
        return sorted(dict.fromkeys(found), key=lambda machine: (-found.count(machine), str(machine)))

    def mark(self, machine: Machine) -> str:
        """What tells the machine's seconds from another's, nothing where there is no other."""
        return f" [{chr(ord('A') + self.machines.index(machine))}]" if len(self.machines) > 1 and machine in self.machines else ""

    @property
    def dataset(self) -> str:
        return self.records[0].dataset


def boards(records: Iterable[Record], ladders: Iterable[Ladder] = ()) -> list[Board]:
    """Records grouped into tables, and the newest ladder of every machine; a repeated run counts once, by its newest record."""
    groups: dict[tuple[str, int, str, str, str], dict[tuple[str, str], Record]] = {}
    for record in sorted(records, key=lambda r: r.date):
        groups.setdefault(_key(record), {})[record.fingerprint, str(record.machine)] = record
    climbed: dict[tuple[str, int, str, str, str], dict[str, Ladder]] = {}
    for ladder in sorted(ladders, key=lambda found: found.date):
        climbed.setdefault(_key(ladder), {})[str(ladder.machine)] = ladder
    return [Board(*key, tuple(group.values()), tuple(climbed.get(key, {}).values())) for key, group in sorted(groups.items())]


def _key(made: Record | Ladder) -> tuple[str, int, str, str, str]:
    """What must agree for things to stand in one table."""
    return made.task, made.task_version, made.scale, made.data_fingerprint, made.machine.device.partition(":")[0]


def columns(board: Board) -> tuple[str, ...]:
    """COLUMNS, what the equation leaves of test predictions (of the references), and what rows cost, where these were measured."""
    place = COLUMNS.index("training")
    residual = ("residual (reference's)",) if any(r.physics_floor for r in board.records) else ()
    return (*COLUMNS[:place], *residual, *(COST if _costed(board) else ()), *COLUMNS[place:])


def _costed(board: Board) -> bool:
    return bool(board.ladders) or any(r.cost for r in board.records)


def rows(board: Board) -> list[tuple[str, ...]]:
    """Cells by `columns`: models, and the solver itself on the rungs that err no more than they do."""
    models = [(_order(runs), _cells(board, runs)) for runs in configurations(board)]
    solvers = [
        ((0, rung.error, rung.name), _solver_cells(board, ladder, rung)) for ladder in board.ladders for rung in rungs(board, ladder)
    ]
    return [cells for _, cells in sorted([*models, *solvers], key=lambda entry: entry[0])]


def configurations(board: Board) -> list[list[Record]]:
    """Runs that differ in their seed alone, best mean test error first; one that diverged in any seed stands behind those that did not."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in board.records:
        groups.setdefault((record.configuration, str(record.machine)), []).append(record)
    return sorted(groups.values(), key=_order)


def _order(runs: Sequence[Record]) -> tuple[int, float, str]:
    return diverged(runs), _rank(runs), runs[0].model


def rungs(board: Board, ladder: Ladder) -> list[Rung]:
    """The rungs that a row's error is matched with, alone or batched."""
    errors = [error for runs in configurations(board) if (error := mean(runs, "test")) is not None]
    ways: tuple[Way, ...] = ("alone", "batched")
    found = [rung for error in errors for way in ways if (rung := ladder.cheapest(error, way)) is not None]
    return sorted(dict.fromkeys(found), key=lambda rung: rung.error)


def middle(runs: Sequence[Record]) -> Record | None:
    """Of the runs whose cost was measured, that of median test error."""
    timed = [r for r in runs if r.cost is not None and r.scores.get("test", {}).get(METRIC) is not None]
    return sorted(timed, key=lambda r: r.scores["test"][METRIC] or 0.0)[(len(timed) - 1) // 2] if timed else None


def _cells(board: Board, runs: Sequence[Record]) -> tuple[str, ...]:
    first = runs[0]
    return (
        name(first),
        first.loss if first.labels is None else f"{first.loss}, {first.labels} labels",
        f"{first.parameters:,}",
        *(_score(runs, split) for split in ("test", "ood", "finer")),
        *([_residual(runs)] if any(r.physics_floor for r in board.records) else []),
        *(_cost_cells(board, middle(runs)) if _costed(board) else []),
        f"{statistics.median(r.seconds['training_wall'] for r in runs):.1f} s{board.mark(first.machine)}",
        str(len(runs)),
        str(diverged(runs)),
        _device(board, first.machine),
    )


def _cost_cells(board: Board, run: Record | None) -> list[str]:
    """Of the configuration's run of median error."""
    if run is None or run.cost is None:
        return ["-"] * len(COST)
    mark, about = board.mark(run.machine), "~" if run.cost.noisy else ""
    own = [f"{about}{seconds(run.cost.seconds('alone'))}{mark}", f"{about}{rate(1 / run.cost.seconds('batched'))}{mark}"]
    if run.matched is None:
        return [*own, "-", "-", "-"]
    alone, batched, about = run.matched.alone, run.matched.batched, "~" if run.matched.noisy else ""
    solver = [f"{about}{seconds(alone.seconds)}{mark}" if alone else "-", f"{about}{rate(1 / batched.seconds)}{mark}" if batched else "-"]
    return [*own, *solver, f"{about}{_ratio(alone)}, {_ratio(batched)}"]


def _ratio(match: Match | None) -> str:
    return "-" if match is None else f"{match.ratio:.2g}"


def _solver_cells(board: Board, ladder: Ladder, rung: Rung) -> tuple[str, ...]:
    mark, about = board.mark(ladder.machine), "~" if ladder.noisy else ""
    known = {
        "model": f"solver: {rung.name}",
        "test": f"{rung.error:.4g}",
        "latency": f"{about}{seconds(rung.alone.median)}{mark}",
        "throughput": f"{about}{rate(1 / rung.batched.median)}{mark}",
        "device": _device(board, ladder.machine),
    }
    return tuple(known.get(column, "-") for column in columns(board))


def _device(board: Board, machine: Machine) -> str:
    return f"{machine.device} ({machine.name}, {machine.threads} threads){board.mark(machine)}"


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
    lines = ["| " + " | ".join(cells) + " |" for cells in (heads, ["---"] * len(heads), *([escape(c) for c in row] for row in rows(board)))]
    about = f"{ABOUT} {ABOUT_COST}" if _costed(board) else ABOUT
    return "\n".join([f"## {heading(board)}", "", f"{about} Printed by `{command}`.", "", *lines, ""])


def heading(board: Board) -> str:
    return f"{board.task}, {board.scale}{'' if board.device == 'cpu' else f', on {board.device}'} ({state(board)})"


def state(board: Board) -> str:
    """Which data a table is of, and what is known of their own error."""
    floors = {split: floor(board.records[0], split) for split in ("test", "ood", "finer")}
    known = ", ".join(f"{split} {error:.1e}" for split, error in floors.items() if error is not None)
    return f"task version {board.task_version}, data {board.data_fingerprint[:8]}; the data's own error: {known or 'not known'}"


def escape(cell: str) -> str:
    """A cell that cannot end its column, its row or its table."""
    return printable(cell).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def text(board: Board, mark: str = "") -> str:
    """The table for a terminal; the rows of the model `mark` are pointed at."""
    lines = [("", *columns(board)), *((">" if row[0].split(" (")[0] == mark else "", *row) for row in rows(board))]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        [
            printable(heading(board)),
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
    return [f"[{escape(board.task)}]({quote(board.dataset)}.md)", board.scale, board.device, *shown]
