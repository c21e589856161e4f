# SPDX-License-Identifier: GPL-2.0-or-later
"""What a page says of costs: figures, pictures, and where they have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksuite.measure.verdict import SEVERITY, Verdict
from ksuite.report.cost_tables import small
from ksuite.report.html_charts import against_limit, bar
from ksuite.report.html_element import clip, element
from ksuite.report.html_parts import badge, section, several, table
from ksuite.report.terminal import changed_most

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ksuite.measure.attribution import Attribution, FunctionCost
    from ksuite.measure.cost import Cost
    from ksuite.measure.result import CheckResult, NamedComparison, NamedCost
    from ksuite.report.html_element import Markup

REASON_SHOWN = 400
FUNCTION_SHOWN = 60
ORDER = {verdict: place for place, verdict in enumerate((*SEVERITY[:4], Verdict.IMPROVED))}
"""Which costs come first; all others are as they should be."""


def costs(result: CheckResult) -> Markup | None:
    """Return the section of costs; None where there are none."""
    if not result.comparisons and not result.measured:
        return None
    return section(
        "costs",
        "Costs",
        _compared(result.comparisons) if result.comparisons else None,
        _measured(result.measured) if result.measured else None,
    )


def attributions(result: CheckResult) -> Markup | None:
    """Return the section of where costs have changed; None where that is not known."""
    ordered = worst_first(result.comparisons)
    told = [named for named in ordered if named.attribution or named.note]
    parts = [_attribution(named, is_open=named is told[0]) for named in told]
    return section("functions", "Where costs changed", *parts) if parts else None


def worst_first(comparisons: Sequence[NamedComparison]) -> list[NamedComparison]:
    """Return costs such that what matters stands above."""
    return sorted(comparisons, key=lambda named: ORDER.get(named.comparison.verdict, len(ORDER)))


def _compared(comparisons: Sequence[NamedComparison]) -> Markup:
    stored = next((named.baseline for named in comparisons if named.baseline), "")
    clock = _clock([named.comparison.candidate for named in comparisons])
    words = f"On the {clock} clock; less is better. " if clock else "Less is better. "
    if stored:
        words += f"The stored baseline {clip(stored)} stands for the base. "
    left = "baseline" if stored else "base"
    heading = ("cost", "verdict", "change", "against the limit", left, "candidate", "limit")
    rows = [row for named in worst_first(comparisons) for row in _rows(named, tell_clock=not clock)]
    return element(
        "div",
        element("p", words, *_legend(), class_="soft legend"),
        table((*heading, "repeats"), rows, "Costs of the base and of the candidate", kind="costs"),
    )


def _legend() -> tuple[Markup, ...]:
    """Return what the pictures' marks are, in the order in which they are looked for."""
    marks = (
        ("hollow", "base"),
        ("plain", "candidate"),
        ("slower", "slower than the limit allows"),
        ("faster", "faster by more than that"),
        ("within", "the limit, either way"),
        ("hatched", "not comparable"),
    )
    return tuple(
        element("span", element("i", class_=f"key {kind}", aria_hidden="true"), words)
        for kind, words in marks
    )


def _rows(named: NamedComparison, *, tell_clock: bool) -> list[Markup]:
    comparison = named.comparison
    base, candidate = comparison.base, comparison.candidate
    judged = bool(comparison.threshold)
    cells = (
        element(
            "th",
            element("b", clip(named.name)),
            _counted(candidate, tell_clock=tell_clock),
            scope="row",
        ),
        element("td", badge(comparison.verdict)),
        element(
            "td",
            element("b", f"{comparison.change:+.2%}" if judged else "-"),
            element("small", small(comparison.difference)) if judged else None,
            class_="figure",
        ),
        element("td", against_limit(clip(named.name), comparison), class_="picture"),
        element("td", f"{base.median:,.1f}", class_="figure"),
        element("td", f"{candidate.median:,.1f}", class_="figure"),
        element("td", f"{comparison.threshold:.2%}" if judged else "-", class_="figure"),
        element("td", *_both_repeat(base, candidate)),
    )
    if not comparison.reason:
        return [element("tr", *cells)]
    why = element("div", clip(comparison.reason, REASON_SHOWN), class_="reason")
    below = element("tr", element("td", why, colspan=len(cells)), class_="why")
    return [element("tr", *cells, class_="has-why"), below]


def _clock(every: Sequence[Cost]) -> str:
    """Return the clock of all costs; empty where they have several."""
    clocks = {str(cost.fingerprint.clock) for cost in every}
    return clocks.pop() if len(clocks) == 1 else ""


def _counted(cost: Cost, *, tell_clock: bool = True) -> Markup:
    clock = f", {cost.fingerprint.clock} clock" if tell_clock else ""
    return element("small", f"{cost.unit}{clock}")


def _both_repeat(base: Cost, candidate: Cost) -> list[str]:
    """Return how repeatable two costs are, once where it is the same of both."""
    before, after = repeats(base), repeats(candidate)
    if before == after:
        return [before]
    return [element("span", f"base {before}", class_="one"), element("span", f"candidate {after}")]


def repeats(cost: Cost) -> str:
    """Return how repeatable a cost is, and over how many guests."""
    spread = f"{cost.spread:.3%}" if cost.spread else "exact"
    if cost.fingerprint.restored:
        over = several(len(cost.windows), "guest")
    elif cost.guests > 1:
        over = f"{several(len(cost.windows), 'window')} of {several(cost.guests, 'guest')}"
    else:
        over = several(len(cost.windows), "window")
    return f"{spread} over {over}{', recalled' if cost.recalled else ''}"


def _measured(measured: Sequence[NamedCost]) -> Markup:
    rows = [
        element(
            "tr",
            element("th", element("b", clip(one.name)), _counted(one.cost), scope="row"),
            element("td", f"{one.cost.median:,.1f}", class_="figure"),
            element("td", repeats(one.cost)),
        )
        for one in measured
    ]
    return element(
        "div",
        element("h3", "Only measured"),
        table(("cost", "candidate", "repeats"), rows, "Costs that were compared with nothing"),
    )


def _attribution(named: NamedComparison, *, is_open: bool) -> Markup:
    verdict = named.comparison.verdict
    difference = f"{small(named.comparison.difference)} {named.comparison.candidate.unit}"
    summary = element("summary", badge(verdict), element("b", clip(named.name)), f" {difference}")
    body = _functions(named.attribution) if named.attribution else None
    note = element("p", clip(named.note, REASON_SHOWN)) if named.note else None
    return element("details", summary, note, body, open=is_open)


def _functions(total: Attribution) -> Markup:
    shown = changed_most(total)
    largest = max((abs(one.difference) for one in shown), default=0.0) or 1.0
    rows = [_function(one, total, largest) for one in shown]
    base = total.base - sum(one.base for one in shown)
    candidate = total.candidate - sum(one.candidate for one in shown)
    others = several(len(total.functions) - len(shown), "other")
    rows.append(_sum(others, base, candidate, total))
    rows.append(_sum("all that was counted", total.base, total.candidate, total))
    heading = ("function", "base", "candidate", "change", "", "share")
    return table(heading, rows, "Instructions by function")


def _function(one: FunctionCost, total: Attribution, largest: float) -> Markup:
    where = element("small", clip(one.module, FUNCTION_SHOWN), class_="beside")
    name = element("th", element("code", clip(one.function, FUNCTION_SHOWN)), where, scope="row")
    picture = element("td", bar(one.difference / largest))
    share = _share(one.base, one.candidate, total)
    return element("tr", name, *_figures(one.base, one.candidate), picture, share)


def _sum(what: str, base: float, candidate: float, total: Attribution) -> Markup:
    name = element("th", what, scope="row")
    share = _share(base, candidate, total)
    return element("tr", name, *_figures(base, candidate), element("td"), share, class_="sum")


def _figures(base: float, candidate: float) -> tuple[Markup, ...]:
    texts = (f"{base:,.1f}", f"{candidate:,.1f}", f"{candidate - base:+,.1f}")
    return tuple(element("td", text, class_="figure") for text in texts)


def _share(base: float, candidate: float, total: Attribution) -> Markup:
    """Return which part of the cost it was, and is."""
    was = base / total.base if total.base else 0.0
    now = candidate / total.candidate if total.candidate else 0.0
    return element("td", f"{was:.1%} → {now:.1%}", class_="figure")
