# SPDX-License-Identifier: GPL-2.0-or-later
"""Results as KTAP version 1, as the kernel's Documentation/dev-tools/ktap.rst has it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ksuite.measure.verdict import Verdict, overall
from ksuite.report.cases import about, cases, one_line, run_verdict, titles

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ksuite.measure.result import CheckResult
    from ksuite.report.cases import Case

OUTWARD = {
    Verdict.PASS: ("ok", ""),
    Verdict.IMPROVED: ("ok", ""),
    Verdict.FLAKY: ("ok", ""),
    Verdict.FAIL: ("not ok", ""),
    Verdict.REGRESSION: ("not ok", ""),
    Verdict.ERROR: ("not ok", "ERROR"),
    Verdict.INCOMPARABLE: ("not ok", "SKIP"),
    Verdict.SKIP: ("ok", "SKIP"),
}
"""A result and its directive. Who knows no directives must not take INCOMPARABLE for a pass."""
EXPECTED = ("ok", "XFAIL")
OF_BASE = ("ok", "SKIP")
"""What only the base gets wrong counts neither way."""
VERSION = "KTAP version 1"
_DIRECTIVE = re.compile(r"\W*(SKIP|XFAIL|TODO|TIMEOUT|ERROR)", re.IGNORECASE)
INDENT = "  "


def render(results: Sequence[CheckResult]) -> str:
    """Return results as tests, whose subtests are their cases."""
    lines = [VERSION, f"1..{len(results)}"]
    for number, (result, name) in enumerate(zip(results, titles(results), strict=True), 1):
        told = cases(result)
        lines += [f"{INDENT}{line}" for line in _subtests(result, told)]
        standing = [case.verdict for case in told if not case.excused]
        verdict = overall([run_verdict(result), *standing])
        lines.append(_line(number, name, OUTWARD[verdict], _data(verdict, "")))
    return "\n".join(lines) + "\n"


def _subtests(result: CheckResult, told: Sequence[Case]) -> Iterable[str]:
    yield VERSION
    yield f"1..{len(told)}"
    yield from (f"# {name}: {value}" for name, value in about(result).items())
    for number, case in enumerate(told, 1):
        yield from _diagnostics(case)
        outward = OUTWARD[case.verdict]
        if case.excused:
            outward = EXPECTED if case.expected else OF_BASE
        data = case.excused or _data(case.verdict, case.why)
        yield _line(number, f"{case.group}: {case.name}", outward, data)


def _line(number: int, name: str, outward: tuple[str, str], data: str) -> str:
    said, directive = outward
    line = f"{said} {number} {_words(name)}"
    words = f"{directive} {_words(data)}".strip()
    return f"{line} # {words}" if words else line


def _data(verdict: Verdict, why: str) -> str:
    # A directive of the same name says it already; without one somebody's words could be one.
    said = verdict == OUTWARD[verdict][1] or (verdict is Verdict.PASS and not _DIRECTIVE.match(why))
    return why if said else f"verdict={verdict} {why}"


def _diagnostics(case: Case) -> Iterable[str]:
    yield from (f"# {name}: {value}" for name, value in case.figures.items())
    texts = [] if case.verdict is Verdict.PASS else [case.detail, case.console]
    # Indented, so that no text of somebody's is taken for a header such as "# Subtest: NAME".
    yield from (f"#   {line}" for text in texts for line in text.splitlines())
    if case.command and case.verdict not in {Verdict.PASS, Verdict.IMPROVED, Verdict.SKIP}:
        yield f"# again: {case.command}"


def _words(text: str) -> str:
    """Return a text that is part of a result line: a hash sign would begin a directive."""
    return one_line(text.replace("#", "_"))
