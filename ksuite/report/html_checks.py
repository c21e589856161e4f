# SPDX-License-Identifier: GPL-2.0-or-later
"""What a page says of checks: what failed and why, all of them, and what was expected to fail."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ksuite.measure.result import BASE, CANDIDATE
from ksuite.measure.verdict import SEVERITY, Verdict
from ksuite.report.again import again
from ksuite.report.cases import BAD, GOOD, title, worse
from ksuite.report.html_element import clip, element
from ksuite.report.html_parts import badge, command, excerpt, section, several, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ksuite.measure.result import CheckResult, TestOutcome
    from ksuite.report.html_element import Markup

MOST_TOLD = 100
MOST_CONSOLES = 24
"""Of the first failures; those of all of 500 would be a page that no phone opens."""
CONSOLE_LINES, CONSOLE_CHARACTERS = 100, 7000
DETAIL_LINES, DETAIL_CHARACTERS = 30, 1500
MOST_OPEN = 3
"""Failures that can be read without a tap."""
FEW = 40
"""Checks whose table needs no folding."""
REASON_SHOWN = 300


def failures(result: CheckResult) -> Markup | None:
    """Return the section of what failed, and the base's failures; None where only these did."""
    ours, bases = bad_outcomes(result)
    return _failures("failures", "What failed", result, ours, bases) if ours else None


def base_failures(result: CheckResult) -> Markup | None:
    """Return the section of what fails without the series; None where it isn't all that failed."""
    ours, bases = bad_outcomes(result)
    if ours or not bases:
        return None
    return _failures("base", "What fails without the series", result, [], bases)


def counts(outcome: TestOutcome) -> bool:
    """Return whether an outcome may decide the verdict: the base's failures are not the series'."""
    return outcome.variant != BASE or outcome.verdict is Verdict.ERROR


def bad_outcomes(result: CheckResult) -> tuple[list[TestOutcome], list[TestOutcome]]:
    """Return what did not go well, what counts and the base's, the gravest of each first."""
    bad = [outcome for outcome in result.outcomes if outcome.verdict in BAD]
    bad.sort(key=lambda outcome: BAD.index(outcome.verdict))
    return [one for one in bad if counts(one)], [one for one in bad if not counts(one)]


def counted(outcomes: Iterable[TestOutcome]) -> list[tuple[Verdict, int]]:
    """Return how many of each verdict there are, the gravest first."""
    counts = Counter(outcome.verdict for outcome in outcomes)
    order = (*SEVERITY, Verdict.IMPROVED)
    return [(verdict, counts[verdict]) for verdict in order if counts[verdict]]


def checks(result: CheckResult) -> Markup | None:
    """Return the section of all checks; None where there are none."""
    if not result.outcomes:
        return None
    groups: dict[str, dict[str, dict[str, TestOutcome]]] = {}
    for outcome in result.outcomes:
        group = groups.setdefault(outcome.test.partition("[")[0], {})
        row = group.setdefault(outcome.test, {})
        # Two files may have a test of one name.
        row[outcome.variant] = worse(row.get(outcome.variant), outcome)
    bodies = [_group(name, tests) for name, tests in groups.items()]
    heading = ("check", f"on the {BASE}", f"on the {CANDIDATE}", "")
    whole = table(heading, (), "All checks, by what they say", *bodies, kind="checks")
    count = sum(map(len, groups.values()))
    if count <= FEW:
        return section("checks", "All checks", whole)
    summary = element("summary", several(count, "check"), " by name")
    return section("checks", "All checks", element("details", summary, whole))


def expected(result: CheckResult) -> Markup | None:
    """Return the section of what can't pass on this kernel; None where all can."""
    tests: dict[str, dict[str, None]] = {}
    for outcome in result.outcomes:
        if outcome.expected:
            tests.setdefault(outcome.expected, {})[outcome.test] = None
    if not tests:
        return None
    parts = [
        element("li", clip(why, REASON_SHOWN), element("ul", *_items(names)))
        for why, names in tests.items()
    ]
    words = element("p", "These can't pass on this kernel, and did not.", class_="soft")
    return section("expected", "Expected differences", words, element("ul", *parts))


def _items(names: Iterable[str]) -> list[Markup]:
    return [element("li", clip(title(name))) for name in names]


def _failures(
    name: str,
    heading: str,
    result: CheckResult,
    ours: Sequence[TestOutcome],
    bases: Sequence[TestOutcome],
) -> Markup:
    left = len(ours) + len(bases) - MOST_TOLD
    more = f"{several(left, 'more failure')} in the table of all checks, and in the JSON."
    note = element("p", more, class_="soft") if left > 0 else None
    return section(name, heading, *_told(result, ours, bases), note)


def _told(
    result: CheckResult, ours: Sequence[TestOutcome], bases: Sequence[TestOutcome]
) -> list[Markup]:
    shown = [*ours, *bases][:MOST_TOLD]
    broken = {outcome.test for outcome in bases}
    parts = []
    consoles = 0
    for number, outcome in enumerate(shown):
        if bases and ours and number == len(ours):
            parts.append(element("h3", "What fails without the series"))
        consoles += bool(outcome.console)
        parts.append(
            _failure(
                result,
                outcome,
                on_both=number < len(ours) and outcome.test in broken,
                is_open=number < min(len(ours), MOST_OPEN),
                with_console=consoles <= MOST_CONSOLES,
            )
        )
    return parts


def _failure(
    result: CheckResult,
    outcome: TestOutcome,
    *,
    on_both: bool,
    is_open: bool,
    with_console: bool,
) -> Markup:
    where = f"on the {outcome.variant}" if outcome.variant else ""
    where += ", and without the series, too" if on_both else ""
    summary = element(
        "summary",
        badge(outcome.verdict),
        element("b", clip(title(outcome.test))),
        element("small", where, class_="beside") if where else None,
    )
    words = again(result, outcome)
    return element(
        "details",
        summary,
        excerpt(outcome.detail, DETAIL_LINES, DETAIL_CHARACTERS) if outcome.detail else None,
        *_console(outcome, with_console=with_console),
        element("p", "This one again:", class_="soft tight") if words else None,
        command(words) if words else None,
        open=is_open,
    )


def _console(outcome: TestOutcome, *, with_console: bool) -> tuple[Markup, ...]:
    if not outcome.console:
        return ()
    if not with_console:
        size = f"{len(outcome.console):,} characters"
        return (element("p", f"Its console, {size}, is in the JSON of this run.", class_="soft"),)
    heading = element("p", "Console", class_="soft tight")
    return heading, excerpt(outcome.console, CONSOLE_LINES, CONSOLE_CHARACTERS)


def _group(name: str, tests: dict[str, dict[str, TestOutcome]]) -> Markup:
    words = clip(title(name))
    if list(tests) == [name]:
        return element("tbody", _row(words, tests[name]))
    count = several(len(tests), "check")
    heading = element("th", words, element("small", count, class_="beside"), scope="rowgroup")
    rows = [_row(_parameters(test), variants, inner=True) for test, variants in tests.items()]
    top = element("tr", heading, *(element("td"),) * 3, class_="group")
    return element("tbody", top, *rows)


def _parameters(test: str) -> str:
    return clip(test.partition("[")[2].removesuffix("]")) or "-"


def _row(name: str, variants: dict[str, TestOutcome], *, inner: bool = False) -> Markup:
    row = element("th", name, scope="row", class_="inner" if inner else None)
    if "" in variants:
        one = variants[""]
        both = element("td", badge(one.verdict), colspan=2)
        return element("tr", row, both, element("td", _remark(one, None), class_="soft"))
    base, candidate = variants.get(BASE), variants.get(CANDIDATE)
    cells = [element("td", badge(one.verdict if one else None)) for one in (base, candidate)]
    remark = _remark(candidate or base, base)
    return element("tr", row, *cells, element("td", remark, class_="soft"))


def _remark(outcome: TestOutcome | None, base: TestOutcome | None) -> str:
    """Return what the two verdicts of a check mean together."""
    if outcome is None:
        return ""
    words = []
    if base and base is not outcome:
        before, after = base.verdict, outcome.verdict
        if before is Verdict.FAIL and after in GOOD:
            words.append("mended by the series")
        elif before in GOOD and after is Verdict.FAIL:
            words.append("broken by the series")
        elif before is Verdict.FAIL and after is Verdict.FAIL:
            words.append("fails without the series, too")
    words += ["expected"] if outcome.expected else []
    words += ["recalled"] if outcome.recalled else []
    return ", ".join(words)
