"""Text and tables as Markdown."""

import re
from collections.abc import Iterable, Sequence

from opbench.config import printable

MARKS = re.compile(r"[\\|`*]|!(?=\[)|\](?=[\[(:])|^#")  # what makes Markdown of a text; an underscore within a word does not


def escaped(text: str) -> str:
    """Text that stays what it is: no end of a column, a row or a table, no link, picture, code or tag."""
    return MARKS.sub(r"\\\g<0>", printable(text)).replace("<", "&lt;")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table's lines; its cells are Markdown already."""
    return [f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows)]


def plain_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The same of cells that stay what they are."""
    return table([*map(escaped, heads)], [[*map(escaped, row)] for row in rows])
