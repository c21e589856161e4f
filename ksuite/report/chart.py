# SPDX-License-Identifier: GPL-2.0-or-later
"""The costs of a result file side by side: as a table, and as a picture (SVG).

A cost's name says where it goes: ``pvp_tc_100_flows 64 B`` is the bar ``tc`` of the group ``64 B,
100 flows`` in the panel ``pvp``. Nothing in a file is trusted: whoever wrote it must not be able to
put anything but text into the picture.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ksuite.errors import NothingToCompare, UserError
from ksuite.machines.console import printable
from ksuite.measure.cost import UNITS
from ksuite.report import json_file

if TYPE_CHECKING:
    from pathlib import Path

    from ksuite.measure.cost import Cost
    from ksuite.measure.result import Subject

SHOWN = 60
"""Characters of a text from a file."""

WIDTH, MARGIN = 720, 24
LABELS = 130
"""Where bars begin: wide enough for the name of one."""
VALUES = 110
"""What is kept free behind the longest bar."""
BAR, ROW, HEADING, PANEL = 26, 32, 46, 70
TITLE_SIZE, HEADING_SIZE, TEXT_SIZE, NOTE_SIZE = 30, 22, 20, 17
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
"""Okabe and Ito's, which the colour-blind tell apart; the labels do without colours."""
INK, SOFT = "#1a1a1a", "#555555"


@dataclass(frozen=True)
class Bar:
    """One cost of the candidate, and its place."""

    panel: str
    group: str
    name: str
    value: float
    order: tuple[tuple[tuple[int, int | str], ...], ...]


@dataclass(frozen=True)
class Chart:
    """What is drawn.

    :param note: what the numbers are.
    :param about: what was judged, and on which kernel.
    """

    note: str
    about: tuple[str, ...]
    bars: tuple[Bar, ...]

    @property
    def panels(self) -> list[str]:
        """The panels in order."""
        return list(dict.fromkeys(bar.panel for bar in self.bars))

    def groups(self, panel: str) -> dict[str, list[Bar]]:
        """Return the bars of a panel by group, in order."""
        groups: dict[str, list[Bar]] = {}
        for bar in self.bars:
            if bar.panel == panel:
                groups.setdefault(bar.group, []).append(bar)
        return groups

    def names(self, panel: str) -> list[str]:
        """Return the names of a panel's bars in order."""
        return sorted({bar.name for bar in self.bars if bar.panel == panel}, key=natural)


def read_chart(path: Path) -> Chart:
    """Return the costs of a candidate that ``--json`` wrote.

    :raises UserError: it is no result, or one of a later ksuite.
    :raises NothingToCompare: it holds no costs.
    """
    result = json_file.read(path)
    costs = [(named.name, named.comparison.candidate) for named in result.comparisons]
    costs += [(named.name, named.cost) for named in result.measured]
    if not costs:
        raise NothingToCompare(f"{path} holds no costs: was the run for one scenario only?")
    for name, cost in costs:
        if not cost.windows or not all(0 < one < math.inf for one in cost.windows):
            raise UserError(f"{path} is no result: {_short(name)} has windows that are no costs")
    units = {cost.unit for _, cost in costs}
    clocks = {cost.fingerprint.clock for _, cost in costs}
    if len(clocks) != 1:
        raise UserError(f"{path} has costs of several clocks, which don't go into one chart")
    bars = [_bar(name, cost, tell_unit=len(units) > 1) for name, cost in costs]
    clock = clocks.pop()
    unit = units.pop() if len(units) == 1 else UNITS[clock]
    note = f"{unit} on the {clock} clock: less is better"
    return Chart(note, _about(result.subject), tuple(sorted(bars, key=lambda bar: bar.order)))


def _bar(name: str, cost: Cost, *, tell_unit: bool) -> Bar:
    scenario, _, size = _short(name).partition(" ")
    panel, name, case = (*scenario.split("_", 2), "", "")[:3]
    if tell_unit:
        panel = f"{panel}, {cost.unit}"
    case = re.sub(r"\d{5,}", lambda number: f"{int(number[0]):,}", case.replace("_", " "))
    group = ", ".join(filter(None, (size, case)))
    order = (natural(panel), natural(case), natural(size))
    return Bar(panel, group, name, cost.median, order)


def _about(subject: Subject | None) -> tuple[str, ...]:
    if subject is None:
        return ()
    kernel = f"kernel {subject.kernel} ({subject.kernel_version})"
    return (_short(f"candidate: {subject.series}"), _short(kernel))


def _short(text: str) -> str:
    text = printable(text).replace("\n", " ").replace("\t", " ")
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def natural(text: str) -> tuple[tuple[int, int | str], ...]:
    """Return what sorts 64 before 1500, and no number at all before any."""
    words = re.findall(r"[0-9]+|[^0-9]+", text.replace(",", ""))
    return tuple(
        (0, int(word)) if word.isascii() and word.isdigit() else (1, word) for word in words
    )


def as_table(chart: Chart, *, width: int = 100) -> str:
    """Return the costs as text: a row a group, a column a name."""
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        for panel in chart.panels:
            names = chart.names(panel)
            table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
            table.add_column(Text(panel), no_wrap=True)
            for name in names:
                table.add_column(Text(name), justify="right", no_wrap=True)
            for group, bars in chart.groups(panel).items():
                values = {bar.name: f"{bar.value:,.1f}" for bar in bars}
                table.add_row(Text(group), *(values.get(name, "-") for name in names))
            console.print(table)
        console.print(Text("\n".join((chart.note, *chart.about))))
    return capture.get()


def as_svg(chart: Chart) -> str:
    """Return the costs as a picture."""
    parts: list[str] = []
    y = MARGIN + TITLE_SIZE
    title = "What a packet costs"
    title += f": {chart.panels[0]}" if len(chart.panels) == 1 else ""
    parts.append(text(MARGIN, y, title, TITLE_SIZE, weight="bold"))
    for line in (chart.note, *chart.about):
        y += NOTE_SIZE + 8
        parts.append(text(MARGIN, y, line, NOTE_SIZE, colour=SOFT))
    for panel in chart.panels:
        if len(chart.panels) > 1:
            y += PANEL
            parts.append(text(MARGIN, y, panel, TITLE_SIZE, weight="bold"))
        y = _panel(chart, panel, y, parts)
    height = y + MARGIN
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
    head += f'width="{WIDTH}" height="{height}" font-family="Helvetica, Arial, sans-serif">'
    ground = f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
    return "\n".join((head, f"<title>{escape(chart.note)}</title>", ground, *parts, "</svg>\n"))


def _panel(chart: Chart, panel: str, y: int, parts: list[str]) -> int:
    """Draw a panel below y, and return where it ends."""
    groups = chart.groups(panel)
    most = max(bar.value for bars in groups.values() for bar in bars)
    colours = dict(zip(chart.names(panel), COLOURS * len(chart.bars), strict=False))
    for group, bars in groups.items():
        y += HEADING
        parts.append(text(MARGIN, y, group, HEADING_SIZE, weight="bold"))
        y += ROW - BAR
        for bar in sorted(bars, key=lambda bar: natural(bar.name)):
            parts.extend(_row(bar, y, bar.value / most, colours[bar.name]))
            y += ROW
    return y


def _row(bar: Bar, y: int, share: float, colour: str) -> list[str]:
    """Draw a bar: its name, its length and its value."""
    left = MARGIN + LABELS
    length = max(1.0, share * (WIDTH - left - VALUES - MARGIN))
    base = y + BAR - 6
    return [
        text(left - 12, base, bar.name, TEXT_SIZE, anchor="end"),
        f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{colour}"/>',
        text(left + length + 8, base, f"{bar.value:,.0f}", TEXT_SIZE),
    ]


def text(
    x: float,
    y: int,
    text: str,
    size: int,
    *,
    colour: str = INK,
    weight: str = "normal",
    anchor: str = "start",
) -> str:
    """Return a text at a place, as it is: nothing in it is markup."""
    where = f'x="{x:.1f}" y="{y}" font-size="{size}" fill="{colour}"'
    return f'<text {where} font-weight="{weight}" text-anchor="{anchor}">{escape(text)}</text>'
