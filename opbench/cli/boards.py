"""Commands that show records: tables, pages and plots."""

from pathlib import Path

import click

from opbench.cli import _shared as shared
from opbench.cli._shared import DATASET, SCALE, counted, ladders, opbench, tell
from opbench.errors import OpbenchError
from opbench.find import known


@opbench.command()
@click.option("--task", "-t", type=DATASET, help="Only this dataset, or dataset/task.")
@shared.out("Where records/ lies.")
def table(task: str | None, out: Path) -> None:
    """Print leaderboards from records, and write their files.

    Written as Markdown: every table, the overview, and what our own solver costs at each model's error.
    """
    from opbench.leaderboard.overview import write_overview
    from opbench.leaderboard.solver import write_solver
    from opbench.leaderboard.table import boards, text, write
    from opbench.records.shelf import shelf, shipped

    task = in_records(task)
    records, faults = shelf(shipped(), out / "records")
    climbed, odd = ladders(out)
    faults += odd
    found = every = boards(records, climbed)
    if task is not None:
        found = _chosen(task, found, "records")
    if not found:
        raise OpbenchError(f"{out / 'records'}: holds no records yet; make one with opbench evaluate --model fno")
    for board in found:
        click.echo(text(board))
    for path in [*write(every, out), write_overview(every, out), *write_solver(every, out)]:
        click.echo(f"written: {path}")
    _tell(faults)


@opbench.command()
@shared.out("Where records/ lies.")
def page(out: Path) -> None:
    """Write all leaderboards as one page, index.html.

    It needs no server and asks nothing of the network.
    """
    from opbench.leaderboard.page import write
    from opbench.records.shelf import shelf, shipped

    records, faults = shelf(shipped(), out / "records")
    click.echo(f"written: {write(records, out)} ({counted(len(records), 'record')})")
    _tell(faults)


@opbench.command()
@click.option("--task", "-t", type=DATASET, help="Only this dataset, or dataset/task.")
@shared.out("Where records/ lies.")
def labels(task: str | None, out: Path) -> None:
    """Print error against labels, and write it with a plot.

    From records made with --labels.
    """
    from opbench.leaderboard.labels import curves, text, write
    from opbench.leaderboard.table import boards
    from opbench.records.shelf import shelf, shipped

    task = in_records(task)
    records, faults = shelf(shipped(), out / "records")
    studies = [(board, found) for board in boards(records) if (found := curves(board))]
    if task is not None:
        chosen = _chosen(task, [board for board, _ in studies], "records of few labels")
        studies = [(board, found) for board, found in studies if board in chosen]
    if not studies:
        raise OpbenchError(f"{out / 'records'}: holds no records with few labels; make some with opbench evaluate --labels 10")
    for board, found in studies:
        click.echo(text(board, found))
        for path in write(board, found, out):
            click.echo(f"written: {path}")
    _tell(faults)


@opbench.command()
@click.option("--task", "-t", type=DATASET, required=True, help="A dataset for its first task with records, or dataset/task.")
@click.option("--scale", type=SCALE, help="[default: the first with records]")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), help="[default: the first with records]")
@shared.out("Where records/ lies.")
def pareto(task: str, scale: str | None, device: str | None, out: Path) -> None:
    """Draw error against cost, with the solver's own curve.

    From records: latency, throughput, parameters and training time.
    """
    from opbench.leaderboard.pareto import draw_pareto
    from opbench.leaderboard.table import boards
    from opbench.records.shelf import shelf, shipped

    records, faults = shelf(shipped(), out / "records")
    climbed, odd = ladders(out)
    found = boards((record for record in records if record.cost is not None), climbed)
    task = str(in_records(task))
    named = _chosen(task, found, "records of what a model costs")
    fitting = [board for board in named if scale in (None, board.scale) and device in (None, board.device)]
    if not fitting:
        raise OpbenchError(f"{task}: no records of scale {scale or 'any'} on device {device or 'any'}; leave --scale or --device out")
    for machine in fitting[0].machines:
        click.echo(f"written: {draw_pareto(fitting[0], machine, out)}")
    _tell([*faults, *odd])


def _chosen(task: str, found: list, what: str) -> list:
    """The boards of a dataset, or of dataset/task; raises UnknownName."""
    known(f"task with {what}", task, {name for board in found for name in (board.task, board.dataset)})
    return [board for board in found if task in (board.task, board.dataset)]


def _tell(faults: list[OpbenchError]) -> None:
    """A line for every file that is no record; raises OpbenchError where there is one."""
    tell(faults)
    if faults:
        left = f"{counted(len(faults), 'file')} {'was' if len(faults) == 1 else 'were'} left out"
        raise OpbenchError(f"{left}, named above; mend or remove what is named")


def in_records(task: str | None) -> str | None:
    """A task as records call it, where a recipe's path is given: path/to/mine.toml or path/to/mine.toml/kind."""
    if task is None or ".toml" not in task:
        return task
    path, _, kind = task.partition(".toml")
    return Path(path).name + kind
