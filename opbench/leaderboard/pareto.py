"""Records and ladders -> a picture: error against latency, throughput, parameters and training time, the solver's own curve among them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opbench.atomic import replacing
from opbench.errors import DataError
from opbench.ladder import Ladder
from opbench.leaderboard.table import METRIC, Board, configurations, middle, name
from opbench.record import Machine, Record, Way

MARKERS = "osD^vP*Xhp<>"
SOLVER = "#444444"


@dataclass(frozen=True)
class Panel:
    """What stands on the horizontal axis: of a run, and of the solver where that has it."""

    label: str
    of_run: Callable[[Record], float | None]
    way: Way | None = None
    rate: bool = False


def _cost(way: Way) -> Callable[[Record], float | None]:
    return lambda run: None if run.cost is None else run.cost.seconds(way)


PANELS = (
    Panel("latency of one sample, s", _cost("alone"), "alone"),
    Panel("throughput in full batches, samples/s", _cost("batched"), "batched", rate=True),
    Panel("parameters", lambda run: run.parameters or None),
    Panel(
        "training, s", lambda run: run.seconds["training_cpu" if run.cost and run.cost.clock == "processor" else "training_wall"] or None
    ),
)


def draw_pareto(board: Board, machine: Machine, path: Path) -> Path:
    """Write the picture of one board's rows of one machine; raises DataError where none of them was timed."""
    found = ((name(runs[0]), middle(runs)) for runs in configurations(board) if runs[0].machine == machine)
    runs = [(name, run) for name, run in found if run is not None]
    if not runs:
        raise DataError(
            f"{board.task}: no record on {machine.device} ({machine.name}) says what its model costs; run opbench evaluate again"
        )
    ladder = next((ladder for ladder in board.ladders if ladder.machine == machine), None)
    figure = _figure(board, machine, runs, ladder)
    with replacing(path) as aside:
        figure.savefig(aside, format="png", dpi=150)
    return path


def _figure(board: Board, machine: Machine, runs: Sequence[tuple[str, Record]], ladder: Ladder | None) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8.5), layout="constrained")
    axes = figure.subplots(2, 2, sharey=True).ravel()
    for place, (panel, axis) in enumerate(zip(PANELS, axes, strict=True)):
        _draw(axis, panel, runs, ladder)
        if place % 2 == 0:
            axis.set_ylabel("mean relative L2 error, test")
    figure.suptitle(f"{board.task}, {board.scale}: error against cost, on {machine.device} ({machine.name}, {machine.threads} threads)")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5), frameon=False)
    noisy = any(run.cost and run.cost.noisy for _, run in runs) or (ladder is not None and ladder.noisy)
    if noisy:
        figure.text(0.995, 0.005, "timed while the machine was busy", ha="right", fontsize=8, color=SOLVER)
    return figure


def _draw(axis: Any, panel: Panel, runs: Sequence[tuple[str, Record]], ladder: Ladder | None) -> None:
    errors = [run.scores["test"][METRIC] or math.nan for _, run in runs]
    for number, ((title, run), error) in enumerate(zip(runs, errors, strict=True)):
        value = panel.of_run(run)
        x = math.nan if value is None else 1 / value if panel.rate else value
        axis.plot([x], [error], MARKERS[number % len(MARKERS)], color=f"C{number % 10}", markersize=9, label=title, zorder=3)
    if ladder is not None and panel.way is not None:
        front = ladder.front(panel.way)
        costs = [1 / rung.seconds(panel.way) if panel.rate else rung.seconds(panel.way) for rung in front]
        axis.plot(costs, [rung.error for rung in front], ".-", color=SOLVER, linewidth=1.2, label="our solver, loosened", zorder=2)
    elif panel.way is not None:
        axis.plot([], [])
    axis.set(xscale="log", yscale="log", xlabel=f"{panel.label} ({'more' if panel.rate else 'less'} is better)")
    _limit(axis, errors)
    axis.grid(True, which="major", color="#dddddd", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)


def _limit(axis: Any, errors: Sequence[float]) -> None:
    """The models' errors with room around them: the solver's curve goes on far below."""
    known = [error for error in errors if math.isfinite(error) and error > 0]
    if known:
        axis.set_ylim(min(known) / 8, max(known) * 2)
