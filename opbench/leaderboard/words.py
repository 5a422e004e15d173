"""Numbers as tables say them."""

from collections.abc import Iterator, Sequence

from opbench.config import printable
from opbench.statistics import summarize

METRIC = "relative_l2"  # that of the tables
LEAST_P = 1e-3  # below it a probability tells no more


def seconds(value: float) -> str:
    """Three digits, in the unit that suits."""
    value = float(f"{value:.3g}")
    size, unit = next(((size, unit) for size, unit in ((1.0, "s"), (1e-3, "ms")) if value >= size), (1e-6, "µs"))
    return f"{value / size:.3g} {unit}"


def rate(value: float) -> str:
    """Samples a second, three digits."""
    return f"{plain(value, 3)}/s"


def plain(value: float, digits: int) -> str:
    """So many digits, without an exponent where the number is large."""
    return f"{float(f'{value:.{digits}g}'):,.15g}"


def spread(found: Sequence[float]) -> str:
    """The standard deviation over seeds, from three on."""
    deviation = summarize(found).deviation
    return "" if deviation is None else f" ± {deviation:.1g}"


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines for a terminal, column below column."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ("  ".join(printable(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def probability(p: float) -> str:
    """Of a test, with the sign that stands before it."""
    return f"< {LEAST_P:g}" if p < LEAST_P else f"= {p:.1g}"
