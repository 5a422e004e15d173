"""Records and ladders -> Markdown: what it costs to err no more than each model with our own solver."""

import math
from collections.abc import Sequence
from pathlib import Path

from opbench.atomic import write_bytes
from opbench.leaderboard.table import Board, mean, middle, name
from opbench.leaderboard.words import plain, rate, seconds
from opbench.markdown import escaped, plain_table
from opbench.records.ladder import Ladder, Rung
from opbench.records.record import Record, Way

FILE = "solver.md"
WAYS: dict[Way, str] = {"alone": "One sample alone", "batched": "In full batches"}
ABOUT = """# What a solver costs that is as wrong as the model

Rendered from records and ladders by `opbench table`; `opbench evaluate` measures the ladder of its task and machine where there is none.

The solver is opbench's own, loosened until it errs as much as a network: coarse grids, low orders, large tolerances, in float64, on the
network's device and batched as it is, its answer interpolated to the task's points; on periodic axes a spectral scheme beside it, for
steady equations scipy's sparse LU. Of each model's timed seeds that of median error is shown, with the cheapest solve that errs no more. A
ratio is solver seconds over model seconds: below 1 the solver is the faster. Break-even is the number of solves after which training and
the data generated for it have paid, "never" where the solver is no slower. What follows from grid and step alone is prepared beforehand, as
weights are. It is a plain solver in torch, not the state of the art: a better one moves every ratio in the solver's favour. It is slowest
beside networks where it steps by WENO (euler, shallow_water) and where Newton's method with sparse factors takes sample by sample (stokes,
helmholtz, lid_driven_cavity): ratios there say as much of it as of them. ~: timed while the machine was busy.
"""
TIE = 1.1  # times faster or less is none: few rows rest on more than one timed run
SUMMARY = ("task", "networks of use", "faster alone", "ratios alone", "faster in batches", "ratios in batches")
MODELS = ("model", "error", "solver", "its error", "model's seconds", "solver's seconds", "ratio", "break-even")
LADDER = ("solver", "error", "error without interpolation", "one alone", "in batches", "batch")


def write_solver(boards: Sequence[Board], folder: Path) -> list[Path]:
    """Write folder/solver.md where any board has a ladder; its path."""
    pairs = [(board, ladder) for board in boards for ladder in board.ladders]
    if not pairs:
        return []
    machines = dict.fromkeys(ladder.machine for _, ladder in pairs)
    short = [_short([pair for pair in pairs if pair[1].machine == machine]) for machine in machines]
    write_bytes(folder / FILE, "\n".join([ABOUT, *short, *(section(*pair) for pair in pairs)]).encode())
    return [folder / FILE]


def _short(pairs: Sequence[tuple[Board, Ladder]]) -> str:
    """What all ladders of one machine say of the networks, the models that have parameters, where they are worth their parameters."""
    rows, networks, useful, counts = [], 0, 0, dict.fromkeys(WAYS, 0)
    for board, ladder in pairs:
        every = [run.matched for _, run in _matched(board, ladder) if run.parameters and run.matched]
        held = [matched for matched in every if matched.error < _simplest(board)]
        networks, useful = networks + len(every), useful + len(held)
        cells = [f"{board.task}, {board.scale}", f"{len(held)} of {len(every)}"]
        for way in WAYS:
            ratios = sorted(match.ratio for matched in held if (match := matched.match(way)))
            faster = sum(ratio > TIE for ratio in ratios)
            counts[way] += faster
            cells += [f"{faster} of {len(ratios)}", f"{plain(ratios[0], 2)} to {plain(ratios[-1], 2)}" if ratios else "-"]
        rows.append(cells)
    said = (
        f"Of {networks} networks on {len(rows)} tasks, {useful} err less than mean, persistence and linear do. Of those, {counts['alone']} "
        "are faster than the solver that errs no more where one sample is asked for alone, by more than a tenth, and "
        f"{counts['batched']} in full batches. A network that errs less than every rung is set beside none."
    )
    return "\n".join([f"## In short: {escaped(pairs[0][1].machine.words)}", "", said, "", *plain_table(SUMMARY, rows), ""])


def _simplest(board: Board) -> float:
    """The least error of what has no parameters to train."""
    return min((e for runs in board.configurations if not runs[0].parameters and (e := mean(runs, "test")) is not None), default=math.inf)


def _matched(board: Board, ladder: Ladder) -> list[tuple[str, Record]]:
    """The runs that are set beside a ladder, each with its row's name."""
    return [(name(run), run) for runs in board.configurations if (run := middle(runs)) and run.machine == ladder.machine and run.matched]


def section(board: Board, ladder: Ladder) -> str:
    """What one task's ladder says of its models on one machine."""
    runs = _matched(board, ladder)
    lines = [f"## {escaped(board.heading)}", "", f"On {escaped(ladder.machine.words)}, {_clock(ladder)}."]
    for way, title in WAYS.items():
        rows = [_model_cells(title, run, way) for title, run in runs]
        lines += ["", f"### {title}", "", _said(runs, way), "", *plain_table(MODELS, rows)]
    front = {rung.name: rung for way in WAYS for rung in ladder.front(way)}
    rungs = sorted(front.values(), key=lambda rung: -rung.error)
    data = f"Training and validation data cost {seconds(ladder.generation_seconds)}: {ladder.generation}."
    about = escaped(f"Errors are means over {ladder.samples} test samples; interpolation: {ladder.interpolation}. {data}")
    return "\n".join([*lines, "", "### The ladder", "", about, "", *plain_table(LADDER, [_rung_cells(rung) for rung in rungs]), ""])


def _clock(ladder: Ladder) -> str:
    return (
        "in seconds of the processor's own clock, which a busy machine does not stretch" if ladder.clock == "processor" else "in wall time"
    )


def _said(runs: Sequence[tuple[str, Record]], way: Way) -> str:
    """What the table says in plain words, whichever way it falls."""
    matches = [(match.ratio, title) for title, run in runs if run.matched and (match := run.matched.match(way))]
    if not matches:
        return "No model was matched."
    faster = sorted(((ratio, name) for ratio, name in matches if ratio > 1), reverse=True)
    slower = sorted((ratio, name) for ratio, name in matches if ratio <= 1)
    said = []
    if faster:
        said.append(f"{_counted(len(faster), matches)} faster than the solver that errs no more, by up to {_most(faster[0])}")
    if slower:
        said.append(f"{_counted(len(slower), matches)} slower than the solver, by up to {_most((1 / slower[0][0], slower[0][1]))}")
    unmatched = len(runs) - len(matches)
    left = [f"{unmatched} err less than every rung"] if unmatched else []
    return escaped(f"At equal error {'; '.join([*said, *left])}.")


def _most(found: tuple[float, str]) -> str:
    factor, title = found
    return f"{plain(factor, 3)} times ({title})"


def _counted(count: int, matches: Sequence) -> str:
    return f"{count} of {len(matches)} models {'is' if count == 1 else 'are'}"


def _model_cells(name: str, run: Record, way: Way) -> tuple[str, ...]:
    assert run.cost is not None
    assert run.matched is not None
    match, about = run.matched.match(way), "~" if run.matched.noisy else ""
    own = f"{about}{seconds(run.cost.seconds(way))}"
    if match is None:
        return (name, f"{run.matched.error:.4g}", "none errs as little", "-", own, "-", "-", "-")
    even = "never" if match.break_even is None else f"{about}{plain(match.break_even, 2)}"
    solver = f"{about}{seconds(match.seconds)}"
    return (name, f"{run.matched.error:.4g}", match.name, f"{match.error:.3g}", own, solver, f"{about}{plain(match.ratio, 3)}", even)


def _rung_cells(rung: Rung) -> tuple[str, ...]:
    own, about = "-" if rung.own_error is None else f"{rung.own_error:.3g}", "~" if rung.noisy else ""
    each = f"{about}{seconds(rung.batched.median)} ({rate(1 / rung.batched.median)})"
    return (rung.name, f"{rung.error:.3g}", own, f"{about}{seconds(rung.alone.median)}", each, str(rung.batch_size))
