"""Commands that train: one model, a search, a contest."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from opbench.cli import _shared as shared
from opbench.cli._shared import LOSS, bars, counted, epochs, ladders, listed, opbench, records_of, require_whole, setting
from opbench.config import printable
from opbench.errors import AGAIN, Interrupted


@opbench.command()
@shared.model
@shared.task
@shared.loss
@shared.labels
@click.option("--finetune", type=LOSS, help="Optimise test samples one by one by this loss: physics.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the training.")
@click.option("--seeds", type=click.IntRange(1), help="Train this many times, with seeds from --seed on.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="model.width=64, train.epochs=200, loss.weight=0.1, ...")
@shared.scale
@shared.device
@shared.out("For records and runs.")
@shared.data
@shared.cost
@click.option("--compiled/--not-compiled", default=None, help="Time it under torch.compile too. [default: on a GPU]")
@click.option("--json", "as_json", is_flag=True, help="Print the record (a list of them with --seeds) and nothing else.")
def evaluate(
    model: str, task: str, seed: int, seeds: int | None, settings: tuple[str, ...], out: Path, as_json: bool, **options: Any
) -> None:
    """Train a model on a task and set it among the baselines.

    Writes a record with its scores and its cost, and prints the task's table, with a summary against the stored baselines.
    """
    from opbench.evaluation.evaluate import evaluate as run

    require_whole(out)
    options |= {"settings": dict(setting(text) for text in settings), "out": out}
    records = []
    with bars() as show:
        for number in range(seed, seed + (seeds or 1)):
            try:
                with redirect_stdout(sys.stderr):  # what a user's model prints is no part of a record
                    records.append(run(model, task, seed=number, report=show, progress=epochs(show, f"{model}, seed {number}"), **options))
            except (Interrupted, KeyboardInterrupt) as stop:
                left = f", with --seed {number} --seeds {seed + seeds - number} for the seeds that are left" if seeds else ""
                raise Interrupted(f"{str(stop) or AGAIN}{left}") from stop
    if as_json:
        click.echo(records[0].to_json() if seeds is None else f"[{', '.join(record.to_json() for record in records)}]")
    else:
        _show(records, out, {"task": task} | {name: options[name] for name in ("data", "device", "cost", "compiled")})


@opbench.command()
@shared.model
@shared.task
@click.option("--trials", "-n", type=click.IntRange(1), default=20, show_default=True, help="Trainings, each with the task's budget.")
@shared.loss
@shared.labels
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of all trials, and the first of --seeds.")
@click.option("--seeds", type=click.IntRange(1), help="Evaluate what was found this many times.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Not to be searched: model.width=64, train.epochs=200, ...")
@shared.scale
@shared.device
@shared.out("For records and trials.")
@shared.data
@shared.cost
@click.pass_context
def tune(ctx: click.Context, trials: int, seeds: int | None, settings: tuple[str, ...], cost: bool, **options: Any) -> None:
    """Search a model's settings by validation error.

    What was found is evaluated then; its record says that it was tuned.
    """
    from opbench.evaluation.tuning import tune as search

    with bars() as show, redirect_stdout(sys.stderr):
        found = search(trials=trials, settings=dict(setting(text) for text in settings), report=show, progress=show, **options)
    best = tuple(f"{name}={value}" for name, value in found.proposed.items())
    click.echo(
        f"validation error {found.error:.4g} in the best of {counted(found.trials, 'trial')}, {found.default_error:.4g} with the defaults"
    )
    if found.failed:
        click.echo(f"{counted(found.failed, 'trial')} diverged, or the settings did not fit each other")
    click.echo("settings: " + " ".join(f"--set {setting}" for setting in best))
    ctx.invoke(evaluate, seeds=seeds, settings=(*settings, *best), tuned=found.trials, cost=cost, **options)


@opbench.command()
@shared.model
@click.option("--against", default="fno,deeponet", show_default=True, help="Models, by comma.")
@click.option("--tasks", "-t", default="burgers_1d,darcy_2d", show_default=True, help="Datasets, or dataset/task, by comma.")
@shared.loss
@shared.labels
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Trainings of each model, with seeds from 0 on.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Of --model: model.width=64, train.epochs=200, ...")
@shared.scale
@shared.device
@shared.out("For records, runs and reports.")
@shared.data
@shared.cost
def compare(model: str, against: str, tasks: str, settings: tuple[str, ...], out: Path, **options: Any) -> None:
    """Compare a model with others: who wins where, how surely.

    Trains what has no record yet, says by how much and where the model is weak, and writes a report with pictures, one HTML file.
    """
    from opbench.comparison.compare import contests, overall, text
    from opbench.comparison.report import write
    from opbench.evaluation.evaluate import evaluate as train

    require_whole(out)
    chosen = dict(setting(text) for text in settings)
    with bars() as show, redirect_stdout(sys.stderr):

        def run(name: str, task: str, *, seed: int, **more: Any) -> Any:
            record = train(name, task, seed=seed, report=show, progress=epochs(show, f"{name} on {task}, seed {seed}"), **more)
            if not sys.stderr.isatty():  # which has bars, and a log has a line a training
                click.echo(f"{record.status}: {printable(name)} on {task}, seed {seed}, in {record.training_seconds:.1f} s", err=True)
            return record

        held = contests(model, listed(against), listed(tasks), settings=chosen, out=out, run=run, **options)
    for one in held:
        click.echo(text(one))
    for line in overall(held):
        click.echo(line)
    click.echo(f"written: {write(held, out)}")


def _show(records: list, out: Path, as_run: dict[str, Any]) -> None:
    """The table that the new records stand in, and where everything lies."""
    from opbench.comparison.compare import summary
    from opbench.data.generation import data_root
    from opbench.evaluation.evaluate import place_among_baselines
    from opbench.leaderboard.table import boards, text

    place_among_baselines(records[-1], out=out, **as_run)
    board = next(b for b in boards(records_of(out), ladders(out)[0]) if records[-1].fingerprint in [r.fingerprint for r in b.records])
    click.echo(text(board, mark=records[-1]))
    click.echo(summary(records, board.records))
    for record in records:
        if record.status == "diverged":
            click.echo(f"seed {record.seed} diverged in epoch {record.curve[-1][0]}; a lower train.learning_rate may help")
        if (tuned := record.finetuned) is not None:
            before, after = (_mean_error(part["relative_l2"]) for part in (tuned.before, tuned.after))
            done = f"{tuned.samples} test samples, {tuned.steps} steps and {tuned.seconds:.1f} s each"
            click.echo(f"seed {record.seed}, finetuned by {tuned.loss} ({done}): error {before} -> {after}")
    for split, reason in records[-1].not_scored.items():
        click.echo(f"{split} was not scored: {reason}")
    if records[-1].error_floor:  # data that the solver made; others' come with opbench
        click.echo(f"data:    {as_run['data'] or data_root()}/{records[-1].dataset}/{records[-1].scale}")
    click.echo(f"records: {out / 'records' / records[-1].dataset}\nweights: {out / 'runs' / records[-1].dataset}")


def _mean_error(errors: list[float | None]) -> str:
    known_ones = [error for error in errors if error is not None]
    return f"{sum(known_ones) / len(known_ones):.4g}" if len(known_ones) == len(errors) else "not finite"
