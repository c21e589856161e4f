# SPDX-License-Identifier: GPL-2.0-or-later
"""Results as Markdown for a merge request: the verdict first, and never longer than a comment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksuite.measure.result import BASE
from ksuite.measure.verdict import Verdict
from ksuite.report.cases import (
    about,
    cases,
    clean,
    counted,
    failed,
    one_line,
    run_verdict,
    titles,
    worst,
)
from ksuite.report.cost_tables import SMALLEST, small
from ksuite.report.markdown import code, fenced, row

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ksuite.measure.result import CheckResult, NamedComparison
    from ksuite.report.cases import Case

OUTWARD = {
    Verdict.PASS: "the series passes",
    Verdict.IMPROVED: "the series passes, and a packet costs less",
    Verdict.FLAKY: "the series passes, not each time",
    Verdict.FAIL: "the series fails",
    Verdict.REGRESSION: "a packet costs more",
    Verdict.ERROR: "ksuite could not judge all of it",
    Verdict.INCOMPARABLE: "nothing can be said of some of it",
    Verdict.SKIP: "nothing was judged",
}
MOST = 65_000
"""Bytes, so that it is as many characters at most; GitHub takes 65,536."""
MOST_COSTS = 40
MOST_NAMES = 20
MOST_TITLE = 100
MOST_WHY = 300
MOST_COMMAND = 1_000
MOST_DETAIL = 2_000
MOST_CONSOLE = 6_000
LEFT_OUT = "Left out here, as a comment has no room for it: {} parts. The result file has all."
_MOVED = ("cost", "base", "candidate", "change", "", "limit", "unit", "verdict")


def render(results: Sequence[CheckResult]) -> str:
    """Return what is to be said of results; consoles come last, and are the first to be cut."""
    verdict = worst(results)
    top = f"## ksuite: {verdict}, {OUTWARD[verdict]}\n"
    room = MOST - len(f"{top}\n{LEFT_OUT.format(len(results) * MOST)}\n".encode())
    names = titles(results)
    parts: list[str] = []
    details: list[str] = []
    for result, name in zip(results, names, strict=True):
        told = cases(result)
        bad = failed(told)
        parts += _head(result, name, told, bad)
        details += [_details(case) for case in bad if case.detail or case.console]
    kept, left = [top], 0
    for part in (*parts, *details):
        # Each takes a newline more.
        if (size := len(part.encode()) + 1) > room:
            left += 1
            continue
        room -= size
        kept.append(part)
    return "\n".join([*kept, *([f"{LEFT_OUT.format(left)}\n"] if left else [])])


def _head(
    result: CheckResult, name: str, told: Sequence[Case], bad: Sequence[Case]
) -> Iterable[str]:
    verdict = run_verdict(result)
    counts = code(one_line(counted(told)))
    yield f"**{verdict}** {code(_title(name))}: {counts}, exit {result.exit_code}\n"
    if bad:
        yield _first(bad[0], len(bad))
    if moved := [one for one in result.comparisons if _has_moved(one)]:
        yield _costs(moved)
    yield from _named(
        "Only the base fails", [one for one in told if one.excused and one.side == BASE]
    )
    yield from _named(
        "Expected of this kernel", [one for one in told if one.excused and one.expected]
    )
    yield f"{_environment(result)}\n"


def _named(what: str, told: Sequence[Case]) -> Iterable[str]:
    names = list(dict.fromkeys(_title(case.name) for case in told))
    if names:
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        yield f"{what}: {', '.join(map(code, names[:MOST_NAMES]))}{more}\n"


def _title(name: str) -> str:
    return one_line(name, MOST_TITLE)


def _first(case: Case, count: int) -> str:
    """Return the worst failure: what, why, and how to see it again."""
    others = f" (and {count - 1} more)" if count > 1 else ""
    why = one_line(case.told or case.why, MOST_WHY)
    lines = [f"{case.verdict}: {code(_title(case.name))}{others}", ""]
    lines += [code(why), ""] if why else []
    lines += fenced(one_line(case.command, MOST_COMMAND), "sh") if case.command else []
    return "\n".join(lines)


def _has_moved(named: NamedComparison) -> bool:
    seen = named.comparison
    return seen.verdict is not Verdict.PASS or abs(seen.difference) >= SMALLEST


def _costs(moved: Sequence[NamedComparison]) -> str:
    """Return a table, what changed most first."""
    order = sorted(moved, key=lambda one: -abs(one.comparison.change))
    figures = "---:"
    lines = [row(_MOVED), row(["---", *[figures] * 5, "---", "---"])]
    lines += [row(_cost(named)) for named in order[:MOST_COSTS]]
    more = len(moved) - MOST_COSTS
    return "\n".join([*lines, "", *([f"and {more} more costs that moved", ""] if more > 0 else [])])


def _cost(named: NamedComparison) -> list[str]:
    seen = named.comparison
    return [
        code(_title(named.name)),
        f"{seen.base.median:,.1f}",
        f"{seen.candidate.median:,.1f}",
        small(seen.difference),
        f"{seen.change:+.2%}",
        f"{seen.threshold:.2%}",
        seen.base.unit,
        str(seen.verdict),
    ]


def _environment(result: CheckResult) -> str:
    told = about(result)
    names = ("kernel", "kernel_version", "machine", "clock", "started")
    where = [told[name] for name in names if name in told]
    words = "; ".join([*where, f"{result.seconds:.0f} s", f"ksuite {told.get('ksuite', '')}"])
    return code(one_line(words, MOST_WHY))


def _details(case: Case) -> str:
    """Return a failure with all that is known of it, folded."""
    lines = [f"<details><summary>{case.verdict}: {code(_title(case.name))}</summary>", ""]
    lines += [f"{code(one_line(case.told))}", ""] if case.told else []
    lines += fenced(clean(case.detail, MOST_DETAIL)) if case.detail else []
    lines += fenced(clean(case.console, MOST_CONSOLE)) if case.console else []
    return "\n".join([*lines, "</details>", ""])
