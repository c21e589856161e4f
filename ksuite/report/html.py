# SPDX-License-Identifier: GPL-2.0-or-later
"""A check's result as one page of HTML, which needs nothing but itself.

The verdict comes first, then what to do about it, then all that it rests on. The page runs no
script and fetches nothing, and says so to the browser, too.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ksuite.errors import NothingToCompare
from ksuite.measure.result import BASE
from ksuite.measure.verdict import Verdict
from ksuite.report.again import again
from ksuite.report.cases import BAD, GOOD, title
from ksuite.report.html_charts import patterns
from ksuite.report.html_checks import (
    base_failures,
    checks,
    counted,
    counts,
    expected,
    failures,
)
from ksuite.report.html_costs import attributions, costs
from ksuite.report.html_element import Markup, clip, element, joined, style_sheet
from ksuite.report.html_environment import environment
from ksuite.report.html_history import began, history
from ksuite.report.html_parts import TONES, badge, command, excerpt, section, several
from ksuite.report.html_style import STYLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ksuite.measure.result import CheckResult, NamedComparison, TestOutcome

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)
WHY_SHOWN = 300
ERROR_LINES, ERROR_CHARACTERS = 120, 12_000
LINKS = {
    "failures": "Failures",
    "costs": "Costs",
    "history": "History",
    "functions": "Functions",
    "base": "Without the series",
    "checks": "Checks",
    "expected": "Expected",
    "environment": "Environment",
}


def render(results: Sequence[CheckResult]) -> str:
    """Return the page.

    :param results: the last one is judged; the others are earlier runs, for the costs' history.
    :raises NothingToCompare: there is none.
    """
    if not results:
        raise NothingToCompare("there is no result to make a page of")
    judged = results[-1]
    runs = [*sorted(results[:-1], key=lambda one: one.started), judged]
    parts = {
        "error": _said(judged),
        "failures": failures(judged),
        "costs": costs(judged),
        "history": history(runs),
        "functions": attributions(judged),
        "base": base_failures(judged),
        "checks": checks(judged),
        "expected": expected(judged),
        "environment": environment(judged),
    }
    body = element(
        "body",
        patterns(),
        _header(judged),
        _links(name for name, part in parts.items() if part is not None),
        element("main", *parts.values()),
        _footer(judged),
    )
    return f"<!DOCTYPE html>\n{element('html', _head(judged), body, lang='en')}\n"


def _head(result: CheckResult) -> Markup:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        # Without one, a browser asks the server for it.
        element("link", rel="icon", href="data:,"),
        element("title", f"{result.verdict.value}: {_what(result)}"),
        style_sheet(STYLE),
    )


def _what(result: CheckResult) -> str:
    return clip(result.subject.series, 160) if result.subject else "Nothing was judged"


def _header(result: CheckResult) -> Markup:
    subject = result.subject
    about = ["ksuite", began(result.started)] if result.started else ["ksuite"]
    about += [clip(subject.kernel, 60)] if subject else []
    words = _next(result)
    return element(
        "header",
        element("p", " · ".join(about), class_="about"),
        element("h1", badge(result.verdict), " ", element("span", _what(result))),
        element("p", _first(result), class_="first"),
        element("p", _call(result), class_="soft tight") if words else None,
        command(words) if words else None,
        _counts(result),
        class_=TONES[result.verdict],
    )


def _first(result: CheckResult) -> Markup:
    """Return a sentence: what failed first, and why; or that nothing did."""
    first = _decisive(result)
    if first is None:
        return joined((_one_line(result.error) or _all_well(result),))
    # What went wrong with the run itself is told beside, where it is not all there is.
    beside = f" The run: {_one_line(result.error)}" if result.error else ""
    for named in result.comparisons:
        if _is_of(first, named):
            return joined((_risen(named), beside))
    why = _one_line(first.detail).rstrip(".")
    why = f": {why}." if why else ", and no reason was given."
    return joined(("First: ", element("b", clip(title(first.test))), why, beside))


def _is_of(outcome: TestOutcome, named: NamedComparison) -> bool:
    """Return whether a test's outcome is that a cost has risen."""
    comparison = named.comparison
    return (
        outcome.verdict is comparison.verdict is Verdict.REGRESSION
        and f"[{comparison.candidate.fingerprint.scenario}-" in outcome.test
        and f"{comparison.change:+.2%}" in outcome.detail
    )


def _one_line(error: str) -> str:
    return clip(error.strip().partition("\n")[0], WHY_SHOWN)


def _risen(named: NamedComparison) -> Markup:
    comparison = named.comparison
    change = f" costs {comparison.difference:+,.1f} {comparison.candidate.unit}"
    why = f"{change}: {comparison.change:+.2%}, and the limit is {comparison.threshold:.2%}."
    return joined(("First: ", element("b", clip(named.name)), why))


def _all_well(result: CheckResult) -> str:
    if not result.outcomes:
        return "Nothing was checked."
    if result.verdict is Verdict.SKIP:
        return "Nothing was judged: every check was left out."
    if result.verdict not in GOOD:
        return "No check says why."
    improved = [
        named for named in result.comparisons if named.comparison.verdict is Verdict.IMPROVED
    ]
    words = "Nothing failed."
    if improved:
        best = min(improved, key=lambda named: named.comparison.change)
        words += f" {several(len(improved), 'cost')} fell, the most that of {clip(best.name)}: "
        words += f"{best.comparison.change:+.2%}."
    elif result.comparisons:
        words += " No cost changed by more than its limit."
    if result.subject and result.subject.identical:
        words += " Base and candidate have the same object code."
    return words


def _decisive(result: CheckResult) -> TestOutcome | None:
    """Return the first outcome that made the verdict what it is."""
    deciding = (one for one in result.outcomes if one.verdict is result.verdict and counts(one))
    return next(deciding, None) if result.verdict in BAD else None


def _next(result: CheckResult) -> str:
    """Return the command to type next; empty where none is known."""
    first = _decisive(result)
    alone = again(result, first) if first else ""
    return alone or (shlex.join(result.subject.command) if result.subject else "")


def _call(result: CheckResult) -> str:
    first = _decisive(result)
    return "Next, this one again:" if first and again(result, first) else "To judge it again:"


def _counts(result: CheckResult) -> Markup:
    """Return how many checks and costs there are, and how they went."""
    mine = [outcome for outcome in result.outcomes if outcome.variant != BASE]
    facts = [element("li", f"exit code {result.exit_code}")]
    facts.append(element("li", f"{result.seconds:,.0f} s"))
    verdicts = [
        element("li", element("b", f"{count:,}"), " ", badge(verdict))
        for verdict, count in counted(mine)
    ]
    if mine:
        verdicts.insert(0, element("li", several(len(mine), "check"), ":"))
    if every := len(result.comparisons) + len(result.measured):
        facts.insert(0, element("li", several(every, "cost")))
    return element("ul", *verdicts, *facts, class_="counts")


def _said(result: CheckResult) -> Markup | None:
    """Return the whole error, where it is more than the header has told."""
    if len(result.error) <= WHY_SHOWN and "\n" not in result.error.strip():
        return None
    return section("error", "What was said", excerpt(result.error, ERROR_LINES, ERROR_CHARACTERS))


def _links(names: Iterable[str]) -> Markup:
    items = [element("a", LINKS[name], href=f"#{name}") for name in names if name in LINKS]
    return element("nav", *items, aria_label="Sections")


def _footer(result: CheckResult) -> Markup:
    made = f"Made by ksuite {clip(result.ksuite, 40)}. "
    return element("footer", made, "Excerpts are marked; the JSON of the run has all of it.")
