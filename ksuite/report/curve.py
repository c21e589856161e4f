# SPDX-License-Identifier: GPL-2.0-or-later
"""The cost of each revision that a bisection has measured, as a picture (SVG)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from ksuite.machines.console import printable
from ksuite.report.chart import COLOURS, INK, NOTE_SIZE, SOFT, TITLE_SIZE, text

if TYPE_CHECKING:
    from ksuite.measure.finding import Finding, Seen

WIDTH, HEIGHT, MARGIN = 860, 480, 24
LEFT, RIGHT, TOP, BOTTOM = 110, 30, 120, 60
DOT = 5
GRID = 4
"""Lines across, beside the lowest."""
LABEL, ABOUT = 44, 84
"""Characters of a subject, and of what was searched."""
ROOM = 0.08
"""Of the range of costs, above and below."""
DOTS, LINE, MARKED = COLOURS[0], COLOURS[4], COLOURS[5]


def as_svg(finding: Finding) -> str:
    """Return the picture; one without a cost has none, and is empty."""
    points = [one for one in finding.seen if one.cost is not None]
    if not points:
        return ""
    points.sort(key=lambda one: finding.order.get(one.revision, -1))
    scale = _Scale(finding, points)
    clock = points[0].costs[0].fingerprint.clock
    note = f"{finding.unit} on the {clock} clock: less is better"
    parts = [
        text(MARGIN, MARGIN + 10, f"What {finding.what} costs", TITLE_SIZE - 4, weight="bold"),
        text(MARGIN, MARGIN + 36, note, NOTE_SIZE, colour=SOFT),
        text(MARGIN, MARGIN + 60, _short(finding.about, ABOUT), NOTE_SIZE, colour=SOFT),
        *_grid(scale),
        *_line(scale, points),
        *_marks(scale, finding),
        *(_dot(scale, one) for one in points),
        text(LEFT, HEIGHT - 18, "revisions, in the order of the history", NOTE_SIZE, colour=SOFT),
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
    head += f'width="{WIDTH}" height="{HEIGHT}" font-family="Helvetica, Arial, sans-serif">'
    ground = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
    return "\n".join((head, f"<title>{escape(note)}</title>", ground, *parts, "</svg>\n"))


class _Scale:
    """Where revisions and costs are in the picture."""

    def __init__(self, finding: Finding, points: list[Seen]) -> None:
        self._order = finding.order
        self._last = max(self._order.get(one.revision, -1) for one in points)
        costs = [one.cost or 0.0 for one in points]
        room = max((max(costs) - min(costs)) * ROOM, max(costs) * 1e-3)
        self.low, self.high = min(costs) - room, max(costs) + room

    def x(self, revision: str) -> float:
        share = (self._order.get(revision, -1) + 1) / max(1, self._last + 1)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, cost: float) -> float:
        share = (cost - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _grid(scale: _Scale) -> list[str]:
    parts = []
    for number in range(GRID + 1):
        cost = scale.low + (scale.high - scale.low) * number / GRID
        y = scale.y(cost)
        ends = f'x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"'
        parts.append(f'<line {ends} stroke="#dddddd"/>')
        parts.append(text(LEFT - 10, int(y) + 6, f"{cost:,.1f}", NOTE_SIZE, anchor="end"))
    return parts


def _line(scale: _Scale, points: list[Seen]) -> list[str]:
    """Return the steps between what was measured: what lies between is not known."""
    path = ""
    for number, one in enumerate(points):
        x, y = scale.x(one.revision), scale.y(one.cost or 0.0)
        path += f"H{x:.1f} V{y:.1f}" if number else f"M{x:.1f} {y:.1f}"
    return [f'<path d="{path}" fill="none" stroke="{LINE}" stroke-width="2"/>']


def _dot(scale: _Scale, one: Seen) -> str:
    x, y = scale.x(one.revision), scale.y(one.cost or 0.0)
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{DOT}" fill="{DOTS}"/>'


def _marks(scale: _Scale, finding: Finding) -> list[str]:
    """Return the steps that were found, each with its name."""
    parts = []
    for step in finding.steps[:3]:
        if step.before.cost is None or step.after.cost is None:
            continue
        x = scale.x(step.revision)
        ends = f'y1="{scale.y(step.before.cost):.1f}" y2="{scale.y(step.after.cost):.1f}"'
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" {ends} stroke="{MARKED}" stroke-width="4"/>')
        label = f"{step.revision[:12]} {step.difference:+,.1f}: {step.subject}"
        right = x > WIDTH / 2
        middle = (scale.y(step.before.cost) + scale.y(step.after.cost)) / 2
        place = (x - 10, "end") if right else (x + 10, "start")
        parts.append(
            text(
                place[0], int(middle), _short(label, LABEL), NOTE_SIZE, colour=INK, anchor=place[1]
            )
        )
    return parts


def _short(words: str, most: int) -> str:
    words = printable(words).replace("\n", " ")
    return words if len(words) <= most else f"{words[: most - 1]}…"
