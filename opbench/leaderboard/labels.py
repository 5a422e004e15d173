"""Records -> error against the number of labels: a table and a plot for every board on which some model was trained with few of them."""

import io
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from opbench.atomic import write_bytes
from opbench.config import fingerprint, printable
from opbench.leaderboard.table import ABOUT_ERRORS, METRIC, Board
from opbench.leaderboard.words import aligned
from opbench.markdown import escaped, plain_table
from opbench.pictures import COLOURS, TEXT, WORDS, legible
from opbench.records.record import Record, decided
from opbench.statistics import MIN_SEEDS

SPLIT = "test"


@dataclass(frozen=True)
class Curve:
    """A model with a loss: its test errors, one a seed, by the number of labels; None stands for all of them."""

    name: str
    errors: dict[int | None, list[float]]

    @property
    def unlabelled(self) -> bool:
        return set(self.errors) == {0}

    def mean(self, labels: int | None) -> float:
        return statistics.fmean(self.errors[labels])

    def spread(self, labels: int | None) -> float:
        errors = self.errors[labels]
        return statistics.stdev(errors) if len(errors) >= MIN_SEEDS else 0.0


def curves(board: Board) -> list[Curve]:
    """One for every model and loss, settings and machine included; models that were never short of labels are left out."""
    studied = {r.model for r in board.records if r.labels}
    groups: dict[str, list[Record]] = {}
    for record in board.records:
        if record.model in studied and record.status != "diverged" and record.scores.get(SPLIT, {}).get(METRIC) is not None:
            about = decided(record.model_dump(mode="json"))
            about.pop("labels", None)
            groups.setdefault(fingerprint([about, str(record.machine)]), []).append(record)
    return sorted((_curve(records) for records in groups.values()), key=lambda curve: curve.name)


def _curve(records: Sequence[Record]) -> Curve:
    errors: dict[int | None, list[float]] = {}
    for record in records:
        error = record.scores[SPLIT][METRIC]
        assert error is not None
        errors.setdefault(record.labels, []).append(error)
    first = records[0]
    changes = ", ".join(f"{name} = {value}" for name, value in first.changes.items() if not name.startswith("finetune."))
    return Curve(f"{first.model}, {first.loss}{f' ({changes})' if changes else ''}", errors)


def counts(found: Sequence[Curve]) -> list[int | None]:
    """The numbers of labels that occur, all of them last."""
    every = {labels for curve in found for labels in curve.errors}
    return [*sorted(labels for labels in every if labels is not None), *([None] if None in every else [])]


def rows(found: Sequence[Curve]) -> list[tuple[str, ...]]:
    columns = counts(found)
    return [("model, loss", *(_named(n) for n in columns)), *((curve.name, *(_cell(curve, n) for n in columns)) for curve in found)]


def _named(labels: int | None) -> str:
    return "all labels" if labels is None else f"{labels} labels"


def _cell(curve: Curve, labels: int | None) -> str:
    if labels not in curve.errors:
        return "-"
    spread = curve.spread(labels)
    return f"{curve.mean(labels):.4g}{f' ± {spread:.1g}' if spread else ''}"


def markdown(board: Board, found: Sequence[Curve], command: str) -> str:
    head, *body = rows(found)
    about = (
        f"{ABOUT_ERRORS}. Best weights were chosen by validation references, by a loss without labels by itself. Printed by `{command}`."
    )
    picture = f"![error against labels]({_stem(board)}-labels.png)"
    return "\n".join([f"## {escaped(board.heading)}: error against labels", "", about, "", *plain_table(head, body), "", picture, ""])


def text(board: Board, found: Sequence[Curve]) -> str:
    return "\n".join([printable(board.heading), *aligned(rows(found)), ""])


def plot(board: Board, found: Sequence[Curve]) -> bytes:
    """PNG: a line for every curve, and one across for what needs no labels."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    columns = counts(found)
    with mpl.rc_context(TEXT | WORDS):
        figure = Figure(figsize=(5.0, 3.4), layout="constrained")
        panel = figure.subplots()
        for i, curve in enumerate(found):
            colour, own = COLOURS[i % len(COLOURS)], [n for n in columns if n in curve.errors]
            if curve.unlabelled:
                panel.axhline(curve.mean(0), color=colour, linestyle="--", label=legible(curve.name))
                continue
            means, spreads = ([value(n) for n in own] for value in (curve.mean, curve.spread))
            panel.errorbar([columns.index(n) for n in own], means, spreads, color=colour, marker="o", capsize=2, label=legible(curve.name))
        panel.set(yscale="log", ylabel="relative L2 error, test", title=f"{board.task}, {board.scale}")
        panel.set_xticks(range(len(columns)), [_named(n) for n in columns])
        panel.legend()
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    return buffer.getvalue()


def _stem(board: Board) -> str:
    return f"{board.task.replace('/', '-')}-{board.scale}-{board.device}"


def write(board: Board, found: Sequence[Curve], folder: Path) -> list[Path]:
    """folder/<task>-<scale>-<device>-labels.md and .png; returns their paths."""
    words, picture = folder / f"{_stem(board)}-labels.md", folder / f"{_stem(board)}-labels.png"
    write_bytes(words, markdown(board, found, f"opbench labels --task {board.task}").encode())
    write_bytes(picture, plot(board, found))
    return [words, picture]
