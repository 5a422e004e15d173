"""HTML and SVG from values: what is not markup is escaped, whoever wrote it."""

from html import escape

from opbench.config import printable

VOID = {"meta", "input"}  # have no end tag


class Markup(str):
    """Text that is markup already; only `element` and `raw` make it."""

    __slots__ = ()


def raw(text: str) -> Markup:
    """Text of our own files, never of a record."""
    return Markup(text)


def element(name: str, /, *children, **attributes: str | int | float | bool | None) -> Markup:
    """<name ...>children</name>. An attribute that is None or False is left out; one that is True has no value; `class_` is class."""
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{_text(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    inner = "".join(map(_child, children))
    return Markup(f"<{name}{written}>" if name in VOID else f"<{name}{written}>{inner}</{name}>")


def _child(child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, str):
        return _text(child)
    return "".join(map(_child, child))


def _text(value: object) -> str:
    return escape(printable(str(value)))
