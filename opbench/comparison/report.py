"""Contests as one HTML page that asks nothing of any network: who wins, where the model is weak, and what its predictions look like."""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from opbench.atomic import write_bytes
from opbench.comparison.compare import Contest, caveats, heading, overall, table, verdict, weaknesses
from opbench.errors import DataError
from opbench.evaluation.specimens import KINDS, SPECTRA, Specimens, beside
from opbench.leaderboard import page
from opbench.leaderboard.figures import Point, axes, lines, plain
from opbench.leaderboard.markup import Markup, document, element, raw
from opbench.leaderboard.rolled import growth
from opbench.leaderboard.table import METRIC
from opbench.pictures import colours, pixels
from opbench.records.record import Record, file_name
from opbench.records.shelf import shipped
from opbench.version import __version__

MINE, GREY = 0, 6  # places among the page's colours
OTHERS = (1, 2, 3, 4, 5, 7)
REFERENCE = "reference"
FLATTEST, TALLEST = 0.2, 3.0  # height over width of a map
STYLES = (Path(page.__file__).with_name("page.css"), Path(__file__).with_name("report.css"))

Find = Callable[[Record], Specimens | None]
Shown = tuple[Record, Specimens]  # a run, and what lies beside its record


def write(contests: Sequence[Contest], out: Path) -> Path:
    """out/reports/<model>.html, in place of an earlier one; pictures are of what lies beside the records. Raises DataError."""
    path = out / "reports" / f"{file_name(contests[0].mine[0].model)}.html"
    write_bytes(path, render(contests, lambda record: beside(record, shipped(), out / "records")).encode())
    return path


def render(contests: Sequence[Contest], find: Find) -> str:
    """The page, of one model's contests. What a record says appears as text, whatever it is."""
    told = [element("li", element("a", held.task, href=f"#task-{i}"), ": ", verdict(held)) for i, held in enumerate(contests)]
    header = element(
        "header",
        element("h1", f"{contests[0].model} against {', '.join(contests[0].others) or 'nobody'}"),
        element("ul", told, class_="lead"),
        element("ul", [element("li", words) for words in overall(contests)]) if len(contests) > 1 else None,
    )
    main = element("main", [_section(held, f"task-{i}", find) for i, held in enumerate(contests)])
    footer = element("footer", element("p", f"Rendered by opbench {__version__} from records and the predictions beside them."))
    style = raw("".join(path.read_text(encoding="utf-8") for path in STYLES))
    return document(f"opbench: {contests[0].model}", element("body", header, main, footer), style, images=True)


def _section(held: Contest, place: str, find: Find) -> Markup:
    shown, missing = _shown(held, find)
    own = shown.get(held.model)
    return element(
        "section",
        element("h2", held.task, " ", element("small", held.scale)),
        element("p", f"{verdict(held)}.", class_="lead"),
        _table(held),
        element("p", f"{heading(held)}.", class_="soft"),
        [element("p", words, class_="soft") for words in caveats(held)],
        element("h3", f"Where {held.model} is weak"),
        element("ul", [element("li", words) for words in weaknesses(held)]),
        _curves(held, shown),
        [] if own is None else [element("h3", f"What {held.model} predicts"), *_pictures(*own)],
        [element("p", words, element("code", runs[0].command), class_="soft") for words, runs in missing],
        id=place,
    )


def _shown(held: Contest, find: Find) -> tuple[dict[str, Shown], list[tuple[str, Sequence[Record]]]]:
    """Each model's first run with predictions beside its record; and, in words, what there is none of."""
    shown: dict[str, Shown] = {}
    missing: list[tuple[str, Sequence[Record]]] = []
    for name, runs in held.every.items():
        try:
            found = next(((run, specimens) for run in runs if (specimens := find(run)) is not None), None)
        except DataError as error:
            missing.append((f"{name}: {error}. Train it again to see its predictions: ", runs))
            continue
        if found is None:
            missing.append((f"{name}: no predictions lie beside its record; train it again to see them: ", runs))
        else:
            shown[name] = found
    return shown, missing


def _table(held: Contest) -> Markup:
    heads, *rows = table(held)
    head = element("tr", [element("th", title, scope="col") for title in heads])
    body = [element("tr", element("th", name, scope="row"), [element("td", cell) for cell in cells]) for name, *cells in rows]
    caption = element("caption", f"{held.task}: {METRIC} on test and cost, a row for each model")
    return element(
        "div",
        element("table", caption, element("thead", head), element("tbody", body, class_="plain")),
        class_="scroll",
        tabindex=0,
        role="region",
        aria_label=held.task,
    )


def _curves(held: Contest, shown: Mapping[str, Shown]) -> Markup | None:
    """Error against time, and a spectrum for every field, of all models that have them."""
    shades = dict(zip(held.others, OTHERS * len(held.others), strict=False)) | {held.model: MINE, REFERENCE: GREY}
    found = [_growth(held, shown, shades), *_spectra(held, shown, shades)]
    return element("div", found, class_="figures") if any(found) else None


def _growth(held: Contest, shown: Mapping[str, Shown], shades: Mapping[str, int]) -> Markup | None:
    curves = {name: points for name, runs in held.every.items() if (points := growth(runs))}
    if curves:
        words = "Error of a model that is fed its own output, against time: median over seeds of the mean over the test samples."
    else:
        words = "Error against time: mean over the test samples."
        curves = {name: _curve(specimens.about.stored, specimens.growth, positive=True) for name, (_, specimens) in shown.items()}
    return _logarithmic("Error against time", curves, shades, "time in s", "relative L2 error", words, log_x=False)


def _spectra(held: Contest, shown: Mapping[str, Shown], shades: Mapping[str, int]) -> list[Markup | None]:
    """Of the reference, of each model's prediction and of its error."""
    fields = next(iter(shown.values()))[1].about.fields if shown else ()
    drawn = []
    for place, field in enumerate(fields):
        told, asked, errors = ({name: _waves(s, kind, place) for name, (_, s) in shown.items()} for kind in range(len(SPECTRA)))
        words = f"Energy of {field} by waves across the domain: mean over the test samples and their times. Dashed: of the errors."
        curves = told | {REFERENCE: next(iter(asked.values()))}
        drawn.append(_logarithmic(f"Spectra of {field}", curves, shades, "waves across the domain", "energy", words, dashed=errors))
    return drawn


def _waves(specimens: Specimens, kind: int, place: int) -> list[Point]:
    """Without the mean, which is no wave."""
    energy = specimens.spectra[kind, place, 1:] if place < len(specimens.about.fields) else ()
    return _curve(range(1, 1 + len(energy)), energy, positive=True)


def _logarithmic(
    title: str,
    curves: Mapping[str, list[Point]],
    shades: Mapping[str, int],
    x: str,
    y: str,
    words: str,
    log_x: bool = True,
    dashed: Mapping[str, list[Point]] | None = None,
) -> Markup | None:
    series, beside = _drawable(curves), _drawable(dashed or {})
    if not series:
        return None
    ends = axes([point for points in [*series.values(), *beside.values()] for point in points], x, y, log_x)
    return element("figure", lines(title, series, shades, *ends, dashed=beside), element("figcaption", words))


def _drawable(curves: Mapping[str, list[Point]]) -> dict[str, list[Point]]:
    return {name: points for name, points in curves.items() if len(points) > 1}


def _curve(places: Sequence[float] | np.ndarray, values: Any, positive: bool = False) -> list[Point]:
    """Of the values that are finite and, for a logarithmic axis, positive."""
    known = ((float(place), float(value)) for place, value in zip(places, values, strict=False) if value is not None)
    return [(place, value) for place, value in known if np.isfinite(value) and (value > 0 or not positive)]


def _pictures(run: Record, specimens: Specimens) -> list[Markup]:
    about, draw = specimens.about, _plots if specimens.grid.dims == 1 else _maps
    samples = f"{len(run.per_sample.get('test', {}).get(METRIC, []))} test samples"
    whole = f"the steps of {samples}" if run.rollouts else samples
    told = [f"The best, the median and the worst of {whole} by relative L2 error, seed {run.seed}"]
    told += [f"one point in {about.stride} along each axis"] if about.stride > 1 else []
    told += [f"at {about.plane:.3g} m of the third axis"] if about.plane is not None else []
    told += [
        "solid: reference, dashed: prediction" if draw is _plots else "x to the right and y upwards, reference and prediction on one scale"
    ]
    rows = [[draw(specimens, k, place, _sample(run, specimens, k, place)) for k in range(len(KINDS))] for place in range(len(about.fields))]
    return [element("p", f"{'; '.join(told)}.", class_="soft"), *(element("div", row, class_="samples") for row in rows)]


def _sample(run: Record, specimens: Specimens, k: int, place: int) -> str:
    """What a picture is of: a sample, of a step task one of its steps."""
    steps = len(run.rollouts["test"].times) if "test" in run.rollouts else 1
    sample, step = divmod(specimens.about.indices[k], steps or 1)
    which = f"sample {sample}{f', step {step + 1}' if steps > 1 else ''}"
    return f"{specimens.about.fields[place]}, {KINDS[k]}: {which}, error {specimens.errors[k]:.3g}"


def _error(specimens: Specimens, k: int, place: int) -> np.ndarray:
    """In float64: what a diverged model predicts may be as large as float32 goes."""
    return specimens.prediction[k, place].astype(np.float64) - specimens.reference[k, place]


def _moments(specimens: Specimens, alone: str) -> list[str]:
    """What the frames are called; `alone` where a task asks for no time."""
    return [f"t = {time:.4g} s" for time in specimens.about.times] or [alone]


def _plots(specimens: Specimens, k: int, place: int, head: str) -> Markup:
    """A field on one axis: its values, and the errors, a line for each time."""
    field, axis = specimens.about.fields[place], specimens.grid.coordinates()[0]
    reference, prediction = specimens.reference[k, place], specimens.prediction[k, place]
    names, start = _moments(specimens, "reference"), specimens.about.given.index(field) if field in specimens.about.given else None
    given = {} if start is None else {"given": specimens.given[k, start]}
    others = [i for i, name in enumerate(specimens.about.given) if name not in specimens.about.fields and not _alike(specimens.given[k, i])]
    shades = {name: i for i, name in enumerate(names)} | {"given": GREY, "error": MINE}
    asked, told = dict(zip(names, reference, strict=True)), dict(zip(names, prediction, strict=True))
    errors = dict(zip(_moments(specimens, "error"), _error(specimens, k, place), strict=True))
    drawn = [_plot(specimens.about.given[i], axis, {"given": specimens.given[k, i]}, shades, specimens) for i in others if place == 0]
    drawn += [_plot(field, axis, given | asked, shades, specimens, told), _plot(f"error of {field}", axis, errors, shades, specimens)]
    plots = element("div", [element("figure", plot) for plot in drawn], class_="figures")
    return element("div", element("p", head, _numbers(specimens, k)), plots, class_="plots")


def _plot(
    title: str,
    axis: np.ndarray,
    values: Mapping[str, np.ndarray],
    shades: Mapping[str, int],
    specimens: Specimens,
    dashed: Mapping[str, np.ndarray] | None = None,
) -> Markup:
    series, beside = (_drawable({name: _curve(axis, v) for name, v in some.items()}) for some in (values, dashed or {}))
    if not series:
        return element("p", f"{title}: not finite")
    x = plain(f"{specimens.about.axes[0]} in m", axis, across=True)
    y = plain(title, [value for points in [*series.values(), *beside.values()] for _, value in points], across=False)
    return lines(title, series, shades, x, y, dashed=beside)


def _maps(specimens: Specimens, k: int, place: int, head: str) -> Markup:
    """A field in the plane: what is given, then reference, prediction and error at each time."""
    field = specimens.about.fields[place]
    reference, prediction = specimens.reference[k, place], specimens.prediction[k, place]
    errors = _error(specimens, k, place)
    both, own = _scale(np.stack((reference, prediction))), _scale(errors)
    given = [element("div", name, _map(f"given {name}", v, s, specimens), _bar(s)) for name, v, s in _given(specimens, k, place)]
    rows = [
        [
            element("small", moment),
            _map(f"reference {field}, {moment}", asked, both, specimens),
            _map(f"prediction of {field}, {moment}", told, both, specimens),
            _map(f"error of {field}, {moment}", error, own, specimens),
        ]
        for moment, asked, told, error in zip(_moments(specimens, field), reference, prediction, errors, strict=True)
    ]
    heads = [element("span", head) for head in ("reference", "prediction", "error")]
    bars = [element("div", _bar(both), class_="both"), element("div", _bar(own))]
    return element(
        "figure",
        element("figcaption", head, _numbers(specimens, k)),
        element("div", element("small", "given"), given, class_="maps") if given else None,
        element("div", heads, rows, bars, class_="maps"),
    )


def _given(specimens: Specimens, k: int, place: int) -> list[tuple[str, np.ndarray, Mapping[str, Any]]]:
    """What is given with the colours of each, beside the first field only: it is the same for all."""
    names = specimens.about.given if place == 0 else ()
    return [(name, values, _scale(values)) for name, values in zip(names, specimens.given[k], strict=False) if not _alike(values)]


def _numbers(specimens: Specimens, k: int) -> str:
    """What is given of a sample as one number for all points, such as a diffusivity, in words."""
    found = {name: float(values.flat[0]) for name, values in zip(specimens.about.given, specimens.given[k], strict=False) if _alike(values)}
    return "".join(f"; {name} {value:.4g}" for name, value in found.items())


def _alike(values: np.ndarray) -> bool:
    return bool((values == values.flat[0]).all())


def _scale(values: np.ndarray) -> Mapping[str, Any]:
    finite = values[np.isfinite(values)]
    return colours(finite if finite.size else np.zeros(1))


def _map(title: str, values: np.ndarray, scale: Mapping[str, Any], specimens: Specimens) -> Markup:
    width, height = (high - low for low, high in zip(specimens.about.lower, specimens.about.upper, strict=True))
    tall = float(np.clip(height / width, FLATTEST, TALLEST))
    told = title if np.isfinite(values).all() else f"{title}, not finite in part"
    return _image(told, pixels(values, scale), round(100 * tall, 1))


def _bar(scale: Mapping[str, Any]) -> Markup:
    """The scale with its ends in numbers."""
    low, high = scale["vmin"], scale["vmax"]
    content = pixels(np.linspace(low, high, 255)[:, None], scale)
    bar = _image(f"colours from {low:.3g} to {high:.3g}", content, 6)
    return element("div", bar, element("small", f"{low:.3g}"), element("small", f"{high:.3g}"), class_="bar")


def _image(title: str, png: bytes, height: float) -> Markup:
    """A PNG stretched to 100 by `height`."""
    place = {"width": 100, "height": height, "preserveAspectRatio": "none", "image_rendering": "pixelated"}
    image = element("image", href=f"data:image/png;base64,{b64encode(png).decode()}", **place)
    return element("svg", element("title", title), image, viewBox=f"0 0 100 {height}", role="img")
