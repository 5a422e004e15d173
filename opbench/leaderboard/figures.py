"""Plots as inline SVG that follow the page's colours: points with their names, and lines with a legend."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from opbench.leaderboard.markup import Markup, element

WIDTH, HEIGHT = 520, 320
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 14, 42  # room for the axes' words
LEAST, CLOSE = 1e-300, 1e-9  # of a logarithmic axis; relative, of ends that are one
LINE = 13  # between lines of text
LETTER, ROOM = 6.5, 108  # of a name: each letter's width, what is right of the plot for it

Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """From values to places between `first` and `last`; where `log`, by the values' logarithm."""

    label: str
    low: float
    high: float
    first: float
    last: float
    log: bool = True

    def at(self, value: float) -> float:
        low, high, value = (math.log10(max(v, LEAST)) for v in (self.low, self.high, value)) if self.log else (self.low, self.high, value)
        return round(self.first + (value - low) / (high - low) * (self.last - self.first), 1)

    def ticks(self) -> list[float]:
        """At most about six: powers of ten with 2 and 5 between them where there is room, or round steps."""
        if not self.log:
            step = 10 ** math.floor(math.log10(self.high - self.low))
            step = next(s for s in (step / 5, step / 2, step, 2 * step) if (self.high - self.low) / s <= 6)
            return [k * step for k in range(math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9) + 1)]
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        every = max(1, math.ceil(len(decades) / 6))
        factors = (1, 2, 5) if len(decades) <= 3 else (1,)
        ticks = (factor * 10.0**decade for decade in decades if decade % every == 0 for factor in factors)
        found = [tick for tick in ticks if self.low * 0.999 <= tick <= self.high * 1.001]
        return found if len(found) > 1 else replace(self, log=False).ticks()


def axes(points: Iterable[Point], x_label: str, y_label: str, log_x: bool = True) -> tuple[Axis, Axis]:
    """Around all points, with a margin; values of log axes are > 0."""
    xs, ys = zip(*points, strict=True)
    low, high = _around(ys)
    left, right = _around(xs) if log_x else _apart(min(xs), max(xs))
    return Axis(x_label, left, right, LEFT, WIDTH - RIGHT, log_x), Axis(y_label, low, high, HEIGHT - BOTTOM, TOP)


def plain(label: str, values: Iterable[float], across: bool) -> Axis:
    """Of a quantity with any sign, along the bottom or up the left side, around all values."""
    values = list(values)
    low, high = min(values), max(values)
    low, high = _apart(low, high) if across else (low, high)
    margin = 0.0 if across else 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    ends = (LEFT, WIDTH - RIGHT) if across else (HEIGHT - BOTTOM, TOP)
    return Axis(label, low - margin, high + margin, *ends, log=False)


def _apart(low: float, high: float) -> tuple[float, float]:
    """Two ends that arithmetic tells from each other."""
    return low, high if high - low > CLOSE * max(abs(low), abs(high), CLOSE) else low + (abs(low) if abs(low) > CLOSE else 1.0)


def _around(values: Sequence[float]) -> tuple[float, float]:
    low, high = max(min(values), LEAST), max(max(values), LEAST)
    margin = max(10 ** (0.08 * (math.log10(high) - math.log10(low))), 1.25)
    return max(low / margin, LEAST), high * margin


def scatter(title: str, points: Mapping[str, Point], colours: Mapping[str, int], x_label: str, y_label: str) -> Markup:
    """A named point each, and the line of those that no other beats in both; lower is better in both."""
    x, y = axes(points.values(), x_label, y_label)
    front = _front(points.values())
    steps = [(x.at(a), y.at(b)) for a, b in front]
    line = "M" + "".join(f"{'' if i == 0 else f'H{a}V'}{f'{a} {b}' if i == 0 else b}" for i, (a, b) in enumerate(steps))
    dots, taken = [], [(x.at(a), y.at(b) + 4) for a, b in points.values()]
    for name, point in sorted(points.items(), key=lambda item: item[1]):
        across, down = x.at(point[0]), y.at(point[1])
        dots.append(element("circle", cx=across, cy=down, r=5, class_=f"dot c{colours[name] % 8}"))
        dots.append(element("text", name, class_="name", **_place(name, across, down + 4, taken)))
    told = "; ".join(f"{name}: {_number(b)} at {_number(a)}" for name, (a, b) in sorted(points.items(), key=lambda item: item[1][1]))
    return _drawing(title, f"{y_label} against {x_label}. {told}.", x, y, [element("path", d=line, class_="front"), *dots])


def _place(name: str, across: float, down: float, taken: list[Point]) -> dict[str, float | str]:
    """Beside a point, right or left of it, as near to its height as no point and no earlier name is in the way; adds to `taken`."""
    length = LETTER * len(name)
    sides = [(across + 9, "start")] * (across + 9 + length < WIDTH) + [(across - 9 - length, "end")] * (across - 9 - length > LEFT)
    rows = [down + LINE * step for step in (0, -0.8, 0.8, -1.6, 1.6, -2.4, 2.4, -3.2, 3.2)]
    places = [(row, left, side) for row in rows if TOP < row < HEIGHT - BOTTOM for left, side in sides or [(across + 9, "start")]]
    free = (place for place in places if not any(abs(place[0] - row) < LINE - 3 and -4 < at - place[1] < length + 4 for at, row in taken))
    row, left, side = next(free, places[0])
    taken += [(left + part, row) for part in (0, length / 2, length)]
    return {"x": round(left if side == "start" else left + length, 1), "y": round(row, 1), "text_anchor": side}


def _front(points: Iterable[Point]) -> list[Point]:
    front: list[Point] = []
    for point in sorted(points):
        if not front or point[1] < front[-1][1]:
            front.append(point)
    return front


def lines(
    title: str,
    series: Mapping[str, Sequence[Point]],
    colours: Mapping[str, int],
    x: Axis,
    y: Axis,
    steps: bool = False,
    dashed: Mapping[str, Sequence[Point]] | None = None,
) -> Markup:
    """A line each, named beside its end as near as there is room; `steps` hold a value until the next.

    dashed: lines beside those, in the colour of the same name.
    """
    drawn = [_path(points, x, y, f"curve c{colours[name] % 8}", steps) for name, points in series.items()]
    drawn += [_path(points, x, y, f"curve dashed c{colours[name] % 8}", steps) for name, points in (dashed or {}).items()]
    rows = _spread_out({name: y.at(points[-1][1]) + 4 for name, points in series.items()})
    texts = [
        element("text", _short(name), x=WIDTH - RIGHT + 6, y=round(row, 1), class_=f"name t{colours[name] % 8}")
        for name, row in rows.items()
    ]
    told = "; ".join(f"{name}: {_number(points[0][1])} to {_number(points[-1][1])}" for name, points in series.items())
    return _drawing(title, f"{y.label} against {x.label}. {told}.", x, y, [*drawn, *texts], room=ROOM)


def _short(name: str) -> str:
    """As much of a name as there is room for; all of it is in the drawing's description."""
    most = int((ROOM + RIGHT - 6) / LETTER)
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _path(points: Sequence[Point], x: Axis, y: Axis, kind: str, steps: bool) -> Markup:
    places = [(x.at(a), y.at(b)) for a, b in points]
    joint = (lambda a, b: f"H{a}V{b}") if steps else (lambda a, b: f"L{a} {b}")
    return element("path", d=f"M{places[0][0]} {places[0][1]}" + "".join(joint(a, b) for a, b in places[1:]), class_=kind)


def _spread_out(wanted: Mapping[str, float]) -> dict[str, float]:
    """Rows of text near the wanted ones that leave each other room: pushed down, and up again where that ends below the plot."""
    names = sorted(wanted, key=lambda name: (wanted[name], name))
    rows = [wanted[name] for name in names]
    for i in range(1, len(rows)):
        rows[i] = max(rows[i], rows[i - 1] + LINE)
    limit = HEIGHT - BOTTOM + 4
    for i in reversed(range(len(rows))):
        rows[i] = min(rows[i], limit)
        limit = rows[i] - LINE
    return dict(zip(names, rows, strict=True))


def _drawing(title: str, told: str, x: Axis, y: Axis, content: Sequence[Markup], room: int = 0) -> Markup:
    grid = []
    for tick in x.ticks():
        grid.append(element("line", x1=x.at(tick), x2=x.at(tick), y1=TOP, y2=HEIGHT - BOTTOM, class_="grid"))
        grid.append(element("text", _number(tick), x=x.at(tick), y=HEIGHT - BOTTOM + 16, class_="tick", text_anchor="middle"))
    for tick in y.ticks():
        grid.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y.at(tick), y2=y.at(tick), class_="grid"))
        grid.append(element("text", _number(tick), x=LEFT - 7, y=y.at(tick) + 4, class_="tick", text_anchor="end"))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    words = [
        element("text", x.label, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 8, class_="axis", text_anchor="middle"),
        element("text", y.label, x=13, y=middle, class_="axis", text_anchor="middle", transform=f"rotate(-90 13 {middle})"),
    ]
    box = f"0 0 {WIDTH + room} {HEIGHT}"
    return element("svg", element("title", title), element("desc", told), grid, content, words, viewBox=box, role="img")


def _number(value: float) -> str:
    """Three digits; thousands and millions by their letters."""
    value = float(f"{value:.3g}")
    for letter, size in (("M", 1e6), ("k", 1e3)):
        if size <= value < 1e9:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"
