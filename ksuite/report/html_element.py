# SPDX-License-Identifier: GPL-2.0-or-later
"""Elements of HTML and SVG: whatever is put into one is text, unless it was made here.

Results hold what guests and patches say, and nobody has to think of that where a page is put
together: a plain string is always escaped, and only `element` and `joined` make what is not.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ksuite.machines.console import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

VOID = frozenset({"link", "meta"})
"""Elements that hold nothing, and have no end."""
LOCAL = ("#", "data:,")
"""What an address may begin with: nothing is ever fetched."""
NAME_SHOWN = 100
"""Characters of a name that somebody else has chosen."""

Attribute = str | float | bool | None


class Markup(str):
    """A text that is markup; whatever is added to it makes it a plain text, to be escaped."""

    __slots__ = ()


def element(tag: str, *children: str | None, **attributes: Attribute) -> Markup:
    """Return an element.

    :param children: what is in it; None is nothing.
    :param attributes: ``class_`` is class, and ``aria_label`` is aria-label; one that is None or
        False is left out, and one that is True has no value.
    :raises ValueError: it would run something, or fetch something.
    """
    said = "".join(_attribute(name, value) for name, value in attributes.items())
    if tag in VOID:
        return Markup(f"<{tag}{said}>")
    return Markup(f"<{tag}{said}>{joined(children)}</{tag}>")


def joined(children: Iterable[str | None]) -> Markup:
    """Return several children, one after the other."""
    return Markup("".join(_safe(child) for child in children if child is not None))


def style_sheet(rules: str) -> Markup:
    """Return our own style sheet, in which nothing is escaped."""
    if "<" in rules:
        raise ValueError("a style sheet ends where there is markup in it")
    return Markup(f"<style>{rules}</style>")


def clip(text: str, most: int = NAME_SHOWN) -> str:
    """Return the beginning of a text as one line."""
    line = " ".join(text[: most * 8].split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def clean(text: str) -> str:
    """Return a text without what drives a terminal, or turns the direction of others around."""
    return text if text.isprintable() else printable(text)


def _safe(child: str) -> str:
    return child if isinstance(child, Markup) else escape(clean(child), quote=False)


def _attribute(name: str, value: Attribute) -> str:
    name = name.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    if isinstance(value, float):
        value = f"{value:.1f}".removesuffix(".0")
    text = clean(str(value))
    if name.startswith("on") or name in {"src", "style"}:
        raise ValueError(f"no element has {name} here")
    if name == "href" and not text.startswith(LOCAL):
        raise ValueError("an address leads out of the page")
    return f' {name}="{escape(text)}"'
