# SPDX-License-Identifier: GPL-2.0-or-later
"""Results for the formats of other tools, and what reads these formats strictly."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from ksuite.errors import ExitCode
from ksuite.measure.attribution import Attribution, FunctionCost
from ksuite.measure.result import (
    BASE,
    CANDIDATE,
    CheckResult,
    NamedComparison,
    NamedCost,
    TestOutcome,
)
from ksuite.measure.verdict import Verdict
from tests.unit.measure.samples import comparison, cost, result

CONSOLE = "[ 1.0] WARNING: CPU: 0 PID: 1 at x\n[ 1.1] <code> & `ticks`"
EXPECTED = '5.10: no such key (abcdefabcdef "net: add it")'
OUTCOMES = (
    TestOutcome("test_bursts_are_limited[64]", BASE, Verdict.FAIL, 1.0, "burst of 9,000"),
    TestOutcome("test_bursts_are_limited[64]", CANDIDATE, Verdict.PASS, 1.5),
    TestOutcome("test_unloads", BASE, Verdict.PASS, 0.25),
    TestOutcome("test_unloads", CANDIDATE, Verdict.FAIL, 0.25, "warn: WARNING\nmore", CONSOLE),
    TestOutcome("test_key", CANDIDATE, Verdict.SKIP, 0.1, "no key", expected=EXPECTED),
    TestOutcome("test_lies", CANDIDATE, Verdict.ERROR, 0.1, "the DUT lies"),
    TestOutcome("test_cost[vhost_tx-64]", "", Verdict.REGRESSION, 6.0, "REGRESSION: +10.00%"),
    TestOutcome("test_cost[vhost_rx-64]", "", Verdict.SKIP, 6.0, "Skipped: measured"),
)
COSTS = (
    NamedComparison("vhost_tx 64 B", comparison(0.1)),
    NamedComparison("vhost_echo 64 B", comparison(0.0, 0.5), note="not attributed"),
)
MEASURED = (NamedCost("vhost_rx 64 B", cost(6862.4)),)
WHOLE = replace(
    result(*OUTCOMES, costs=COSTS),
    measured=MEASURED,
    verdict=Verdict.FAIL,
    exit_code=int(ExitCode.FAIL),
)
"""Of nearly each kind one: a cost of which no test says anything is INCOMPARABLE."""
CASES = 9

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "path": "../../etc/passwd",
    "terminal": "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e\r",
    "cdata": "]]>",
    "nul": "a\0b",
    "lines": "one\nok 99 two\r\n# Subtest: three\n1..7\nKTAP version 1",
    "hashes": "# SKIP #1 ok # ERROR",
    "ticks": "` `` ``` ```` ~~~",
    "bars": "a|b\\|c\\",
    "closing": "</details></code></summary>",
    "entities": "&lt; &#0; &amp;",
    "mention": "@all http://example.org/ ![x](y)",
    "surrogate": "a\ud800b\udfff",
    "none": "",
    "long": "long words and \u2028 more " * 50_000,
}


def everywhere(text: str) -> CheckResult:
    """Return a failed result that has this text in every field that somebody else may fill."""
    outcomes = [
        TestOutcome(f"test_a{text}[{text}]", side, verdict, 0.1, text, text, expected=expected)
        for side, verdict, expected in (
            (BASE, Verdict.FAIL, ""),
            (CANDIDATE, Verdict.FAIL, ""),
            (CANDIDATE, Verdict.SKIP, f"{text}."),
            ("", Verdict.ERROR, ""),
        )
    ]
    named = NamedComparison(
        f"{text}1",
        replace(comparison(0.1), reason=text),
        Attribution(1, 2, (FunctionCost(text, text, 1, 2),)),
        text,
        text,
    )
    whole = result(*outcomes, costs=(named,))
    assert whole.subject is not None
    names = ("series", "series_digest", "kernel", "kernel_version", "clock", "machine", "built")
    texts: dict[str, Any] = dict.fromkeys((*names, "guest_code"), text)
    subject = replace(
        whole.subject,
        **texts,
        modules={text: (text,)},
        not_exercised=(text,),
        packages={text: text},
        command=(text, text),
    )
    return replace(
        whole,
        subject=subject,
        measured=(NamedCost(f"{text}2", cost(1.5)),),
        verdict=Verdict.FAIL,
        exit_code=int(ExitCode.FAIL),
        error=f"error: {text}",
        ksuite=text,
        started=text,
    )


@dataclass(frozen=True)
class Tap:
    """A result line of KTAP, with its subtests."""

    good: bool
    name: str
    directive: str
    data: str
    subtests: tuple[Tap, ...] = ()


def parse_ktap(text: str) -> list[Tap]:
    """Return the tests of a document; nothing is let pass that KTAP does not ask for."""
    assert text.endswith("\n")
    lines = text.split("\n")[:-1]
    tests, rest = _parse_level(lines, "")
    assert not rest
    return tests


_RESULT = re.compile(r"(ok|not ok) (\d+) ([^#]*?)(?: # (?:(SKIP|XFAIL|ERROR)\b ?)?([^#]*))?")


def _parse_level(lines: list[str], indent: str) -> tuple[list[Tap], list[str]]:
    assert lines[0] == f"{indent}KTAP version 1"
    plan = re.fullmatch(rf"{indent}1\.\.(\d+)", lines[1])
    assert plan
    lines, tests = lines[2:], list[Tap]()
    subtests: list[Tap] = []
    while lines and lines[0].startswith(indent):
        line = lines[0].removeprefix(indent)
        if line.startswith("  KTAP"):
            subtests, lines = _parse_level(lines, f"{indent}  ")
            continue
        lines = lines[1:]
        if line.startswith("#"):
            assert not line.startswith("# Subtest:")
            continue
        found = _RESULT.fullmatch(line)
        assert found, line
        said, number, name, directive, data = found.groups()
        assert int(number) == len(tests) + 1
        tests.append(Tap(said == "ok", name, directive or "", data or "", tuple(subtests)))
        subtests = []
    assert len(tests) == int(plan[1])
    return tests, lines
