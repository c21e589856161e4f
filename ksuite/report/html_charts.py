# SPDX-License-Identifier: GPL-2.0-or-later
"""The pictures of a page (SVG): a cost against its limit, and a cost over the stored runs.

Colours are the style sheet's, by class, so that they follow light, dark and print. No picture says
anything by its colour alone: what is slower points to the right, what is faster to the left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ksuite.measure.cost import Cost
from ksuite.measure.verdict import Verdict
from ksuite.report.html_element import Markup, clip, element, joined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ksuite.measure.verdict import Comparison

HATCH = "hatch"
"""The pattern of what can't be compared; `patterns` has it."""

WIDTH, HEIGHT = 210, 40
SIDE = 8
"""What is kept free on the left and on the right."""
BASE_LANE, CANDIDATE_LANE, FLOOR = 9, 22, 30
WIDER = 2.5
"""Limits that are shown on either side, so that those of most costs stand one below the other."""
ROOM = 1.15
"""The same where something lies further out, in terms of that."""
BAR_WIDTH = 90
REASON_SHOWN = 200

LINE_WIDTH, LINE_HEIGHT = 320, 118
LEFT, RIGHT, TOP, BOTTOM = 54, 10, 10, 34
HOLLOW_LANE = LINE_HEIGHT - 22
"""Where runs are that can't be compared: what they cost has no place on the scale."""
FLATTEST = 0.002
"""Of a cost, that the scale spans at least: less would make a drama of nothing."""


@dataclass(frozen=True)
class Run:
    """What one run says of a cost.

    :param when: it began, as it is told.
    :param base: None where it was compared with nothing that this chart may show.
    :param unlike: why it can't be compared with the run that is judged; empty where it can.
    """

    when: str
    cost: Cost
    base: Cost | None
    verdict: Verdict | None
    unlike: str = ""


def patterns() -> Markup:
    """Return what pictures refer to; it has to be on the page once, and takes no room."""
    line = element("path", d="M0 6L6 0M-1 1L1-1M5 7L7 5", class_="hatching")
    pattern = element("pattern", line, id=HATCH, width=6, height=6, patternUnits="userSpaceOnUse")
    return element(
        "svg", element("defs", pattern), class_="patterns", width=0, height=0, aria_hidden="true"
    )


def against_limit(name: str, comparison: Comparison) -> Markup:
    """Return how a cost has changed, in terms of what may change."""
    told = _told(name, comparison)
    if not comparison.threshold:
        return _picture(told, (WIDTH, HEIGHT), "strip", *_no_comparison("not comparable"))
    base, candidate = (_ends(cost, comparison.base.median) for cost in _both(comparison))
    furthest = max(map(abs, (*base, *candidate)))
    scale = _Across(max(comparison.threshold * WIDER, furthest * ROOM))
    tone = _tone(comparison.verdict)
    band = max(1.0, scale.length(comparison.threshold))
    parts = [
        _box(scale.x(0) - band, 1, 2 * band, FLOOR - 1, "band"),
        _line(SIDE, FLOOR, WIDTH - SIDE, FLOOR, "axis"),
        _line(scale.x(0), 1, scale.x(0), FLOOR, "zero"),
        _line(
            scale.x(0), CANDIDATE_LANE, scale.x(comparison.change), CANDIDATE_LANE, f"step {tone}"
        ),
        _whisker(scale, base, BASE_LANE, "base"),
        _whisker(scale, candidate, CANDIDATE_LANE, tone),
        element("circle", class_="hollow base", cx=scale.x(0), cy=BASE_LANE, r=3),
        _mark(scale.x(comparison.change), CANDIDATE_LANE, comparison.verdict),
        _label(SIDE, HEIGHT - 1, f"-{_about(scale.most)}", "start"),
        _label(WIDTH - SIDE, HEIGHT - 1, f"+{_about(scale.most)}", "end"),
    ]
    if comparison.verdict is Verdict.INCOMPARABLE:
        parts.insert(0, _hatched(SIDE, 1, WIDTH - 2 * SIDE, FLOOR - 1))
    return _picture(told, (WIDTH, HEIGHT), "strip", *parts)


def bar(share: float) -> Markup:
    """Return a bar from the middle, to the right where something was added.

    :param share: of the longest bar, from -1 to 1.
    """
    middle = BAR_WIDTH / 2
    length = abs(share) * middle
    tone = "bad" if share > 0 else "good"
    box = _box(middle - (length if share < 0 else 0), 2, max(0.5, length), 8, f"bar {tone}")
    return element(
        "svg",
        _line(middle, 0, middle, 12, "axis"),
        box,
        class_="share",
        viewBox=f"0 0 {BAR_WIDTH} 12",
        width=BAR_WIDTH,
        height=12,
        aria_hidden="true",
    )


def over_runs(name: str, runs: Sequence[Run], limit: Comparison | None) -> Markup:
    """Return a cost over runs, the last of which is judged.

    :param limit: that run's comparison; None where there is none to draw the limit of.
    """
    alike = [run for run in runs if not run.unlike]
    scale = _Up(alike, limit, len(runs))
    parts: list[Markup] = []
    if limit:
        low, high = (limit.base.median * (1 + side * limit.threshold) for side in (-1, 1))
        top = scale.y(high)
        parts.append(_box(LEFT, top, LINE_WIDTH - LEFT - RIGHT, scale.y(low) - top, "band"))
    for value in (scale.high, scale.low):
        parts.append(_line(LEFT, scale.y(value), LINE_WIDTH - RIGHT, scale.y(value), "axis"))
        parts.append(_label(LEFT - 6, scale.y(value) + 3, f"{value:,.1f}", "end"))
    parts.append(_bases(scale, runs))
    parts += [_path(scale, runs)] if len(alike) > 1 else []
    parts += [_point(scale, number, run) for number, run in enumerate(runs)]
    parts.append(_label(LEFT, LINE_HEIGHT - 3, runs[0].when[:10], "start"))
    parts.append(_label(LINE_WIDTH - RIGHT, LINE_HEIGHT - 3, runs[-1].when[:10], "end"))
    return _picture(_history_told(name, runs), (LINE_WIDTH, LINE_HEIGHT), "line", *parts)


class _Across:
    """Where relative changes are, from the left to the right."""

    def __init__(self, most: float) -> None:
        self.most = most

    def length(self, change: float) -> float:
        return change / self.most * (WIDTH / 2 - SIDE)

    def x(self, change: float) -> float:
        return WIDTH / 2 + self.length(change)


class _Up:
    """Where runs are from the left to the right, and costs from the bottom up."""

    def __init__(self, alike: Sequence[Run], limit: Comparison | None, runs: int) -> None:
        values = [value for run in alike for value in run.cost.windows]
        values += [run.base.median for run in alike if run.base]
        if limit:
            values += [limit.base.median * (1 + side * limit.threshold) for side in (-1, 1)]
        low, high = min(values), max(values)
        room = max((high - low) * 0.06, high * FLATTEST / 2 - (high - low) / 2)
        self.low, self.high = low - room, high + room
        self._step = (LINE_WIDTH - LEFT - RIGHT - 12) / max(1, runs - 1)
        self._last = runs - 1

    def x(self, number: int) -> float:
        # The last run is at the right, however few there are.
        return LINE_WIDTH - RIGHT - 6 - (self._last - number) * self._step

    def y(self, cost: float) -> float:
        share = (cost - self.low) / (self.high - self.low)
        return LINE_HEIGHT - BOTTOM - share * (LINE_HEIGHT - TOP - BOTTOM)


def _both(comparison: Comparison) -> tuple[Cost, Cost]:
    return comparison.base, comparison.candidate


def _about(share: float) -> str:
    """Return a share with as many digits as the end of a scale needs."""
    digits = 2 - (share >= 0.01) - (share >= 0.1)
    return f"{share:.{digits}%}"


def _ends(cost: Cost, level: float) -> tuple[float, float]:
    """Return the outermost windows as changes of a level."""
    return min(cost.windows) / level - 1, max(cost.windows) / level - 1


def _tone(verdict: Verdict | None) -> str:
    """Return the class of a cost's colour."""
    if verdict is Verdict.REGRESSION:
        return "bad"
    if verdict is Verdict.IMPROVED:
        return "good"
    return "unsure" if verdict is Verdict.INCOMPARABLE else "plain"


def _told(name: str, comparison: Comparison) -> str:
    reason = clip(comparison.reason, REASON_SHOWN)
    if not comparison.threshold:
        return f"{name}: {comparison.verdict}, {reason}"
    figures = f"{comparison.base.median:,.1f} to {comparison.candidate.median:,.1f}"
    figures += f" {comparison.base.unit}, {comparison.change:+.2%}"
    told = f"{name}: {comparison.verdict}, {figures}, limit {comparison.threshold:.2%}"
    return f"{told}; {reason}" if reason else told


def _history_told(name: str, runs: Sequence[Run]) -> str:
    alike = [run.cost.median for run in runs if not run.unlike]
    figures = f"{alike[0]:,.1f} to {alike[-1]:,.1f} {runs[-1].cost.unit}"
    told = f"{name} over {len(runs)} runs: {figures}, "
    told += f"least {min(alike):,.1f}, most {max(alike):,.1f}"
    others = len(runs) - len(alike)
    return f"{told}; {others} not comparable with the last" if others else told


def _picture(told: str, size: tuple[int, int], kind: str, *parts: Markup) -> Markup:
    width, height = size
    return element(
        "svg",
        element("title", told),
        *parts,
        class_=kind,
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        aria_label=told,
    )


def _no_comparison(words: str) -> list[Markup]:
    text = element(
        "text", words, class_="said", x=WIDTH / 2, y=HEIGHT / 2 + 4, text_anchor="middle"
    )
    back = _box(WIDTH / 2 - 48, HEIGHT / 2 - 9, 96, 18, "ground")
    return [_hatched(SIDE, 4, WIDTH - 2 * SIDE, HEIGHT - 8), back, text]


def _hatched(x: float, y: float, width: float, height: float) -> Markup:
    return element(
        "rect",
        class_="outline",
        x=float(x),
        y=float(y),
        width=float(width),
        height=float(height),
        fill=f"url(#{HATCH})",
    )


def _box(x: float, y: float, width: float, height: float, kind: str) -> Markup:
    return element(
        "rect",
        class_=kind,
        x=float(x),
        y=float(y),
        width=float(width),
        height=float(height),
    )


def _line(x: float, y: float, to_x: float, to_y: float, kind: str) -> Markup:
    return element("line", class_=kind, x1=float(x), y1=float(y), x2=float(to_x), y2=float(to_y))


def _label(x: float, y: float, words: str, anchor: str) -> Markup:
    return element("text", words, x=float(x), y=float(y), text_anchor=anchor)


def _whisker(scale: _Across, ends: tuple[float, float], y: int, tone: str) -> Markup:
    """Return all windows of a cost as a line with an end on either side."""
    low, high = map(scale.x, ends)
    if high - low < 1:
        return joined(())
    path = f"M{low:.1f} {y}H{high:.1f}M{low:.1f} {y - 3}v6M{high:.1f} {y - 3}v6"
    return element("path", class_=f"whisker {tone}", d=path)


def _mark(x: float, y: float, verdict: Verdict | None, size: float = 4.0) -> Markup:
    """Return a cost's mark: its form says as much as its colour."""
    tone = _tone(verdict)
    if tone in {"plain", "unsure"}:
        return element("circle", class_=f"mark {tone}", cx=x, cy=float(y), r=size - 0.5)
    back = size if tone == "good" else -size
    path = f"M{x - back:.1f} {y:.1f}l{2 * back:.1f} {-size - 1:.1f}v{2 * size + 2:.1f}z"
    return element("path", class_=f"mark {tone}", d=path)


def _bases(scale: _Up, runs: Sequence[Run]) -> Markup:
    """Return what the base of each run cost, as short lines."""
    path = "".join(
        f"M{scale.x(number) - 4:.1f} {scale.y(run.base.median):.1f}h8"
        for number, run in enumerate(runs)
        if run.base and not run.unlike
    )
    return element("path", class_="bases", d=path) if path else joined(())


def _path(scale: _Up, runs: Sequence[Run]) -> Markup:
    """Return the line through runs; it has a gap where one can't be compared."""
    path, gap = "", True
    for number, run in enumerate(runs):
        if not run.unlike:
            place = f"{scale.x(number):.1f} {scale.y(run.cost.median):.1f}"
            path += f"{'M' if gap else 'L'}{place}"
        gap = bool(run.unlike)
    return element("path", class_="joined", d=path)


def _point(scale: _Up, number: int, run: Run) -> Markup:
    x = scale.x(number)
    told = f"{run.when}: {run.cost.median:,.1f} {run.cost.unit}"
    if run.unlike:
        title = element("title", f"{told}; not comparable: {run.unlike}")
        return element("circle", title, class_="hollow", cx=x, cy=float(HOLLOW_LANE), r=3)
    y = scale.y(run.cost.median)
    parts = [element("title", f"{told} {run.verdict or ''}".rstrip())]
    if run.cost.spread:
        low, high = scale.y(min(run.cost.windows)), scale.y(max(run.cost.windows))
        parts.append(_line(x, low, x, high, f"whisker {_tone(run.verdict)}"))
    return element("g", *parts, _mark(x, y, run.verdict, 3.0))
