"""What all commands share: the group that they join, names that the shell completes, options, progress bars."""

from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from opbench.config import literal, printable
from opbench.errors import OpbenchError
from opbench.find import known, names
from opbench.version import __version__


class Commands(click.Group):
    """Suggests the nearest command."""

    def resolve_command(self, ctx: click.Context, args: list[str]):
        try:
            known("command", args[0], self.commands)
        except OpbenchError as error:
            raise click.UsageError(str(error), ctx) from error
        return super().resolve_command(ctx, args)


class Name(click.ParamType):
    """A name that shell completion knows; what it stands for is looked up later, with its own message."""

    def __init__(self, name: str, offered: Callable[[], list[str]]):
        self.name = name
        self.offered = offered

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str):
        return [CompletionItem(name) for name in self.offered() if name.startswith(incomplete)]


def dataset_names() -> list[str]:
    from opbench.data.recipe import datasets

    return datasets()


MODEL = Name("name", lambda: names("models"))
DATASET = Name("dataset", dataset_names)
SCALE = Name("mini|full", lambda: ["mini", "full"])
LOSS = Name("loss", lambda: names("losses"))

model = click.option("--model", "-m", type=MODEL, required=True, help="A name of `opbench list`, module:Class or path/to/file.py:Class.")
task = click.option("--task", "-t", type=DATASET, default="burgers_1d", show_default=True, help="A dataset, or dataset/task.")
loss = click.option("--loss", type=LOSS, default="data", show_default=True, help="What training minimises.")
labels = click.option("--labels", type=click.IntRange(1), help="Training samples whose references the loss reads. [default: all]")
scale = click.option("--scale", type=SCALE, help="Size of data and budget. [default: full on a GPU, mini without]")
mini = click.option("--scale", type=SCALE, default="mini", show_default=True, help="Size of the data.")
device = click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
cost = click.option("--cost/--no-cost", default=True, show_default=True, help="Time the model, and the solver that errs as much.")
data = click.option("--data", type=click.Path(path_type=Path), help="Folder of datasets. [default: $OPBENCH_DATA, or datasets]")


def out(what: str) -> Callable:
    """Where records, runs and pages lie."""
    return click.option("--out", type=click.Path(path_type=Path), default=Path("leaderboards"), show_default=True, help=what)


@click.group(cls=Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="opbench")
@click.pass_context
def opbench(ctx: click.Context) -> None:
    """A benchmark suite for neural operators: verified data, honest cost, results that can be checked."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@contextmanager
def bars():
    """Progress bars on standard error, where that is a terminal: a report for generation and one for training."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    console = Console(stderr=True)
    if not console.is_terminal:  # rich 13 writes an empty line even where it is disabled
        yield lambda *_: None
        return
    with Progress(*columns, console=console) as bars:
        tasks: dict[str, Any] = {}

        def show(label: str, done: int, total: int, note: str = "") -> None:
            if label not in tasks:
                tasks[label] = bars.add_task(label, total=total, note=note)
            bars.update(tasks[label], completed=done, note=note)

        yield show


def counted(number: int, thing: str) -> str:
    """As "1 record", or "2 records"."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def listed(text: str) -> list[str]:
    """Names by comma."""
    return [name for part in text.split(",") if (name := part.strip())]


def setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise OpbenchError(f"--set {text}: expected KEY=VALUE, such as model.width=64")
    return key.strip(), literal(value.strip())


def epochs(show: Callable[..., None], label: str) -> Callable[[int, int, float, float], None]:
    """A training's progress as a bar."""
    return lambda epoch, epochs, loss, error: show(label, epoch, epochs, f"loss {loss:.3g}, validation error {error:.3g}")


def tell(faults: list[OpbenchError]) -> None:
    """A line for each on standard error."""
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


def ladders(out: Path) -> tuple[list, list[OpbenchError]]:
    """The solver ladders that come with opbench and those of the user's own machine, and what is wrong with other files there."""
    from opbench.records.ladder import shipped, stored

    return stored(shipped(), out / "solvers")
