"""Commands about single records: whether one is true, its numbers by today's metrics, its archive; and others' predictions."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from opbench.cli import _shared as shared
from opbench.cli._shared import DATASET, Name, bars, counted, epochs, opbench, tell
from opbench.config import printable
from opbench.errors import Interrupted, OpbenchError

OF_ITS_RUN = (
    click.option(
        "--model",
        "-m",
        help="The class of a model that is none of opbench's: path/to/file.py:Class. Its code is run; records of opbench's own need none.",
    ),
    click.option("--loss", help="The class of a loss that is none of opbench's, likewise."),
    click.option("--task", "-t", help="Where the data are of a recipe of your own: path/to/recipe.toml, or recipe.toml/kind."),
    click.option(
        "--weights", type=click.Path(path_type=Path), help="[default: runs/<dataset>/<record's name>/weights.safetensors beside records/]"
    ),
)


def of_its_run(command: Callable) -> Callable:
    """Options that name what a record's run was of, where opbench cannot know it."""
    for option in reversed(OF_ITS_RUN):
        command = option(command)
    return command


@opbench.command()
@click.argument("records", metavar="RECORD...", nargs=-1, required=True, type=click.Path(path_type=Path))
@of_its_run
@click.option("--out", type=click.Path(path_type=Path), default=Path(), show_default=True, help="For the archives.")
def submit(records: tuple[Path, ...], weights: Path | None, **options: Any) -> None:
    """Pack records of yours for a pull request.

    Each is checked, and packed into one archive with its checkpoint and the files of its model and loss.
    """
    _require_one_for(weights, records)
    packed: list[tuple[str, str]] = []
    faults = _each(records, lambda path: packed.append(_submit(path, weights, **options)))
    if packed:
        added, attached = (", ".join(names) for names in zip(*packed, strict=True))
        click.echo(f"next: open a pull request that adds {added}, and attach {attached} to it; SUBMIT.md says how it is checked")
    _refuse(faults, records, "packed")


def _submit(path: Path, weights: Path | None, out: Path, **named: str | None) -> tuple[str, str]:
    """The record's place in a pull request, and the name of the archive that it is packed in now."""
    from opbench.submission.submit import RECIPE
    from opbench.submission.submit import submit as pack

    archive, sizes, held = pack(path, weights=weights, out=out, **named)
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
@of_its_run
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder of datasets; an empty one makes them anew. [default: $OPBENCH_DATA, or datasets]",
)
@click.option("--note", is_flag=True, help="Where all numbers of a checkpoint agree, write so below OUT/verified/: tables then show it.")
@shared.out("Where verified/ lies, and the records/ among which an archive's belongs.")
def verify(records: tuple[Path, ...], weights: Path | None, **options: Any) -> None:
    """Score a record's checkpoint anew: which numbers agree?

    RECORD is its file, or an archive of opbench submit. An empty folder as --data has the data made anew.
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
        tell(faults)
        raise OpbenchError(f"{len(faults)} of {len(records)} records {'is' if len(faults) == 1 else 'are'} not {done}, named above")
    if faults:
        raise faults[0]


def _verify(path: Path, weights: Path | None, retrain: bool, data: Path | None, note: bool, out: Path, **named: str | None) -> None:
    from opbench.records.badge import award
    from opbench.records.shelf import read_record
    from opbench.submission import reproduce
    from opbench.submission.submit import opened

    packed = path.suffix.lower() == ".zip"
    with opened(path, named["model"], named["loss"]) if packed else nullcontext(path) as record:
        held, found = read_record(record), []
        if not any(held.scores.values()):
            raise OpbenchError(f"{path}: holds no scores that could be verified; evaluate the model anew")
        checkpoint = weights or reproduce.checkpoint(record, held)
        with bars() as show:
            if checkpoint.is_file() or weights or note or not retrain:  # a badge takes more than a training that came near
                found += reproduce.verify(held, checkpoint, data=data, report=show, **named)
            if retrain:
                siblings = out / "records" if packed else record.resolve().parents[1]
                along = epochs(show, f"{held.model}, seed {held.seed}")
                found += reproduce.retrain(held, siblings, data=data, report=show, progress=along, **named)
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
@of_its_run
@shared.data
@click.option("--cost", is_flag=True, help="Time the model and the solver too, on the machine that trained it.")
def rescore(records: tuple[Path, ...], weights: Path | None, **options: Any) -> None:
    """Score a record's checkpoint by today's metrics.

    Nothing is trained; a record with the earlier training and the new scores is written beside it.
    """
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
@click.option("--split", type=Name("split", lambda: ["test", "ood", "finer"]), default="test", show_default=True, help="Of the dataset.")
@shared.mini
@shared.data
def score(predictions: Path, **options: Any) -> None:
    """Score another framework's predictions.

    PREDICTIONS is an HDF5 or .npz file with an array (sample, [time,] *space) for every asked field.
    """
    from opbench.evaluation.predictions import score as run

    with bars() as show:
        found = run(predictions, **options, report=show)
    for name, value in found.items():
        click.echo(f"{name:18} {'not finite' if value is None else f'{value:.6g}'}")
