"""Records -> one HTML page with tables, plots and the provenance of every run; it needs no server and asks nothing of any network."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from opbench.atomic import write_bytes
from opbench.leaderboard.markup import Markup, document, element, raw
from opbench.leaderboard.overview import Cell, Overview, overviews
from opbench.leaderboard.plots import figures, latency, loss, profiles
from opbench.leaderboard.rolled import ROLLED, rolled
from opbench.leaderboard.table import (
    BASELINE,
    INTERVAL,
    OVER,
    RESIDUAL,
    Board,
    boards,
    comparison_cell,
    diverged,
    interval_cell,
    middle,
    name,
    saturated,
    state,
    values,
    verified,
)
from opbench.leaderboard.words import METRIC, plain, rate, spread
from opbench.records.record import Record, Way
from opbench.version import __version__

SPLITS = ("test", "ood", "finer", "coarser", "noise_1", "noise_5")
SHOWN = SPLITS[:3]  # those that stand in the tables before one is chosen
TRACKS = {"closed": "our data under the task's budget", "open": "anything"}
DASH = "\N{EN DASH}"  # where there is no number
NEAR, FAR = 1.25, 10.0  # times the best error of a row: cells that are shaded, and those that are grey
SHADES = f"Shaded: at most {NEAR:g} times the best of its row; grey: {FAR:g} times or more."
Runs = Sequence[Record]
Column = tuple[str, Mapping[str, Any], list[Markup]]  # its head, the attributes of that, a cell for each row
WORDS = {"class_": "words", "data_words": True}
MODEL: Column = ("model", WORDS, [])  # of which the cells are the rows' heads


def write(records: Iterable[Record], folder: Path) -> Path:
    """folder/index.html."""
    path = folder / "index.html"
    write_bytes(path, render(records).encode())
    return path


def render(records: Iterable[Record]) -> str:
    """The page. What a record says appears as text, whatever it is; a policy in its head forbids all but its own style and script."""
    found = boards(records)
    style, script = (raw(Path(__file__).with_name(f"page.{kind}").read_text(encoding="utf-8")) for kind in ("css", "js"))
    colours = {model: i for i, model in enumerate(sorted({r.model for board in found for r in board.records}))}
    first, *others = overviews(found)
    front = element("section", element("h2", first.title), _overview(first, profiles(first.nearness, colours)), class_="overview")
    more = [element("details", element("summary", element("h2", other.title)), _overview(other), class_="overview") for other in others]
    body = element("body", _header(found), element("main", front, more, _controls(found), _sections(found, colours)), _footer())
    return document("opbench leaderboards", body, style, script)


def _header(found: Sequence[Board]) -> Markup:
    records = [r for board in found for r in board.records]
    facts = (
        f"{len({board.dataset for board in found})} datasets, {len({r.model for r in records})} models, {len(records)} training runs"
        + (f", the latest of {max(r.date for r in records)[:10]}" if records else "")
    )
    return element(
        "header",
        element("a", "Skip to the tables", href="#tables", class_="skip"),
        element("h1", "Which neural operator, on which equation, at what cost"),
        element(
            "p",
            "opbench trains every model under one budget a task, on data from a verified solver whose own error is known, "
            "and keeps a record of each run that anybody can check.",
            class_="lead",
        ),
        element("p", f"{facts}.", class_="soft"),
    )


def _footer() -> Markup:
    return element("footer", element("p", f"Rendered by opbench {__version__} from the records beside this page, never edited."))


def _overview(overview: Overview, figure: Markup | None = None) -> list[Markup | None]:
    """What it is of, and a row for each board, with what is near the best and far from it told apart."""
    rows = [_overview_row(overview, row) for row in range(len(overview.rows))]
    every = _plain_table(overview.title, ("task", *overview.columns), rows)
    about = element("p", overview.about, " ", SHADES, class_="soft")
    return [element("div", about, _summary(overview) if overview.summary else None), figure, every]


def _plain_table(title: str, heads: Iterable[str], rows: list[Markup]) -> Markup:
    """One that is not sorted."""
    head = element("tr", [element("th", title, scope="col") for title in heads])
    table = element("table", element("caption", title), element("thead", head), element("tbody", rows, class_="plain"))
    return element("div", table, class_="scroll", tabindex=0, role="region", aria_label=title)


def _summary(overview: Overview) -> list[Markup]:
    heads, *rows = overview.summary
    cells = [element("tr", element("th", row[0], scope="row"), [element("td", cell) for cell in row[1:]]) for row in rows]
    return [element("p", overview.short, class_="soft"), _plain_table(f"{overview.title}, in short", heads, cells)]


def _overview_row(overview: Overview, row: int) -> Markup:
    board, cells = overview.rows[row]
    link = element("a", board.dataset, href=f"#{_place(board)}")
    head = element("th", link, " ", element("small", _kind(board)), scope="row")
    least, best = min((cell.error for cell in cells.values()), default=math.inf), overview.best(row)
    shown = [_overview_cell(cells.get(column), least, column in best) for column in overview.columns]
    return element("tr", head, shown, data_task=board.task, data_device=board.device)


def _overview_cell(cell: Cell | None, least: float, best: bool) -> Markup:
    if cell is None or math.isinf(cell.error):
        return element("td", element("small", cell.text if cell else DASH))
    near = "best" if best else "near" if cell.error <= NEAR * least else "far" if cell.error >= FAR * least else None
    return element("td", cell.text, class_=near)


def _kind(board: Board) -> str:
    return f"{board.task.removeprefix(f'{board.dataset}/')}, {board.scale}, {board.device}"


def _place(board: Board) -> str:
    """The section's name in links, the same whatever else is on the page."""
    return f"{board.task}-{board.scale}-{board.device}-{board.task_version}-{board.data_fingerprint[:8]}".replace("/", "-")


def _controls(found: Sequence[Board]) -> Markup:
    records = [r for board in found for r in board.records]
    metrics = sorted({metric for r in records for scores in r.scores.values() for metric in scores}, key=lambda m: (m != METRIC, m))
    splits = [split for split in SPLITS if any(split in r.scores for r in records)]
    return element(
        "form",
        _select("task", sorted({board.task for board in found}), "all tasks"),
        _select("device", sorted({board.device for board in found}), "all devices"),
        _select("loss", sorted({r.loss for r in records}), "all losses"),
        _select("split", splits, "all splits"),
        _select("metric", metrics),
        _select("track", TRACKS, "both tracks"),
        element("label", "model", element("input", name="model", type="search", autocomplete="off")),
        element("button", "Reset", type="reset"),
        element("output", aria_live="polite"),
        id="tables",
        aria_label="Choose what the tables show",
    )


def _select(title: str, choices: Iterable[str], every: str | None = None) -> Markup:
    options = [element("option", choice, value=choice) for choice in choices]
    first = [] if every is None else [element("option", every, value="")]
    return element("label", title, element("select", first, options, name=title))


def _sections(found: Sequence[Board], colours: Mapping[str, int]) -> list[Markup]:
    nothing = element("p", "Nothing fits: choose less, or reset.", id="nothing", hidden=True)
    return [nothing, *(_section(board, _place(board), colours) for board in found)]


def _section(board: Board, place: str, colours: Mapping[str, int]) -> Markup:
    groups = board.configurations
    columns = _columns(board, groups)
    heads = [element("th", element("button", title, type="button"), scope="col", **about) for title, about, _ in [MODEL, *columns]]
    cells = zip(*(cells for _, _, cells in columns), strict=True)
    rows = [_row(runs, own, f"{place}-{row}") for row, (runs, own) in enumerate(zip(groups, cells, strict=True))]
    caption = element("caption", f"{board.task}, {board.scale}, {board.device}: a row for each configuration; column heads sort")
    table = element("table", caption, element("thead", element("tr", heads)), rows)
    return element(
        "section",
        element("h2", board.dataset, " ", element("small", _kind(board)), id=f"{place}-name"),
        element("p", f"{state(board)}{'' if _mixed(board) else f'; all on {board.records[0].machine.words}'}.", class_="soft"),
        element("div", table, class_="scroll", tabindex=0, role="region", aria_label=f"{board.task} on {board.device}"),
        figures(groups, colours),
        class_="board",
        id=place,
        aria_labelledby=f"{place}-name",
        data_task=board.task,
        data_device=board.device,
    )


def _columns(board: Board, groups: Sequence[Runs]) -> list[Column]:
    """All but MODEL. Of the metrics, all but the first start hidden."""
    metrics = sorted({m for r in board.records for scores in r.scores.values() for m in scores}, key=lambda m: (m != METRIC, m))
    splits = [split for split in SPLITS if any(split in r.scores for r in board.records)]
    scores = [(split, _head(m, split), _scored(m, split, groups)) for m in metrics for split in splits]
    numbers = [(title, {"title": about}, _numbers([value(runs) for runs in groups], form)) for title, about, value, form in NUMBERS]
    badges = (
        [("verified", WORDS, [_words(element("small", verified(runs) or "unverified")) for runs in groups])]
        if any(r.badge for r in board.records)
        else []
    )
    machines = [("machine", WORDS, [_words(element("small", runs[0].machine.words)) for runs in groups])] if _mixed(board) else []
    return [
        ("loss", WORDS, [_words(loss(runs[0])) for runs in groups]),
        *scores[:1],
        *_surely(board),
        *scores[1:],
        *(column for column in numbers if column[2]),
        ("seeds", {}, [_seeds(runs) for runs in groups]),
        *badges,
        *machines,
    ]


def _surely(board: Board) -> list[Column]:
    """How sure the first column is, where three seeds tell; they come and go with it."""
    about = {**_head(METRIC, SPLITS[0]), "aria_sort": None}
    intervals = [(found and found.lower, interval_cell(found)) for found, _ in board.surely]
    ratios = [(found and found.ratio, comparison_cell(found)) for _, found in board.surely]
    columns = {
        INTERVAL: (intervals, "for other seeds and samples"),
        OVER: (ratios, f"test error over {BASELINE}'s, its interval, and p"),
    }
    return [
        (title, about | {"title": words}, [element("td", element("small", cell), data_v=value and f"{value:.6g}") for value, cell in cells])
        for title, (cells, words) in columns.items()
        if any(value is not None for value, _ in cells)
    ]


def _mixed(board: Board) -> bool:
    return len(board.machines) > 1


def _head(metric: str, split: str) -> dict[str, Any]:
    """Of a score's column; rows come in the order of the first one."""
    first = "ascending" if (metric, split) == (METRIC, SPLITS[0]) else None
    about = {"data_metric": metric, "data_split": split, "data_usual": split in SHOWN, "title": f"{metric} on {split}", "aria_sort": first}
    return about | {"hidden": not _is_shown(metric, split)}


def _is_shown(metric: str, split: str) -> bool:
    return metric == METRIC and split in SHOWN


def _seeds(runs: Runs) -> Markup:
    failed = element("small", f" {diverged(runs)} diverged") if diverged(runs) else None
    return element("td", str(len(runs)), failed, data_v=len(runs))


def _words(content: Markup | str) -> Markup:
    return element("td", content, class_="words")


def _scored(metric: str, split: str, groups: Sequence[Runs]) -> list[Markup]:
    """Means over seeds, with the standard deviation from three on. No residual is best: a small one says nothing."""
    found = [values(runs, split, metric) for runs in groups]
    means = [math.fsum(own) / len(own) if own else None for own in found]
    ranked = (own for own, runs in zip(means, groups, strict=True) if own is not None and not diverged(runs) and metric != RESIDUAL)
    best, hidden = min(ranked, default=None), not _is_shown(metric, split)
    cells = []
    for runs, own, error in zip(groups, found, means, strict=True):
        if error is None:
            cells.append(element("td", element("small", DASH), hidden=hidden, title=runs[0].not_scored.get(split)))
            continue
        mark = " saturated" if metric == METRIC and saturated(runs[0], split, error) else ""
        if metric == RESIDUAL and (floor := runs[0].physics_floor.get(split)) is not None:
            mark = f" reference's {floor:.3g}"
        told = spread(own) + mark + (lost := " diverged in part" if diverged(runs) else "")
        about = {"data_v": f"{error:.6g}", "hidden": hidden, "class_": "best" if error == best and not lost else None}
        cells.append(element("td", f"{error:.4g}", element("small", told) if told else None, **about))
    return cells


def _numbers(found: Sequence[float | None], form: Callable[[float], str]) -> list[Markup]:
    """None where none is known."""
    if not any(value is not None for value in found):
        return []
    nothing = element("td", element("small", DASH))
    return [nothing if value is None else element("td", form(value), data_v=f"{value:.6g}") for value in found]


def _throughput(record: Record | None) -> float | None:
    return 1 / record.cost.seconds("batched") if record and record.cost else None


def _solver_ratio(runs: Runs, way: Way) -> float | None:
    run = middle(runs)
    match = run.matched.match(way) if run and run.matched else None
    return match and match.ratio


def _rolled(runs: Runs, head: str) -> float | None:
    found = rolled(runs, head)
    return None if found is None or math.isinf(found) else found


def _times(factor: float) -> str:
    return f"{plain(factor, 3)} ×"


NUMBERS = (
    *((head, column.about, lambda runs, head=head: _rolled(runs, head), column.form) for head, column in ROLLED.items()),
    ("parameters", "trained parameters", lambda runs: runs[0].parameters, "{:,}".format),
    (
        "training",
        "processor time of one thread, else wall time, median over seeds",
        lambda runs: median(run.training_seconds for run in runs),
        "{:.3g} s".format,
    ),
    (
        "latency",
        "one sample; of the timed seed of median error, as all that follows",
        lambda runs: latency(middle(runs)),
        "{:.3g} ms".format,
    ),
    ("throughput", "samples a second at the best batch size", lambda runs: _throughput(middle(runs)), rate),
    ("solver", "seconds of a solver that errs no more over the model's, one sample", lambda runs: _solver_ratio(runs, "alone"), _times),
    ("solver, batched", "the same in full batches", lambda runs: _solver_ratio(runs, "batched"), _times),
)


def _row(runs: Runs, cells: Sequence[Markup], place: str) -> Markup:
    """The configuration's row and, hidden below it, all that is known of its runs."""
    first = runs[0]
    changes = name(first).removeprefix(first.model)
    opens = {"title": "its runs: command, settings, machine, versions", "aria_expanded": "false", "aria_controls": place}
    button = element("button", first.model, type="button", class_="details", **opens)
    head = element("th", button, element("small", changes) if changes else None, scope="row")
    more = element("tr", element("td", _details(runs), colspan=1 + len(cells)), class_="more", id=place, hidden=True)
    about = {"data_model": name(first).lower(), "data_loss": first.loss, "data_track": first.track}
    return element("tbody", element("tr", head, cells), more, **about)


def _details(runs: Runs) -> Markup:
    first, newest = runs[0], max(runs, key=lambda r: r.date)
    facts = {
        "command": element("code", newest.command),
        "settings": _pairs(first.settings),
        "training": _pairs(first.training),
        "loss": _pairs(first.loss_settings),
        "test error by seed": ", ".join(f"seed {r.seed}: {_seen(r)}" for r in sorted(runs, key=lambda r: r.seed)),
        "best epoch": ", ".join(str(r.best_epoch) for r in runs if r.best_epoch is not None),
        "not scored": _pairs(first.not_scored),
        "roll-out": "; ".join(
            f"{split}: stable {r.stable:.0%}, correlated until {r.correlation_time}" for split, r in first.rollouts.items()
        ),
        "solver matched": _solver(first),
        "track": f"{first.track}: {TRACKS[first.track]}",
        "verified": "; ".join(f"seed {r.seed}: {r.badge}" for r in runs if r.badge),
        "machine": f"{first.machine.words}{', TF32' if first.machine.tf32 else ''}",
        "date": newest.date[:19],
        "opbench": f"{newest.opbench}, commit {(newest.commit or 'unknown')[:12]}{', with uncommitted changes' if newest.dirty else ''}",
        "versions": _pairs({key: version for key, version in newest.versions.items() if version}),
        "data": element("code", first.data_fingerprint),
        "model's source": element("code", first.source_sha256),
        "trained before it was scored": newest.trained and f"{newest.trained.date[:19]}, commit {newest.trained.commit or 'unknown'}",
        "weights": [element("code", r.weights_sha256 or "none", " ") for r in runs],
    }
    return element("dl", [[element("dt", key), element("dd", value)] for key, value in facts.items() if value])


def _seen(record: Record) -> str:
    error = record.scores.get("test", {}).get(METRIC)
    return "diverged" if record.status == "diverged" or error is None else f"{error:.5g}"


def _solver(record: Record) -> str:
    ways = {"one sample": "alone", "in batches": "batched"}
    found = {title: record.matched.match(way) for title, way in ways.items()} if record.matched else {}  # pyright: ignore[reportArgumentType]
    return "; ".join(f"{title}: {match.name}, error {match.error:.3g}, {match.seconds:.3g} s" for title, match in found.items() if match)


def _pairs(mapping: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in mapping.items())
