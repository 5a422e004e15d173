"""Records -> Markdown: one table for every task, version, scale and state of the data; a row for every configuration, over its seeds."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from opbench.atomic import write_bytes
from opbench.record import Record

METRIC = "relative_l2"
ABOUT = "Mean relative L2 error over samples, then over seeds (± standard deviation from three seeds on)."
RESIDUAL = "physics_residual"
COLUMNS = ("model", "loss", "parameters", "test", "ood", "finer", "training", "seeds", "diverged", "device")


@dataclass(frozen=True)
class Board:
    """The records that may stand in one table: same task, version, scale and data."""

    task: str
    task_version: int
    scale: str
    data_fingerprint: str
    records: tuple[Record, ...]

    @property
    def stem(self) -> str:
        return f"{self.task.replace('/', '-')}-{self.scale}"

    @property
    def heading(self) -> str:
        """What all its records have in common, and the data's own error."""
        floors = {split: _floor(self.records[0], split) for split in ("test", "ood", "finer")}
        known = ", ".join(f"{split} {floor:.1e}" for split, floor in floors.items() if floor is not None)
        state = f"task version {self.task_version}, data {self.data_fingerprint[:8]}; the data's own error: {known or 'not known'}"
        return f"{self.task}, {self.scale} ({state})"


def boards(records: Iterable[Record]) -> list[Board]:
    """Records grouped into tables; a repeated run counts once, by its newest record."""
    groups: dict[tuple[str, int, str, str], dict[tuple[str, str], Record]] = {}
    for record in sorted(records, key=lambda r: r.date):
        key = (record.task, record.task_version, record.scale, record.data_fingerprint)
        groups.setdefault(key, {})[record.fingerprint, str(record.machine)] = record
    return [Board(*key, tuple(group.values())) for key, group in sorted(groups.items())]


def columns(board: Board) -> tuple[str, ...]:
    """COLUMNS, and what the task's equation leaves of the test predictions (of the references), where that was measured."""
    if not any(r.physics_floor for r in board.records):
        return COLUMNS
    place = COLUMNS.index("training")
    return (*COLUMNS[:place], "residual (reference's)", *COLUMNS[place:])


def rows(board: Board) -> list[tuple[str, ...]]:
    """Cells by `columns`, best mean test error first; a configuration that diverged in any seed stands behind those that did not."""
    configurations: dict[tuple[str, str], list[Record]] = {}
    for record in board.records:
        configurations.setdefault((record.configuration, str(record.machine)), []).append(record)
    ordered = sorted(configurations.values(), key=lambda runs: (_diverged(runs), _rank(runs), runs[0].model))
    return [_cells(runs, len(columns(board)) > len(COLUMNS)) for runs in ordered]


def _cells(runs: Sequence[Record], with_residual: bool) -> tuple[str, ...]:
    first = runs[0]
    changes = ", ".join(f"{name} = {value}" for name, value in first.changes.items())
    return (
        f"{first.model} ({changes})" if changes else first.model,
        first.loss if not first.labels else f"{first.loss}, {first.labels} labels",
        f"{first.parameters:,}",
        *(_score(runs, split) for split in ("test", "ood", "finer")),
        *([_residual(runs)] if with_residual else []),
        f"{statistics.median(r.seconds['training_wall'] for r in runs):.1f} s",
        str(len(runs)),
        str(_diverged(runs)),
        f"{first.machine.device} ({first.machine.name}, {first.machine.threads} threads)",
    )


def _diverged(runs: Sequence[Record]) -> int:
    return sum(r.status == "diverged" for r in runs)


def _rank(runs: Sequence[Record]) -> float:
    mean = _mean(runs, "test")
    return float("inf") if mean is None else mean


def _values(runs: Sequence[Record], split: str, metric: str = METRIC) -> list[float]:
    values = (r.scores.get(split, {}).get(metric) for r in runs if r.status != "diverged")
    return [value for value in values if value is not None]


def _mean(runs: Sequence[Record], split: str) -> float | None:
    values = _values(runs, split)
    return statistics.fmean(values) if values else None


def _score(runs: Sequence[Record], split: str) -> str:
    """Mean over seeds, with the standard deviation from three seeds on; a score within twice the data's own error is marked."""
    mean = _mean(runs, split)
    if mean is None:
        return "-"
    values = _values(runs, split)
    spread = f" ± {statistics.stdev(values):.1g}" if len(values) >= 3 else ""
    floor = _floor(runs[0], split)
    return f"{mean:.4g}{spread}{' (saturated)' if floor is not None and mean < 2 * floor else ''}"


def _residual(runs: Sequence[Record]) -> str:
    values, floor = _values(runs, "test", RESIDUAL), runs[0].physics_floor.get("test")
    return f"{statistics.fmean(values):.3g} ({floor:.3g})" if values and floor is not None else "-"


def _floor(record: Record, split: str) -> float | None:
    means = [field["relative_l2"]["mean"] for field in record.error_floor.get(split, {}).values()]
    return max(means) if means else None


def markdown(board: Board, command: str) -> str:
    """The table with its heading, what was measured, the data's own error, and the command that printed it."""
    heads = columns(board)
    lines = [
        "| " + " | ".join(cells) + " |" for cells in (heads, ["---"] * len(heads), *([escaped(c) for c in row] for row in rows(board)))
    ]
    return "\n".join([f"## {board.heading}", "", f"{ABOUT} Printed by `{command}`.", "", *lines, ""])


def escaped(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def text(board: Board, mark: str = "") -> str:
    """The table for a terminal; the rows of the model `mark` are pointed at."""
    lines = [("", *columns(board)), *((">" if row[0].split(" (")[0] == mark else "", *row) for row in rows(board))]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join([board.heading, *("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines), ""])


def write(all_boards: Sequence[Board], folder: Path) -> list[Path]:
    """One Markdown file for every task and scale, below `folder`; returns their paths."""
    texts: dict[str, list[str]] = {}
    for board in all_boards:
        texts.setdefault(board.stem, []).append(markdown(board, f"opbench table --task {board.task}"))
    paths = [folder / f"{stem}.md" for stem in texts]
    for path, parts in zip(paths, texts.values(), strict=True):
        write_bytes(path, "\n".join(parts).encode())
    return paths
