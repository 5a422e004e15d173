"""Pictures of a few samples: what is given, what is solved for, and how it evolves.

Colours are safe for colour-blind eyes: blue to red around zero where a field has both signs, viridis elsewhere. Their scale is one for all
times of a sample that are shown.
"""

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from opbench.field import Field
from opbench.grid import Grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Axes = Any  # matplotlib's; its own types do not say which artists a call gives
WORDS: dict[Any, Any] = {"text.parse_math": False}  # where text is of a record, whose dollar signs are no formula
TEXT: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
}
DPI = (120, 100, 80, 64, 50)  # tried in this order until a file is small enough
PROFILES = 5  # times whose lines are drawn over each other
ONE_SIGN = 0.1  # a field whose smaller side of zero is below this part of the larger one is drawn as of one sign
SECONDS = 5.0  # that an animation takes
MAPS = 4  # moving at once, at most, where a sample has not more itself
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe and Ito, 2008


@dataclass(frozen=True)
class Scene:
    """A few samples as they are drawn.

    times: in s, None where the problem is steady. given: coefficient fields, (sample, *space); parameters: numbers that differ between
    samples, (sample,); unknowns: (sample, time, *space), or (sample, *space) if steady.
    """

    title: str
    grid: Grid
    times: tuple[float, ...] | None
    given: Mapping[Field, np.ndarray]
    parameters: Mapping[Field, np.ndarray]
    unknowns: Mapping[Field, np.ndarray]

    @property
    def samples(self) -> int:
        return len(next(iter(self.unknowns.values())))

    def flat(self) -> "Scene":
        """The same with the middle plane of a third axis, and the plane told in the title."""
        if self.grid.dims < 3:
            return self
        grid, middle = self.grid, self.grid.shape[2] // 2
        given, unknowns = ({field: values[..., middle] for field, values in fields.items()} for fields in (self.given, self.unknowns))
        title = f"{self.title}, at {grid.axes[2]} = {grid.coordinates()[2][middle]:.3g} m"
        return replace(self, title=title, grid=grid.plane, given=given, unknowns=unknowns)


@dataclass(frozen=True)
class Group:
    """Neighbouring panels of one field on one scale: `paint(figure, axes, group, scene)` fills an axes for every array."""

    paint: Callable[..., None]
    field: Field
    titles: tuple[str, ...]
    arrays: tuple[np.ndarray, ...]


def picture(scene: Scene, limit: int | None = None) -> bytes:
    """A PNG with a row for every sample, and for every unknown that evolves; of at most `limit` bytes if it can be drawn so small."""
    import matplotlib

    def png(dpi: int) -> bytes:
        stream, image = io.BytesIO(), _image(figure, dpi)
        (image if limit is None else _indexed([image])[0]).save(stream, "PNG", optimize=True)
        return stream.getvalue()

    with matplotlib.rc_context(TEXT):
        figure = _figure(scene.flat())
        return _small(png, limit)


def animation(scene: Scene, limit: int = 1_000_000) -> bytes:
    """A GIF with a frame for every stored time, of at most `limit` bytes if it can be drawn so small."""
    import matplotlib

    def gif(dpi: int) -> bytes:
        first, *rest = _indexed(list(_frames(scene.flat(), dpi)))
        stream, milliseconds = io.BytesIO(), round(1000 * SECONDS / (1 + len(rest)), -1)  # a GIF counts in hundredths of a second
        first.save(stream, "GIF", save_all=True, append_images=rest, duration=max(20, int(milliseconds)), loop=0)
        return stream.getvalue()

    with matplotlib.rc_context(TEXT):
        return _small(gif, limit)


def colours(values: np.ndarray) -> dict[str, Any]:
    """The colour map and its ends: symmetric about zero where both signs matter."""
    low, high = float(values.min()), float(values.max())
    if min(-low, high) > ONE_SIGN * max(-low, high):
        bound = max(-low, high)
        return {"cmap": "RdBu_r", "vmin": -bound, "vmax": bound}
    return {"cmap": "viridis", "vmin": low, "vmax": high}


def pixels(values: np.ndarray, scale: Mapping[str, Any]) -> bytes:
    """A field (x, y) as a PNG with a pixel for every point, y upwards, on a scale of `colours`; what is not finite has no colour."""
    from matplotlib import colormaps
    from PIL import Image

    low, high = scale["vmin"], scale["vmax"]
    part = (values.T[::-1].astype(np.float64) - low) / (high - low or 1.0)
    finite = np.isfinite(part)
    levels = np.where(finite, 1 + np.round(254 * np.clip(np.where(finite, part, 0.0), 0.0, 1.0)), 0).astype(np.uint8)
    image, stream = Image.fromarray(levels), io.BytesIO()
    palette = colormaps[scale["cmap"]](np.linspace(0, 1, 255), bytes=True)[:, :3]
    image.putpalette(bytes(3) + palette.tobytes())
    image.save(stream, "PNG", optimize=True, transparency=0)
    return stream.getvalue()


def _small(render: Callable[[int], bytes], limit: int | None) -> bytes:
    """What `render` gives at the largest resolution at which it is small enough, or else at the smallest."""
    content = b""
    for dpi in DPI:
        content = render(dpi)
        if limit is None or len(content) <= limit:
            break
    return content


def _indexed(images: Sequence[Any]) -> list[Any]:
    """PIL images on one palette, so that what does not move costs nothing."""
    from PIL import Image

    some = np.concatenate([np.asarray(images[k]) for k in sorted({0, len(images) // 2, len(images) - 1})])
    palette = Image.fromarray(some).quantize(256, method=Image.Quantize.MAXCOVERAGE)
    return [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]


def _image(figure: "Figure", dpi: int) -> Any:
    """The figure as a PIL image."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def _figure(scene: Scene) -> "Figure":
    """A block of rows for every sample."""
    from matplotlib.figure import Figure

    samples = [_rows(scene, sample) for sample in range(scene.samples)]
    columns = max(sum(len(group.arrays) for group in row) for row in samples[0])
    bars = max(len(row) for row in samples[0])
    height = 0.25 + _height(scene.grid) * len(samples[0])
    figure = Figure((0.4 + 2.0 * columns + 0.75 * bars, 0.3 + height * len(samples)), layout="constrained")
    figure.suptitle(scene.title, fontsize=9)
    for sample, block in enumerate(figure.subfigures(len(samples), 1, squeeze=False)[:, 0]):
        block.suptitle(_sample(scene, sample), x=0.01, ha="left", fontsize=8)
        panels = block.subplots(len(samples[sample]), columns, squeeze=False)
        for axes, row in zip(panels, samples[sample], strict=True):
            _paint(block, axes, row, scene)
    return figure


def _sample(scene: Scene, sample: int) -> str:
    """A sample's number and its own parameters."""
    numbers = [f"{field.name} = {values[sample]:.3g}{_unit(field, ' {}')}" for field, values in scene.parameters.items()]
    return f"sample {sample}" + (f": {', '.join(numbers)}" if numbers else "")


def _paint(figure: Any, axes: Sequence[Axes], row: Sequence[Group], scene: Scene) -> None:
    place = 0
    for group in row:
        group.paint(figure, axes[place : place + len(group.arrays)], group, scene)
        place += len(group.arrays)
    for panel in axes[place:]:
        panel.set_axis_off()


def _height(grid: Grid) -> float:
    """Of a row of panels, in inches."""
    if grid.dims == 1:
        return 1.8
    width, height = (high - low for low, high in zip(grid.lower, grid.upper, strict=True))
    return 0.6 + float(np.clip(1.7 * height / width, 0.7, 3.4))


def _rows(scene: Scene, sample: int) -> list[list[Group]]:
    """The panels of a sample: what is given beside the solution, or above where several unknowns evolve."""
    given, unknowns = (
        [_still(scene, field, values[sample]) for field, values in fields.items()] for fields in (scene.given, scene.unknowns)
    )
    if scene.times is None:
        return [given + unknowns]
    rows = [_evolution(field, values[sample], scene.times, scene.grid) for field, values in scene.unknowns.items()]
    if len(rows) == 1:
        return [given + rows[0]]
    return [given, *rows] if given else rows


def _still(scene: Scene, field: Field, values: np.ndarray) -> Group:
    return Group(_maps if scene.grid.dims > 1 else _lines, field, (field.name,), (values,))


def _evolution(field: Field, values: np.ndarray, times: Sequence[float], grid: Grid) -> list[Group]:
    if grid.dims == 1:
        return [Group(_space_time, field, ("space and time",), (values,)), Group(_profiles, field, ("profiles",), (values,))]
    chosen = sorted({0, len(times) // 2, len(times) - 1})
    return [Group(_maps, field, tuple(_at(times[k]) for k in chosen), tuple(values[k] for k in chosen))]


def _maps(figure: Any, axes: Sequence[Axes], group: Group, scene: Scene) -> None:
    scale = colours(np.stack(group.arrays))
    images = [_map(panel, values, scene.grid, scale) for panel, values in zip(axes, group.arrays, strict=True)]
    for panel, title in zip(axes, group.titles, strict=True):
        panel.set_title(title)
    axes[0].set_ylabel(f"{scene.grid.axes[1]} [m]")
    figure.colorbar(images[0], ax=list(axes), label=_label(group.field))


def _map(panel: Axes, values: np.ndarray, grid: Grid, scale: dict[str, Any]) -> Any:
    image = panel.imshow(values.T, origin="lower", extent=(*_span(grid, 0), *_span(grid, 1)), interpolation="nearest", **scale)
    panel.set_xlabel(f"{grid.axes[0]} [m]")
    return image


def _span(grid: Grid, axis: int) -> tuple[float, float]:
    """The outer edges of the cells around an axis' first and last points."""
    points, half = grid.coordinates()[axis], grid.spacing[axis] / 2
    return points[0] - half, points[-1] + half


def _lines(figure: Any, axes: Sequence[Axes], group: Group, scene: Scene) -> None:
    for panel, values in zip(axes, group.arrays, strict=True):
        panel.plot(scene.grid.coordinates()[0], values, color=COLOURS[0], linewidth=1)
        panel.set(xlabel=f"{scene.grid.axes[0]} [m]", ylabel=_label(group.field))


def _space_time(figure: Any, axes: Sequence[Axes], group: Group, scene: Scene) -> None:
    (panel,), (values,), times = axes, group.arrays, np.array(scene.times)
    half = (times[1] - times[0]) / 2
    extent = (*_span(scene.grid, 0), times[0] - half, times[-1] + half)
    image = panel.imshow(values, origin="lower", extent=extent, aspect="auto", interpolation="nearest", **colours(values))
    panel.set(xlabel=f"{scene.grid.axes[0]} [m]", ylabel="t [s]")
    figure.colorbar(image, ax=panel, label=_label(group.field))


def _profiles(figure: Any, axes: Sequence[Axes], group: Group, scene: Scene) -> None:
    from matplotlib import colormaps

    (panel,), (values,), times = axes, group.arrays, scene.times or ()
    for k in sorted({round(part * (len(times) - 1)) for part in np.linspace(0, 1, PROFILES)}):
        shade = colormaps["viridis"](0.9 * k / (len(times) - 1))
        panel.plot(scene.grid.coordinates()[0], values[k], color=shade, linewidth=1, label=f"{times[k]:.4g}")
    panel.set(xlabel=f"{scene.grid.axes[0]} [m]", ylabel=_label(group.field))
    panel.legend(title="t [s]", loc="upper left", bbox_to_anchor=(1.0, 1.03), frameon=False, handlelength=1)


def _frames(scene: Scene, dpi: int) -> Iterator[Any]:
    """A PIL image for every stored time: the samples' lines in a panel for every unknown, or a map for every sample and unknown."""
    from matplotlib.figure import Figure

    assert scene.times is not None
    line = scene.grid.dims == 1
    columns = 1 if line else min(scene.samples, max(1, MAPS // len(scene.unknowns)))
    size = (0.4 + (4.0 if line else 2.75) * columns, 0.4 + _height(scene.grid) * len(scene.unknowns))
    figure = Figure(size, layout="constrained")
    heading = figure.suptitle(_at(scene.times[-1]), fontsize=9)
    updates: list[Callable[[int], None]] = []
    for panels, field in zip(figure.subplots(len(scene.unknowns), columns, squeeze=False), scene.unknowns, strict=True):
        updates += _moving_lines(panels[0], field, scene) if line else _moving_maps(figure, panels, field, scene)
    _image(figure, dpi)
    figure.set_layout_engine("none")  # panels stay where they are
    for k, time in enumerate(scene.times):
        heading.set_text(_at(time))
        for update in updates:
            update(k)
        yield _image(figure, dpi)


def _moving_lines(panel: Axes, field: Field, scene: Scene) -> list[Callable[[int], None]]:
    values, x = scene.unknowns[field], scene.grid.coordinates()[0]
    margin = 0.05 * (float(np.ptp(values)) or 1.0)
    panel.set(xlabel=f"{scene.grid.axes[0]} [m]", ylabel=_label(field), ylim=(values.min() - margin, values.max() + margin))
    lines = [panel.plot(x, sample[0], color=COLOURS[i % len(COLOURS)], linewidth=1)[0] for i, sample in enumerate(values)]
    return [lambda k, line=line, sample=sample: line.set_ydata(sample[k]) for line, sample in zip(lines, values, strict=True)]


def _moving_maps(figure: "Figure", panels: Sequence[Axes], field: Field, scene: Scene) -> list[Callable[[int], None]]:
    updates: list[Callable[[int], None]] = []
    for i, (panel, sample) in enumerate(zip(panels, scene.unknowns[field], strict=False)):
        image = _map(panel, sample[0], scene.grid, colours(sample))
        panel.set_title(f"sample {i}")
        figure.colorbar(image, ax=panel, label=_label(field))
        updates.append(lambda k, image=image, sample=sample: image.set_data(sample[k].T))
    panels[0].set_ylabel(f"{scene.grid.axes[1]} [m]")
    return updates


def _label(field: Field) -> str:
    return field.name + _unit(field, " [{}]")


def _unit(field: Field, form: str) -> str:
    """The unit with raised exponents; nothing for a pure number."""
    return "" if field.unit == "1" else form.format(re.sub(r"\^(-?[0-9.]+)", r"$^{\1}$", field.unit))


def _at(time: float) -> str:
    return f"t = {time:.4g} s"


def legible(label: str) -> str:
    """For a legend, which leaves out what begins with an underscore."""
    return f" {label}" if label.startswith("_") else label
