"""Records and ladders -> a picture: error against latency, throughput, parameters and training time, the solver's own curve among them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opbench.atomic import replacing
from opbench.errors import DataError
from opbench.leaderboard.table import METRIC, Board, middle, name
from opbench.pictures import WORDS, legible
from opbench.records.ladder import Ladder
from opbench.records.record import Machine, Record, Way

MARKERS = "osD^vP*Xhp<>"
SOLVER = "#444444"


@dataclass(frozen=True)
class Panel:
    """What stands on the horizontal axis: of a run, and of the solver where that has it."""

    label: str
    of_run: Callable[[Record], float | None]
    way: Way | None = None
    rate: bool = False

    def place(self, value: float) -> float:
        """Where a sample's seconds, or a number, stand."""
        return 1 / value if self.rate else value


def _cost(way: Way) -> Callable[[Record], float | None]:
    return lambda run: None if run.cost is None else run.cost.seconds(way)


PANELS = (
    Panel("latency of one sample, s", _cost("alone"), "alone"),
    Panel("throughput in full batches, samples/s", _cost("batched"), "batched", rate=True),
    Panel("parameters", lambda run: run.parameters or None),
    Panel("training, s", lambda run: run.training_seconds or None),
)


def draw_pareto(board: Board, machine: Machine, folder: Path) -> Path:
    """Write the picture of one board's rows of one machine below `folder`; raises DataError where none of them was timed."""
    found = ((name(runs[0]), middle(runs)) for runs in board.configurations if runs[0].machine == machine)
    runs = [(title, run) for title, run in found if run is not None]
    if not runs:
        raise DataError(f"{board.task}: no record on {machine.device} ({machine.name}) was timed; run opbench evaluate again")
    import matplotlib as mpl

    ladder = next((ladder for ladder in board.ladders if ladder.machine == machine), None)
    path = folder / f"pareto-{board.task.replace('/', '-')}-{board.scale}-{board.device}{board.mark(machine).strip(' []').lower()}.png"
    with replacing(path) as aside, mpl.rc_context(WORDS):
        _figure(board, machine, runs, ladder).savefig(aside, format="png", dpi=150)
    return path


def _figure(board: Board, machine: Machine, runs: Sequence[tuple[str, Record]], ladder: Ladder | None) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8.5), layout="constrained")
    axes = figure.subplots(2, 2, sharey=True).ravel()
    for place, (panel, axis) in enumerate(zip(PANELS, axes, strict=True)):
        _draw(axis, panel, runs, ladder)
        if place % 2 == 0:
            axis.set_ylabel("mean relative L2 error, test")
    figure.suptitle(f"{board.task}, {board.scale}: error against cost, on {machine.words}")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5), frameon=False)
    noisy = any(run.cost and run.cost.noisy for _, run in runs) or (ladder is not None and ladder.noisy)
    if noisy:
        figure.text(0.995, 0.005, "timed while the machine was busy", ha="right", fontsize=8, color=SOLVER)
    return figure


def _draw(axis: Any, panel: Panel, runs: Sequence[tuple[str, Record]], ladder: Ladder | None) -> None:
    points = [(panel.of_run(run), run.scores["test"][METRIC]) for _, run in runs]
    for number, ((title, _), (value, error)) in enumerate(zip(runs, points, strict=True)):
        at = [[], []] if value is None or not error else [[panel.place(value)], [error]]
        axis.plot(*at, MARKERS[number % len(MARKERS)], color=f"C{number % 10}", markersize=9, label=legible(title), zorder=3)
    known = [error for _, error in points if error] or [1.0]
    axis.set(xscale="log", yscale="log", xlabel=f"{panel.label} ({'more' if panel.rate else 'less'} is better)")
    axis.set_ylim(least := min(known) / 5, 2 * max(known))
    shown = [panel.place(value) for value, _ in points if value is not None]
    if ladder is not None and panel.way is not None:
        front = [(panel.place(rung.seconds(panel.way)), rung.error) for rung in ladder.front(panel.way)]
        axis.plot(*zip(*front, strict=True), ".-", color=SOLVER, linewidth=1.2, label="our solver, loosened", zorder=2)
        shown += [cost for cost, error in front if error >= least]  # the curve goes on far below the models
    if shown:
        axis.set_xlim(*_decades(shown))
    axis.xaxis.set_minor_formatter("")
    axis.yaxis.set_minor_formatter("")
    axis.grid(True, which="major", color="#dddddd", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)


def _decades(values: Sequence[float]) -> tuple[float, float]:
    """The whole powers of ten around values, with a little room."""
    return 10.0 ** math.floor(math.log10(min(values) / 1.2)), 10.0 ** math.ceil(math.log10(max(values) * 1.2))
