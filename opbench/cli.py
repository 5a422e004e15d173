"""opbench on the command line: every command is one call of the Python interface, with its progress and answer printed."""

import signal
import sys
from collections.abc import Callable
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from opbench.config import literal
from opbench.errors import Interrupted, OpbenchError
from opbench.find import known, names, summary
from opbench.version import __version__


class Commands(click.Group):
    """Suggests the nearest command, and turns a user's mistake into one line and an exit code."""

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


def _datasets() -> list[str]:
    from opbench.recipe import datasets

    return datasets()


MODEL = Name("name", lambda: names("models"))
DATASET = Name("dataset", _datasets)
SCALE = Name("mini|full", lambda: ["mini", "full"])


@click.group(cls=Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="opbench")
@click.pass_context
def opbench(ctx: click.Context) -> None:
    """A benchmark suite for neural operators: verified data, honest cost, results that can be checked."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@opbench.command("list")
def list_() -> None:
    """Show datasets and tasks, models, losses, samplers, metrics, equations, a line each."""
    from opbench.find import find
    from opbench.pde import PDE, EvolutionPDE
    from opbench.recipe import load_recipe

    click.echo("datasets (opbench evaluate --task NAME or NAME/TASK)")
    for name in _datasets():
        recipe = load_recipe(name)
        click.echo(f"  {name:18} {recipe.summary}\n  {'':18} tasks: {', '.join(f'{t.kind} (version {t.version})' for t in recipe.tasks)}")
    for room in ("models", "losses", "samplers"):
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
@click.option("--scale", type=SCALE, default="mini", show_default=True)
@click.option("--samples", type=click.IntRange(1), help="Samples of the training split; the others have at most as many.")
@click.option("--grid", type=click.IntRange(4), help="Stored points on every axis.")
@click.option("--seed", type=click.IntRange(0), help="Instead of the recipe's.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for datasets. [default: $OPBENCH_DATA, or datasets]")
@click.option("--device", default="cpu", show_default=True, help="Where the solver runs: cpu, cuda or auto.")
@click.option("--workers", type=click.IntRange(1), help="Processes. [default: one a core on cpu, 1 on cuda]")
@click.option("--shard", default="1/1", metavar="i/N", help="Solve the i-th of N equal parts only; the last one writes the files.")
def generate(dataset: str, scale: str, shard: str, **options: Any) -> None:
    """Make a dataset's HDF5 files where they are missing."""
    from opbench.generation import complete
    from opbench.generation import generate as make

    with _bars() as show:
        folder = make(dataset, scale, shard=shard, report=show, **options)
    if not complete(folder):
        click.echo(f"shard {shard} is solved, in {folder / 'parts'}; the files are written once all shards' parts are there")
    for path in sorted(folder.glob("data/*/*.hdf5")):
        click.echo(path)


@opbench.command()
@click.argument("dataset", type=DATASET)
@click.option("--scale", type=SCALE, default="mini", show_default=True)
@click.option("--split", type=Name("split", lambda: ["train", "valid", "test", "ood", "finer"]), default="test", show_default=True)
@click.option("--samples", type=click.IntRange(1), default=3, show_default=True, help="Samples in the pictures.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("pictures"), show_default=True, help="Folder for the pictures.")
def show(dataset: str, scale: str, split: str, samples: int, out: Path) -> None:
    """Summarise a dataset, and draw samples: a picture and, where they evolve, an animation."""
    from opbench.show import show as draw

    shown = draw(dataset, scale, split, samples, out)
    for label, words in shown.summary.items():
        click.echo(f"{label + ':':13}{words}")
    for path in shown.files:
        click.echo(f"written: {path}")


@opbench.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def check(files: tuple[Path, ...]) -> None:
    """Validate HDF5 files by The Well's rules and opbench's own."""
    from opbench.check import check as faults_of

    faults = {path: faults_of(path) for path in files}
    for path, found in faults.items():
        click.echo(f"{path}: valid" if not found else "\n".join(f"{path}: {fault.removeprefix(f'{path}: ')}" for fault in found))
    if any(faults.values()):
        path, first = next((path, found[0].removeprefix(f"{path}: ")) for path, found in faults.items() if found)
        raise OpbenchError(f"{path}: {first} ({sum(map(len, faults.values()))} faults in all, on standard output)")


@opbench.command("verify-solver")
@click.argument("equations", nargs=-1, type=Name("equation", lambda: names("pdes")))
def verify_solver(equations: tuple[str, ...]) -> None:
    """Verify the reference solver: manufactured solutions, independent ones, conservation. Without names: every equation."""
    from opbench.verification import checks

    failed = 0
    for name in [known("equation", name, names("pdes")) for name in equations] or names("pdes"):
        click.echo(f"{name}: {summary('pdes', name)}")
        for check in checks(name).values():
            finding = check()
            failed += not finding.passed
            click.echo(f"  {finding}")
    if failed:
        raise OpbenchError(f"{failed} checks failed, marked FAIL above; compare with another machine, and report them")


@opbench.command()
@click.option("--model", "-m", type=MODEL, required=True, help="A name of `opbench list`, module:Class or path/to/file.py:Class.")
@click.option("--task", "-t", type=DATASET, default="burgers_1d", show_default=True, help="A dataset, or dataset/task.")
@click.option("--loss", type=Name("loss", lambda: names("losses")), default="data", show_default=True)
@click.option("--labels", type=click.IntRange(1), help="Training samples whose references the loss reads. [default: all]")
@click.option("--finetune", type=Name("loss", lambda: names("losses")), help="Optimise test samples one by one by this loss: physics.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--seeds", type=click.IntRange(1), help="Train this many times, with seeds from --seed on.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="model.width=64, train.epochs=200, loss.weight=0.1, ...")
@click.option("--scale", type=SCALE, help="[default: full on a GPU, mini without]")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("leaderboards"), show_default=True, help="For records and runs.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of datasets. [default: $OPBENCH_DATA, or datasets]")
@click.option("--cost/--no-cost", default=True, show_default=True, help="Time the model, and the solver that errs as much.")
@click.option("--compiled/--not-compiled", default=None, help="Time it under torch.compile too. [default: on a GPU]")
@click.option("--json", "as_json", is_flag=True, help="Print the record (a list of them with --seeds) and nothing else.")
def evaluate(
    model: str, task: str, seed: int, seeds: int | None, settings: tuple[str, ...], out: Path, as_json: bool, **options: Any
) -> None:
    """Train a model on a task, score it, write a record, print its row among the baselines."""
    from opbench.evaluation import evaluate as run

    _records(out)  # a broken one is told before hours of training, not after
    options |= {"settings": dict(_setting(text) for text in settings), "out": out}
    records = []
    with _bars() as show:
        for number in range(seed, seed + (seeds or 1)):

            def progress(epoch: int, epochs: int, loss: float, error: float, label: str = f"{model}, seed {number}") -> None:
                show(label, epoch, epochs, f"loss {loss:.3g}, validation error {error:.3g}")

            try:
                with redirect_stdout(sys.stderr):  # what a user's model prints is no part of a record
                    records.append(run(model, task, seed=number, report=show, progress=progress, **options))
            except Interrupted as stop:
                left = f", with --seed {number} --seeds {seed + seeds - number} for the seeds that are left" if seeds else ""
                raise Interrupted(f"{stop}{left}") from stop
    if as_json:
        click.echo(records[0].to_json() if seeds is None else f"[{', '.join(record.to_json() for record in records)}]")
    else:
        _show(records, out, {"task": task} | {name: options[name] for name in ("data", "device", "cost", "compiled")})


@opbench.command()
@click.option("--model", "-m", type=MODEL, required=True, help="A name of `opbench list`, module:Class or path/to/file.py:Class.")
@click.option("--task", "-t", type=DATASET, default="burgers_1d", show_default=True, help="A dataset, or dataset/task.")
@click.option("--trials", "-n", type=click.IntRange(1), default=20, show_default=True, help="Trainings, each with the task's budget.")
@click.option("--loss", type=Name("loss", lambda: names("losses")), default="data", show_default=True)
@click.option("--labels", type=click.IntRange(1), help="Training samples whose references the loss reads. [default: all]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of all trials, and the first of --seeds.")
@click.option("--seeds", type=click.IntRange(1), help="Evaluate what was found this many times.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Not to be searched: model.width=64, train.epochs=200, ...")
@click.option("--scale", type=SCALE, help="[default: full on a GPU, mini without]")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("leaderboards"), show_default=True, help="For records and trials.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of datasets. [default: $OPBENCH_DATA, or datasets]")
@click.pass_context
def tune(ctx: click.Context, trials: int, seeds: int | None, settings: tuple[str, ...], **options: Any) -> None:
    """Search a model's settings by validation error, then evaluate what was found; its record says that it was tuned."""
    from opbench.tuning import tune as search

    with _bars() as show, redirect_stdout(sys.stderr):
        found = search(trials=trials, settings=dict(_setting(text) for text in settings), report=show, progress=show, **options)
    best = tuple(f"{name}={value}" for name, value in found.proposed.items())
    click.echo(f"validation error {found.error:.4g} in the best of {found.trials} trials, {found.default_error:.4g} with the defaults")
    if found.failed:
        click.echo(f"{found.failed} trials diverged, or their settings did not fit each other")
    click.echo("settings: " + " ".join(f"--set {setting}" for setting in best))
    ctx.invoke(evaluate, seeds=seeds, settings=(*settings, *best), tuned=found.trials, **options)


def _show(records: list, out: Path, as_run: dict[str, Any]) -> None:
    """The table that the new records stand in, and where everything lies."""
    from opbench.comparison import summary
    from opbench.evaluation import place_among_baselines
    from opbench.generation import data_root
    from opbench.leaderboard.table import boards, text

    place_among_baselines(records[-1], out=out, **as_run)
    board = next(b for b in boards(_records(out), _ladders(out)) if records[-1].fingerprint in [r.fingerprint for r in b.records])
    click.echo(text(board, mark=records[-1].model))
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


def _records(out: Path) -> list:
    """The records that come with opbench and the user's own."""
    from opbench.record import read_records, shipped

    return list(read_records(shipped(), out / "records"))


def _ladders(out: Path) -> list:
    """The solver ladders that come with opbench and those of the user's own machine."""
    from opbench.ladder import read_ladders, shipped

    return list(read_ladders(shipped(), out / "solvers"))


@opbench.command()
@click.option("--task", "-t", type=DATASET, help="Only this dataset, or dataset/task.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("leaderboards"), show_default=True, help="Where records/ lies.")
def table(task: str | None, out: Path) -> None:
    """Print the leaderboard from records, and write its Markdown, and that of the solver matched with each model."""
    from opbench.leaderboard.solver import write_solver
    from opbench.leaderboard.table import boards, text, write, write_overview
    from opbench.record import shelf, shipped

    records, faults = shelf(shipped(), out / "records")
    found = every = boards(records, _ladders(out))
    if task is not None:
        choices = {name for board in found for name in (board.task, board.task.partition("/")[0])}
        known("task with records", task, choices)
        found = [board for board in found if task in (board.task, board.task.partition("/")[0])]
    if not found:
        raise OpbenchError(f"{out / 'records'}: holds no records yet; make one with opbench evaluate --model fno")
    for board in found:
        click.echo(text(board))
    for path in [*write(every, out), write_overview(every, out), *write_solver(every, out)]:
        click.echo(f"written: {path}")
    _tell(faults)


@opbench.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("leaderboards"), show_default=True, help="Where records/ lies.")
def page(out: Path) -> None:
    """Write all leaderboards as one page, out/index.html, that needs no server and asks nothing of the network."""
    from opbench.leaderboard.page import write
    from opbench.record import shelf, shipped

    records, faults = shelf(shipped(), out / "records")
    click.echo(f"written: {write(records, out)} ({len(records)} records)")
    _tell(faults)


@opbench.command()
@click.option("--model", "-m", type=MODEL, required=True, help="A name of `opbench list`, module:Class or path/to/file.py:Class.")
@click.option("--against", default="fno,deeponet", show_default=True, help="Models, by comma.")
@click.option("--tasks", "-t", default="burgers_1d,darcy_2d", show_default=True, help="Datasets, or dataset/task, by comma.")
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Trainings of each model, with seeds from 0 on.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Of --model: model.width=64, train.epochs=200, ...")
@click.option("--scale", type=SCALE, help="[default: full on a GPU, mini without]")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("leaderboards"), show_default=True, help="For records and runs.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of datasets. [default: $OPBENCH_DATA, or datasets]")
def compare(model: str, against: str, tasks: str, settings: tuple[str, ...], out: Path, **options: Any) -> None:
    """Train what has no record yet, and print who wins where, by how much and how surely, and where the model is weak."""
    from opbench.comparison import contest, text

    _records(out)  # a broken one is told before hours of training, not after
    chosen = dict(_setting(text) for text in settings)
    with _bars() as show, redirect_stdout(sys.stderr):
        held = [contest(model, against.split(","), task, settings=chosen, out=out, report=show, **options) for task in tasks.split(",")]
    for one in held:
        click.echo(text(one))


@opbench.command()
@click.argument("record", type=click.Path(path_type=Path))
@click.option("--retrain", is_flag=True, help="Repeat the training too, and compare what comes of it.")
@click.option("--model", "-m", help="The class of a model that is none of opbench's: path/to/file.py:Class. Its code is run.")
@click.option("--weights", type=click.Path(path_type=Path), help="[default: ../../runs/<dataset>/<record's name>/weights.safetensors]")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of datasets; an empty one makes them anew. [default: $OPBENCH_DATA]")
def verify(record: Path, retrain: bool, model: str | None, weights: Path | None, data: Path | None) -> None:
    """Score a record's checkpoint anew and say, number by number, what agrees."""
    from opbench import reproduce
    from opbench.record import read_record

    held = read_record(record)
    with _bars() as show:
        found = reproduce.verify(held, weights or reproduce.checkpoint(record, held), model=model, data=data, report=show)
        if retrain:
            found += reproduce.retrain(held, record.resolve().parents[1], model=model, data=data, report=show)
    for finding in found:
        click.echo(finding)
    if wrong := sum(not finding.agrees for finding in found):
        raise OpbenchError(
            f"{record}: {wrong} of {len(found)} numbers differ, marked DIFFERS above; it is not what this code and data give"
        )
    click.echo(f"verified: all {len(found)} numbers agree")


@opbench.command()
@click.argument("predictions", type=click.Path(path_type=Path))
@click.option("--task", "-t", type=DATASET, required=True, help="A dataset, or dataset/task.")
@click.option("--split", type=Name("split", lambda: ["test", "ood", "finer"]), default="test", show_default=True)
@click.option("--scale", type=SCALE, default="mini", show_default=True)
@click.option("--data", type=click.Path(path_type=Path), help="Folder of datasets. [default: $OPBENCH_DATA, or datasets]")
def score(predictions: Path, **options: Any) -> None:
    """Score another framework's predictions, an HDF5 or .npz file with an array (sample, [time,] *space) for every asked field."""
    from opbench.foreign import score as run

    with _bars() as show:
        found = run(predictions, **options, report=show)
    for name, value in found.items():
        click.echo(f"{name:18} {'not finite' if value is None else f'{value:.6g}'}")


def _tell(faults: list[OpbenchError]) -> None:
    """A line for every file that is no record; raises OpbenchError where there is one."""
    for fault in faults:
        click.echo(f"opbench: {fault}", err=True)
    if faults:
        raise OpbenchError(f"{len(faults)} files were left out, named above; mend or remove them")


@opbench.command()
@click.option("--task", "-t", type=DATASET, help="Only this dataset, or dataset/task.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("leaderboards"), show_default=True, help="Where records/ lies.")
def labels(task: str | None, out: Path) -> None:
    """Print error against labels from records made with --labels, and write it as Markdown and as a plot."""
    from opbench.leaderboard.labels import curves, text, write
    from opbench.leaderboard.table import boards

    studies = [(board, found) for board in boards(_records(out)) if (found := curves(board))]
    if task is not None:
        known("task with records of few labels", task, {name for b, _ in studies for name in (b.task, b.task.partition("/")[0])})
        studies = [(board, found) for board, found in studies if task in (board.task, board.task.partition("/")[0])]
    if not studies:
        raise OpbenchError(f"{out / 'records'}: holds no records with few labels; make some with opbench evaluate --labels 10")
    for board, found in studies:
        click.echo(text(board, found))
        for path in write(board, found, out):
            click.echo(f"written: {path}")


@opbench.command()
@click.option("--task", "-t", type=DATASET, required=True, help="A dataset for its first task with records, or dataset/task.")
@click.option("--scale", type=SCALE, help="[default: the first with records]")
@click.option("--device", type=Name("cpu|cuda", lambda: ["cpu", "cuda"]), help="[default: the first with records]")
@click.option("--out", type=click.Path(path_type=Path), default=Path("leaderboards"), show_default=True, help="Where records/ lies.")
def pareto(task: str, scale: str | None, device: str | None, out: Path) -> None:
    """Draw error against latency, throughput, parameters and training time, with the solver's own curve, from records."""
    from opbench.leaderboard.pareto import draw_pareto
    from opbench.leaderboard.table import boards

    found = boards((record for record in _records(out) if record.cost is not None), _ladders(out))
    known("task with records of what a model costs", task, {name for board in found for name in (board.task, board.dataset)})
    named = [board for board in found if task in (board.task, board.dataset)]
    fitting = [board for board in named if scale in (None, board.scale) and device in (None, board.device)]
    if not fitting:
        raise OpbenchError(f"{task}: no records of scale {scale or 'any'} on device {device or 'any'}; leave --scale or --device out")
    for machine in fitting[0].machines:
        click.echo(f"written: {draw_pareto(fitting[0], machine, out)}")


@contextmanager
def _bars():
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


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise OpbenchError(f"--set {text}: expected KEY=VALUE, such as model.width=64")
    return key.strip(), literal(value.strip())


def main() -> None:
    """Run the command line: a user's mistake is one line on standard error and exit code 2."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a job scheduler's stop leaves a resumable state, as Ctrl-C does
    try:
        opbench.main(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        _fail(error.format_message(), error.exit_code)
    except OpbenchError as error:
        _fail(str(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail("stopped; run the same command again to go on", Interrupted.exit_code)
    except BrokenPipeError:
        sys.exit(141)  # the reader of our output has left, as `head` does
    except OSError as error:
        _fail(f"{error.filename or 'the system'}: {error.strerror or error}; free it or choose another place, and run the command again", 2)


def _fail(message: str, code: int) -> None:
    click.echo(f"opbench: {' '.join(message.split())}", err=True)
    sys.exit(code)
