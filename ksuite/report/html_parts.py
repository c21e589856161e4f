# SPDX-License-Identifier: GPL-2.0-or-later
"""What all sections of a page are made of: badges, tables, excerpts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksuite.measure.verdict import Verdict
from ksuite.report.html_element import element

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ksuite.report.html_element import Markup

TONES = {
    Verdict.PASS: "good",
    Verdict.IMPROVED: "good",
    Verdict.FLAKY: "unsure",
    Verdict.FAIL: "bad",
    Verdict.REGRESSION: "bad",
    Verdict.ERROR: "ours",
    Verdict.INCOMPARABLE: "unsure",
    Verdict.SKIP: "left",
}
"""The class of a verdict's colour; its word always stands beside it."""
FIGURES = frozenset({"base", "candidate", "change", "limit", "costs", "share", "baseline"})
"""Headings of columns that are read from the right."""
LONGEST_COMMAND = 2000
"""Characters; half a command is none."""


def badge(verdict: Verdict | None) -> Markup:
    """Return a verdict in its colour."""
    if verdict is None:
        return element("span", "-", class_="verdict left")
    return element("span", verdict.value, class_=f"verdict {TONES[verdict]}")


def section(name: str, title: str, *parts: str | None) -> Markup:
    """Return a part of the page with a heading, which links lead to."""
    heading = element("h2", title, id=f"{name}-title")
    return element("section", heading, *parts, id=name, aria_labelledby=f"{name}-title")


def table(
    heading: Sequence[str], rows: Iterable[Markup], caption: str, *bodies: Markup, kind: str = ""
) -> Markup:
    """Return a table that scrolls sideways by itself where the page is too narrow for it.

    :param rows: of its only body.
    :param bodies: instead of rows, where it has several.
    :param caption: what it is, for those who don't see it.
    """
    columns = [
        element("th", name, scope="col", class_="figure" if name in FIGURES else None)
        for name in heading
    ]
    whole = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", *columns)),
        *(bodies or (element("tbody", *rows),)),
        class_=kind or None,
    )
    # It takes the keyboard, too: what scrolls has to be reached without a mouse.
    return element("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption)


def excerpt(text: str, lines: int, characters: int) -> Markup:
    """Return the beginning of a text as it is, and how much more of it the JSON has."""
    shown = "\n".join(text[:characters].split("\n")[:lines])
    # What has to be escaped, or is no ASCII, takes several bytes each.
    size = len(element("pre", shown).encode())
    shown = shown[: characters * characters // max(characters, size)]
    left = len(text) - len(shown)
    told = f"\n[… {left:,} more characters: the JSON of this run has them all]" if left else ""
    return element("pre", shown, element("span", told, class_="cut") if told else None)


def command(words: str) -> Markup:
    """Return a command to type."""
    if len(words) > LONGEST_COMMAND:
        return element("p", "A command too long for this page; the JSON has it.", class_="soft")
    return element("pre", element("code", words), class_="command")


def several(number: int, what: str) -> str:
    """Return a number of things."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
