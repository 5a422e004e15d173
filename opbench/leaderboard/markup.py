"""HTML and SVG from values: what is not markup is escaped, whoever wrote it."""

import hashlib
from base64 import b64encode
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


def document(title: str, body: Markup, style: Markup, script: Markup | None = None, images: bool = False) -> str:
    """A page whose head forbids all but its own style and script; images: and but those that are written into it."""
    sources = {"default-src": "'none'", "style-src": f"'{_sum(style)}'"}
    sources |= {} if script is None else {"script-src": f"'{_sum(script)}'"}
    sources |= {"img-src": "data:"} if images else {}
    policy = "; ".join(f"{kind} {source}" for kind, source in {**sources, "base-uri": "'none'", "form-action": "'none'"}.items())
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        element("style", style),
    )
    return f"<!doctype html>\n{element('html', head, body, None if script is None else element('script', script), lang='en')}\n"


def _sum(content: str) -> str:
    """As a content security policy names an inline style or script."""
    return f"sha256-{b64encode(hashlib.sha256(content.encode()).digest()).decode()}"


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
