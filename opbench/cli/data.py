"""Commands about data and the solver that makes them."""

import shlex
from pathlib import Path
from typing import Any

import click

from opbench.cli import _shared as shared
from opbench.cli._shared import DATASET, Name, bars, dataset_names, opbench
from opbench.config import printable
from opbench.errors import OpbenchError
from opbench.find import known, names, summary

READER = Name("reader", lambda: ["auto", *names("readers")])


@opbench.command("list")
def list_() -> None:
    """List datasets, models, losses, equations and more.

    A line each: tasks, samplers, readers of others' files and metrics too.
    """
    from opbench.data.recipe import load_recipe
    from opbench.find import find
    from opbench.pde import PDE, EvolutionPDE

    click.echo("datasets (opbench evaluate --task NAME or NAME/TASK)")
    for name in dataset_names():
        recipe = load_recipe(name)
        click.echo(f"  {name:18} {recipe.summary}\n  {'':18} tasks: {', '.join(f'{t.kind} (version {t.version})' for t in recipe.tasks)}")
    for room in ("models", "losses", "samplers", "readers"):
        click.echo(room)
        for name in names(room):
            click.echo(f"  {name:18} {summary(room, name)}")
    click.echo('equations (opbench.solve("NAME", grid, given={...}))')
    for name in names("pdes"):
        pde = find("pdes", name, PDE)
        given = (*(pde.outputs if issubclass(pde, EvolutionPDE) else ()), *pde.inputs)
        fields = ", ".join(f"{f.name} [{f.unit}]{'' if f.default is None else f' = {f.default:g}'}" for f in given)
        click.echo(f"  {name:18} {summary('pdes', name)}\n  {'':18} given: {fields}; gives {', '.join(f.name for f in pde.outputs)}")
    click.echo("metrics (every one an error: 0 when perfect)")
    from opbench.metrics import metrics

    for name, metric in metrics().items():
        click.echo(f"  {name:18} {(metric.__doc__ or '').strip().splitlines()[0]}")


@opbench.command()
@click.argument("dataset", type=DATASET)
@shared.mini
@click.option("--samples", type=click.IntRange(1), help="Samples of the training split; the others have at most as many.")
@click.option("--grid", type=click.IntRange(4), help="Stored points on every axis.")
@click.option("--seed", type=click.IntRange(0), help="Instead of the recipe's.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for datasets. [default: $OPBENCH_DATA, or datasets]")
@click.option("--device", default="cpu", show_default=True, help="Where the solver runs: cpu, cuda or auto.")
@click.option("--workers", type=click.IntRange(1), help="Processes. [default: one a core on cpu, 1 on cuda]")
@click.option("--shard", default="1/1", metavar="i/N", help="Solve the i-th of N equal parts only; the last one writes the files.")
def generate(dataset: str, scale: str, shard: str, **options: Any) -> None:
    """Make a dataset's HDF5 files where they are missing."""
    from opbench.data.generation import complete
    from opbench.data.generation import generate as make

    with bars() as show:
        folder = make(dataset, scale, shard=shard, report=show, **options)
    if not complete(folder):
        click.echo(f"shard {shard} is solved, in {folder / 'parts'}; the files are written once all shards' parts are there")
    for path in sorted(folder.glob("data/*/*.hdf5")):
        click.echo(path)


@opbench.command()
@click.argument("dataset", type=DATASET)
@shared.mini
@click.option(
    "--split",
    type=Name("split", lambda: ["train", "valid", "test", "ood", "finer"]),
    default="test",
    show_default=True,
    help="Whose samples.",
)
@click.option("--samples", type=click.IntRange(1), default=3, show_default=True, help="Samples in the pictures.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("pictures"), show_default=True, help="Folder for the pictures.")
def show(dataset: str, scale: str, split: str, samples: int, out: Path) -> None:
    """Summarise a dataset, and draw samples.

    A picture and, where they evolve, an animation; no file of data is needed.
    """
    from opbench.data.show import show as draw

    shown = draw(dataset, scale, split, samples, out)
    for label, words in shown.summary.items():
        click.echo(f"{label + ':':13}{words}")
    for path in shown.files:
        click.echo(f"written: {path}")


@opbench.command("import")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--name", help="Of the dataset. [default: the file's or folder's]")
@click.option("--reader", type=READER, default="auto", show_default=True, help="Whose format; auto: told by the file.")
@click.option("--every", type=click.IntRange(1), default=1, show_default=True, help="Take every N-th point of each axis.")
@click.option("--every-time", type=click.IntRange(1), default=1, show_default=True, help="Take every N-th frame.")
@click.option("--epochs", type=click.IntRange(1), default=50, show_default=True, help="The budget of every model.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the recipe. [default: beside the data]")
def import_(paths: tuple[Path, ...], **options: Any) -> None:
    """Make a dataset of files of PDEBench, PDEArena or The Well.

    PATHS are files, or the folder of a dataset of The Well, with data/train, data/valid and data/test. A recipe is written beside them, to
    be read and changed. PDEArena's files say their splits; of each other file the first tenth of the samples tests, the next validates, the
    rest trains, and so of the files where one of several has fewer than ten samples. A number that differs between files is told to models.
    """
    from opbench.data.importing import import_files

    with bars() as show:
        recipe, left_out = import_files(*paths, report=show, **options)
    for line in left_out:
        click.echo(f"left out: {printable(line)}")
    click.echo(f"written: {recipe}\nnext:    opbench evaluate --model fno --task {shlex.quote(str(recipe))}")


@opbench.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def check(files: tuple[Path, ...]) -> None:
    """Validate HDF5 files by The Well's rules and opbench's own."""
    from opbench.data.check import check as faults_of

    faults = {path: faults_of(path) for path in files}
    for path, found in faults.items():
        click.echo(f"{path}: valid" if not found else "\n".join(f"{path}: {fault.removeprefix(f'{path}: ')}" for fault in found))
    if any(faults.values()):
        path, first = next((path, found[0].removeprefix(f"{path}: ")) for path, found in faults.items() if found)
        raise OpbenchError(f"{path}: {first} ({sum(map(len, faults.values()))} faults in all, on standard output)")


@opbench.command("verify-solver")
@click.argument("equations", nargs=-1, type=Name("equation", lambda: names("pdes")))
def verify_solver(equations: tuple[str, ...]) -> None:
    """Verify the reference solver, equation by equation.

    Manufactured solutions, independent ones, conservation. Without names: every equation.
    """
    from opbench.solver.verification import checks

    failed = 0
    for name in [known("equation", name, names("pdes")) for name in equations] or names("pdes"):
        click.echo(f"{name}: {summary('pdes', name)}")
        for check in checks(name).values():
            finding = check()
            failed += not finding.passed
            click.echo(f"  {finding}")
    if failed:
        raise OpbenchError(f"{failed} checks failed, marked FAIL above; compare with another machine, and report them")
