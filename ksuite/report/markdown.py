# SPDX-License-Identifier: GPL-2.0-or-later
"""Text that becomes part of Markdown, and is no markup itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FENCE = "```"
_TO_ESCAPE = re.compile(
    r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|(?<=/)/|/(?=/)|[^A-Za-z0-9_ .,:;'+=%()/-]"
)
"""All that Markdown may take for markup, even where HTML has begun."""


def line(cells: Sequence[str]) -> str:
    """Return a row of a table."""
    return row([plain(cell) for cell in cells])


def row(cells: Sequence[str]) -> str:
    """Return a row of a table whose cells are Markdown already."""
    return f"| {' | '.join(cells)} |"


def table(
    heading: Sequence[str], rows: Sequence[Sequence[str]], words: Sequence[str] = ()
) -> list[str]:
    """Return the lines of a table whose first column is text, and the others are figures.

    :param words: the headings of others that are text.
    """
    others = ["---" if one in words else "---:" for one in heading[1:]]
    return [line(heading), f"| {' | '.join(['---', *others])} |", *map(line, rows), ""]


def plain(text: str) -> str:
    """Return a text that is no markup."""
    escaped = "".join(f"\\{one}" if one in "\\`*_<>[]|#" else one for one in text)
    return escaped.replace("\n", " ")


def code(text: str) -> str:
    """Return a text as code on a line or in a cell; nobody is mentioned by it, either."""
    escaped = _TO_ESCAPE.sub(lambda found: f"&#{ord(found[0])};", text)
    return f"<code>{escaped}</code>"


def fenced(text: str, language: str = "") -> list[str]:
    """Return the lines of a text that is shown as it is."""
    runs = re.findall("`+", text)
    fence = max([FENCE, *(f"{run}`" for run in runs)], key=len)
    return [f"{fence}{language}", text.rstrip("\n"), fence, ""]
