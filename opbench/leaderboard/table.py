"""Records -> Markdown: one table for every task, version, scale and state of the data; a row for every configuration, over its seeds."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from opbench.atomic import write_bytes
from opbench.record import Record
from opbench.statistics import MIN_SEEDS, compare, interval

METRIC = "relative_l2"
ABOUT = (
    "Mean relative L2 error over samples, then over seeds; from three seeds on ± their standard deviation, and the 95 % bootstrap interval "
    "over seeds and samples. Over fno's: mean test error over that of fno with its defaults, the interval, p of Wilcoxon's paired test."
)
RESIDUAL = "physics_residual"
BASELINE = "fno"
ALWAYS = ("model", "loss", "parameters", "test", "ood", "finer", "training", "seeds", "diverged", "device")  # others where they are known


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


def boards(records: Iterable[Record]) -> list[Board]:
    """Records grouped into tables; a repeated run counts once, by its newest record."""
    groups: dict[tuple[str, int, str, str], dict[tuple, Record]] = {}
    for record in sorted(records, key=lambda r: r.date):
        key = (record.task, record.task_version, record.scale, record.data_fingerprint)
        groups.setdefault(key, {})[record.fingerprint, str(record.machine), record.tuned] = record
    return [Board(*key, tuple(group.values())) for key, group in sorted(groups.items())]


def columns(board: Board) -> tuple[str, ...]:
    """ALWAYS, and among them what any row has a value for."""
    return _table(board)[0]


def rows(board: Board) -> list[tuple[str, ...]]:
    """Cells by `columns`, best mean test error first; a configuration that diverged in any seed stands behind those that did not."""
    return _table(board)[1]


def _table(board: Board) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    configurations: dict[tuple, list[Record]] = {}
    for record in board.records:
        configurations.setdefault((record.configuration, str(record.machine), record.tuned), []).append(record)
    baseline = max((runs for runs in configurations.values() if _is_baseline(runs[0])), key=len, default=[])
    ordered = sorted(configurations.values(), key=lambda runs: (_diverged(runs), _rank(runs), runs[0].model))
    cells = [_cells(runs, baseline) for runs in ordered]
    heads = tuple(head for head in cells[0] if head in ALWAYS or any(row[head] != "-" for row in cells))
    return heads, [tuple(row[head] for head in heads) for row in cells]


def _cells(runs: Sequence[Record], baseline: Sequence[Record]) -> dict[str, str]:
    first = runs[0]
    return {
        "model": _name(first),
        "loss": first.loss if first.labels is None else f"{first.loss}, {first.labels} labels",
        "parameters": f"{first.parameters:,}",
        "test": _score(runs, "test"),
        "95 % interval": _interval(runs),
        f"over {BASELINE}'s": "-" if runs is baseline else _comparison(runs, baseline),
        "ood": _score(runs, "ood"),
        "finer": _score(runs, "finer"),
        "coarser": _score(runs, "coarser"),
        "1 % noise": _score(runs, "noise_1"),
        "5 % noise": _score(runs, "noise_5"),
        "residual (reference's)": _residual(runs),
        "training": f"{statistics.median(r.seconds['training_wall'] for r in runs):.1f} s",
        "seeds": str(len(runs)),
        "diverged": str(_diverged(runs)),
        "device": f"{first.machine.device} ({first.machine.name}, {first.machine.threads} threads)",
    }


def _name(record: Record) -> str:
    """The model, and what makes it another one than its defaults; what tuning found is in the record."""
    tuned = [] if record.tuned is None else [f"tuned in {record.tuned} trials"]
    shown = {n: v for n, v in record.changes.items() if not (tuned and (n.startswith("model.") or n == "train.learning_rate"))}
    told = ", ".join([*tuned, *(f"{name} = {value}" for name, value in shown.items())])
    return f"{record.model} ({told})" if told else record.model


def _is_baseline(record: Record) -> bool:
    return record.model == BASELINE and record.loss == "data" and not record.changes and record.labels is None and record.tuned is None


def _errors(runs: Sequence[Record]) -> list[list[float | None]]:
    """Test errors of every seed's samples; a diverged run has none."""
    return [[None] if r.status == "diverged" else r.per_sample.get("test", {}).get(METRIC, [None]) for r in runs]


def _interval(runs: Sequence[Record]) -> str:
    found = interval(_errors(runs))
    return "-" if found is None else f"{found.lower:.3g} to {found.upper:.3g}"


def _comparison(runs: Sequence[Record], baseline: Sequence[Record]) -> str:
    found = compare(_errors(runs), _errors(baseline))
    if found is None:
        return "-"
    return f"{found.ratio:.3g} ({found.interval.lower:.3g} to {found.interval.upper:.3g}), p = {found.p_value:.1g}"


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
    spread = f" ± {statistics.stdev(values):.1g}" if len(values) >= MIN_SEEDS else ""
    floor = _floor(runs[0], split)
    return f"{mean:.4g}{spread}{' (saturated)' if floor is not None and mean < 2 * floor else ''}"


def _residual(runs: Sequence[Record]) -> str:
    values, floor = _values(runs, "test", RESIDUAL), runs[0].physics_floor.get("test")
    return f"{statistics.fmean(values):.3g} ({floor:.3g})" if values and floor is not None else "-"


def _floor(record: Record, split: str) -> float | None:
    """What the data of a split err by; the coarser grid has values of the test split."""
    means = [field["relative_l2"]["mean"] for field in record.error_floor.get("test" if split == "coarser" else split, {}).values()]
    return max(means) if means else None


def markdown(board: Board, command: str) -> str:
    """The table with its heading, what was measured, the data's own error, and the command that printed it."""
    heads, cells = _table(board)
    lines = ["| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads), *([_escape(c) for c in row] for row in cells))]
    return "\n".join([f"## {_heading(board)}", "", f"{ABOUT} Printed by `{command}`.", "", *lines, ""])


def _heading(board: Board) -> str:
    floors = {split: _floor(board.records[0], split) for split in ("test", "ood", "finer")}
    known = ", ".join(f"{split} {floor:.1e}" for split, floor in floors.items() if floor is not None)
    state = f"task version {board.task_version}, data {board.data_fingerprint[:8]}; the data's own error: {known or 'not known'}"
    return f"{board.task}, {board.scale} ({state})"


def _escape(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def text(board: Board, mark: str = "") -> str:
    """The table for a terminal; the rows of the model `mark` are pointed at."""
    heads, cells = _table(board)
    lines = [("", *heads), *((">" if row[0].split(" (")[0] == mark else "", *row) for row in cells)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join([_heading(board), *("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines), ""])


def write(all_boards: Sequence[Board], folder: Path) -> list[Path]:
    """One Markdown file for every task and scale, below `folder`; returns their paths."""
    texts: dict[str, list[str]] = {}
    for board in all_boards:
        texts.setdefault(board.stem, []).append(markdown(board, f"opbench table --task {board.task}"))
    paths = [folder / f"{stem}.md" for stem in texts]
    for path, parts in zip(paths, texts.values(), strict=True):
        write_bytes(path, "\n".join(parts).encode())
    return paths
