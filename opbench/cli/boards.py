"""Commands about records: tables, pages, plots, and whether a record is true."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from opbench.cli import _shared as shared
from opbench.cli._shared import DATASET, SCALE, Name, bars, counted, epochs, opbench
from opbench.config import printable
from opbench.errors import Interrupted, OpbenchError
from opbench.find import known

foreign_model = click.option(
    "--model",
    "-m",
    help="The class of a model that is none of opbench's: path/to/file.py:Class. Its code is run; records of opbench's own need none.",
)
own_task = click.option("--task", "-t", help="Where the data are of a recipe of your own: path/to/recipe.toml, or recipe.toml/kind.")
weights_option = click.option(
    "--weights", type=click.Path(path_type=Path), help="[default: ../../runs/<dataset>/<record's name>/weights.safetensors]"
)


@opbench.command()
@click.option("--task", "-t", type=DATASET, help="Only this dataset, or dataset/task.")
@shared.out("Where records/ lies.")
def table(task: str | None, out: Path) -> None:
    """Print the leaderboard from records, and write its Markdown, and that of the solver matched with each model."""
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
    """Write all leaderboards as one page, out/index.html, that needs no server and asks nothing of the network."""
    from opbench.leaderboard.page import write
    from opbench.records.shelf import shelf, shipped

    records, faults = shelf(shipped(), out / "records")
    click.echo(f"written: {write(records, out)} ({counted(len(records), 'record')})")
    _tell(faults)


@opbench.command()
@click.option("--task", "-t", type=DATASET, help="Only this dataset, or dataset/task.")
@shared.out("Where records/ lies.")
def labels(task: str | None, out: Path) -> None:
    """Print error against labels from records made with --labels, and write it as Markdown and as a plot."""
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
    """Draw error against latency, throughput, parameters and training time, with the solver's own curve, from records."""
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


@opbench.command()
@click.argument("records", metavar="RECORD...", nargs=-1, required=True, type=click.Path(path_type=Path))
@foreign_model
@own_task
@weights_option
@click.option("--out", type=click.Path(path_type=Path), default=Path(), show_default=True, help="For the archives.")
def submit(records: tuple[Path, ...], weights: Path | None, **options: Any) -> None:
    """Check records of yours and pack each, its checkpoint and its model's files into one archive, for a pull request."""
    _require_one_for(weights, records)
    packed: list[tuple[str, str]] = []
    faults = _each(records, lambda path: packed.append(_submit(path, weights, **options)))
    if packed:
        added, attached = (", ".join(names) for names in zip(*packed, strict=True))
        click.echo(f"next: open a pull request that adds {added}, and attach {attached} to it; SUBMIT.md says how it is checked")
    _refuse(faults, records, "packed")


def _submit(path: Path, weights: Path | None, model: str | None, task: str | None, out: Path) -> tuple[str, str]:
    """The record's place in a pull request, and the name of the archive that it is packed in now."""
    from opbench.submission.submit import RECIPE
    from opbench.submission.submit import submit as pack

    archive, sizes, held = pack(path, model=model, weights=weights, task=task, out=out)
    for name, size in sizes.items():
        click.echo(f"{size:12,} bytes  {name}")
    click.echo(f"written: {archive} ({archive.stat().st_size:,} bytes)")
    if held.dirty or held.commit is None:
        click.echo("note: the record names no commit of opbench, or one with changes on top: a reviewer may come to other numbers")
    if any(name.startswith(f"{RECIPE}/") for name in sizes):
        click.echo("note: your recipe is packed, and no file that it names, such as an equation's or data: say where a reader finds those")
    return f"leaderboards/records/{held.dataset}/{path.name}", archive.name


@opbench.command()
@click.argument("records", metavar="RECORD...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--retrain", is_flag=True, help="Repeat the training too (alone, where no checkpoint is there), and compare what comes of it."
)
@foreign_model
@own_task
@weights_option
@click.option("--data", type=click.Path(path_type=Path), help="Folder of datasets; an empty one makes them anew. [default: $OPBENCH_DATA]")
@click.option("--note", is_flag=True, help="Where all numbers of a checkpoint agree, write so below OUT/verified/: tables then show it.")
@shared.out("Where verified/ lies, and the records/ among which an archive's belongs.")
def verify(records: tuple[Path, ...], weights: Path | None, **options: Any) -> None:
    """Score a record's checkpoint anew and say, number by number, what agrees. RECORD is its file, or an archive of opbench submit.

    Times and costs are not measured again: SUBMIT.md says what is.
    """
    _require_one_for(weights, records)
    _refuse(_each(records, lambda path: _verify(path, weights, **options)), records, "verified")


def _require_one_for(weights: Path | None, records: tuple[Path, ...]) -> None:
    if weights and len(records) > 1:
        raise OpbenchError(f"--weights: expected one record beside it, got {len(records)}; give them one by one")


def _each(records: tuple[Path, ...], do: Callable[[Path], Any]) -> list[OpbenchError]:
    """Do it for every record; what is wrong with some."""
    faults = []
    for path in records:
        try:
            do(path)
        except Interrupted:
            raise
        except OpbenchError as fault:
            faults.append(fault if str(path) in str(fault) else type(fault)(f"{path}: {fault}"))
        except OSError as fault:
            faults.append(OpbenchError(f"{path}: {fault}; free it or choose another place"))
    return faults


def _refuse(faults: list[OpbenchError], records: tuple[Path, ...], done: str) -> None:
    """Raises the one fault of one record, or OpbenchError for several records, after a line for each fault."""
    if faults and len(records) > 1:
        _list(faults)
        raise OpbenchError(f"{len(faults)} of {len(records)} records {'is' if len(faults) == 1 else 'are'} not {done}, named above")
    if faults:
        raise faults[0]


def _verify(
    path: Path, weights: Path | None, retrain: bool, model: str | None, task: str | None, data: Path | None, note: bool, out: Path
) -> None:
    from opbench.records.badge import award
    from opbench.records.shelf import read_record
    from opbench.submission import reproduce
    from opbench.submission.submit import opened

    packed = path.suffix.lower() == ".zip"
    with opened(path, model) if packed else nullcontext(path) as record:
        held, found = read_record(record), []
        if not any(held.scores.values()):
            raise OpbenchError(f"{path}: holds no scores that could be verified; evaluate the model anew")
        checkpoint = weights or reproduce.checkpoint(record, held)
        with bars() as show:
            if checkpoint.is_file() or weights or note or not retrain:  # a badge takes more than a training that came near
                found += reproduce.verify(held, checkpoint, model=model, task=task, data=data, report=show)
            if retrain:
                siblings = out / "records" if packed else record.resolve().parents[1]
                along = epochs(show, f"{held.model}, seed {held.seed}")
                found += reproduce.retrain(held, siblings, model=model, task=task, data=data, report=show, progress=along)
        for finding in found:
            click.echo(printable(str(finding)))  # it names splits and metrics as the record does
        compared = [finding for finding in found if not finding.earlier]
        if wrong := sum(not finding.agrees for finding in compared):
            differ = f"{wrong} of {counted(len(compared), 'number')} {'differs' if wrong == 1 else 'differ'}"
            raise OpbenchError(f"{path}: {differ}, marked DIFFERS above; it is not what this code and data give")
        click.echo(f"verified: all {counted(len(compared), 'number')} of {path} that could be computed anew agree")
        if len(compared) < len(found):
            click.echo("note: the record says nothing of what is marked 'is new' above, as it was made before; opbench rescore adds it")
        if note:
            badge = award(record, "retrained" if retrain else "scored", held.machine.kind, out)
            click.echo(f"written: {badge}")


@opbench.command()
@click.argument("records", metavar="RECORD...", nargs=-1, required=True, type=click.Path(path_type=Path))
@foreign_model
@own_task
@weights_option
@shared.data
@click.option("--cost", is_flag=True, help="Time the model and the solver too, on the machine that trained it.")
def rescore(records: tuple[Path, ...], weights: Path | None, **options: Any) -> None:
    """Score a record's checkpoint by today's metrics, without training, and write a record with both beside it."""
    _require_one_for(weights, records)
    _refuse(_each(records, lambda path: _rescore(path, weights, **options)), records, "scored anew")


def _rescore(path: Path, weights: Path | None, **options: Any) -> None:
    from opbench.submission.rescoring import rescore as run

    with bars() as show:
        written = path.with_name(run(path, weights=weights, **options, report=show).name)
    click.echo(f"written: {written}" + ("" if written.stem.startswith(path.stem) else f"; it takes the place of {path.name}"))


@opbench.command()
@click.argument("predictions", type=click.Path(path_type=Path))
@click.option("--task", "-t", type=DATASET, required=True, help="A dataset, or dataset/task.")
@click.option("--split", type=Name("split", lambda: ["test", "ood", "finer"]), default="test", show_default=True)
@shared.mini
@shared.data
def score(predictions: Path, **options: Any) -> None:
    """Score another framework's predictions, an HDF5 or .npz file with an array (sample, [time,] *space) for every asked field."""
    from opbench.evaluation.foreign import score as run

    with bars() as show:
        found = run(predictions, **options, report=show)
    for name, value in found.items():
        click.echo(f"{name:18} {'not finite' if value is None else f'{value:.6g}'}")


def _chosen(task: str, found: list, what: str) -> list:
    """The boards of a dataset, or of dataset/task; raises UnknownName."""
    known(f"task with {what}", task, {name for board in found for name in (board.task, board.dataset)})
    return [board for board in found if task in (board.task, board.dataset)]


def _tell(faults: list[OpbenchError]) -> None:
    """A line for every file that is no record; raises OpbenchError where there is one."""
    _list(faults)
    if faults:
        left = f"{counted(len(faults), 'file')} {'was' if len(faults) == 1 else 'were'} left out"
        raise OpbenchError(f"{left}, named above; mend or remove what is named")


def _list(faults: list[OpbenchError]) -> None:
    for fault in faults:
        click.echo(f"opbench: {printable(' '.join(str(fault).split()))}", err=True)


def records_of(out: Path) -> list:
    """The records that come with opbench and the user's own."""
    from opbench.records.shelf import read_records, shipped

    return list(read_records(shipped(), out / "records"))


def require_whole(out: Path) -> None:
    """Raises what is wrong with a record or a ladder there: told before hours of training, not after."""
    records_of(out)
    for fault in ladders(out)[1]:
        raise fault


def in_records(task: str | None) -> str | None:
    """A task as records call it, where a recipe's path is given: path/to/mine.toml or path/to/mine.toml/kind."""
    if task is None or ".toml" not in task:
        return task
    path, _, kind = task.partition(".toml")
    return Path(path).name + kind


def ladders(out: Path) -> tuple[list, list[OpbenchError]]:
    """The solver ladders that come with opbench and those of the user's own machine, and what is wrong with other files there."""
    from opbench.records.ladder import shipped, stored

    return stored(shipped(), out / "solvers")
