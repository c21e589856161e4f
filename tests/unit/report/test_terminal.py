# SPDX-License-Identifier: GPL-2.0-or-later
"""The report for people: every verdict is in it, and no name drives the terminal."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ksuite.measure.result import CheckResult, NamedComparison, TestOutcome
from ksuite.measure.verdict import Verdict, compare
from ksuite.report.terminal import render
from tests.unit.measure.samples import IMAGE, comparison, cost, result

HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e\r"
MARKUP = "[bold]x[/bold] [/nope] :warning:"


def outcome(test: str, variant: str, verdict: Verdict, detail: str = "") -> TestOutcome:
    return TestOutcome(test, variant, verdict, 0.1, detail)


def costs(*changes: float, name: str = "vhost_tx 64 B") -> tuple[NamedComparison, ...]:
    return tuple(NamedComparison(name, comparison(change)) for change in changes)


def everywhere(text: str) -> CheckResult:
    """Return a result that has this text in every field that somebody else may fill."""
    outcomes = [
        TestOutcome(f"test_a{text}[{text}]", variant, Verdict.FAIL, 0.1, text, text)
        for variant in ("base", "candidate", "")
    ]
    whole = result(*outcomes, costs=costs(0.1, name=text))
    assert whole.subject is not None
    subject = replace(
        whole.subject, series=text, kernel=text, machine=text, modules={text: (text,)}
    )
    return replace(whole, subject=subject, error=text)


def test_functions_are_told_side_by_side() -> None:
    text = render(
        result(
            outcome("test_bursts_are_limited[64]", "base", Verdict.FAIL, "burst of 9,000"),
            outcome("test_bursts_are_limited[64]", "candidate", Verdict.PASS),
            outcome("test_only_here", "candidate", Verdict.SKIP),
        )
    )
    assert re.search(r"bursts are limited \(64\) +FAIL +PASS", text)
    assert re.search(r"only here +- +SKIP", text)
    assert "base FAIL, without the series: bursts are limited (64)" in text
    assert "burst of 9,000" in text


def test_costs_are_told() -> None:
    text = render(result(costs=costs(0.1, -0.1, 0.0)))
    change = r"\+100\.0 +\+10\.00% +0\.50% +REGRESSION"
    assert re.search(rf"1,000\.0 +exact +1,100\.0 +exact +{change}", text)
    assert re.search(r"900\.0 .* -100\.0 +-10\.00% +0\.50% +IMPROVED", text)
    assert re.search(r"\+0\.0 +\+0\.00% +0\.50% +PASS", text)
    assert "instructions/packet on the instructions clock" in text
    assert "median of 3 windows" in text


def test_spread_is_told_where_there_is_one() -> None:
    text = render(result(costs=(NamedComparison("vhost_tx 64 B", comparison(0.1, 0.001)),)))
    assert re.search(r"1,000\.0 +0\.100% +1,100\.0 +0\.100% ", text)
    assert "exact" not in text


def test_restored_guests_are_told() -> None:
    restored = compare(cost(1000.0, fingerprint=IMAGE), cost(1100.0, fingerprint=IMAGE))
    text = render(result(costs=(NamedComparison("vhost_tx 64 B", restored),)))
    assert "repeated in 3 restored guests" in text
    assert "windows" not in text


@pytest.mark.parametrize("verdict", Verdict)
def test_verdict_of_the_run(verdict: Verdict) -> None:
    text = render(replace(result(), verdict=verdict, exit_code=3, error="what went wrong"))
    assert f"verdict: {verdict} (exit 3, 12 s)" in text
    assert text.count("what went wrong") == 1


def test_subject_is_told() -> None:
    text = render(result())
    for word in ("limit rx bursts", "0123456789ab", "6.1.0-1-amd64", "vhost_net bb22", "7.2.22"):
        assert word in text
    assert "identical" not in text
    whole = result()
    assert whole.subject is not None
    assert "identical" in render(replace(whole, subject=replace(whole.subject, identical=True)))


def test_failure_shows_the_console() -> None:
    fault = TestOutcome(
        "test_a", "candidate", Verdict.FAIL, 1, "warn: WARNING", "[ 1.0] WARNING: x"
    )
    assert "[ 1.0] WARNING: x" in render(result(fault))


def test_long_detail_is_cut() -> None:
    detail = "\n".join(f"line {n}" for n in range(100))
    text = render(result(outcome("test_a", "candidate", Verdict.FAIL, detail)))
    assert "line 11" in text
    assert "line 12" not in text
    assert "88 more lines" in text


def test_no_escape_sequences_without_colour() -> None:
    text = render(everywhere(HOSTILE))
    assert not set(text) & set("\x1b\x07\x9b\u202e\r")


def test_only_our_own_escape_sequences_with_colour() -> None:
    text = render(everywhere(HOSTILE), colour=True)
    assert "\x1b[1;31mFAIL" in text
    rest = re.sub(r"\x1b\[[\d;]*m", "", text)
    assert not set(rest) & set("\x1b\x07\x9b\u202e\r")


def test_markup_is_not_interpreted() -> None:
    """In tables, where rich would; elsewhere everything is a Text."""
    whole = result(
        outcome(f"test_a[{MARKUP}]", "candidate", Verdict.PASS), costs=costs(0.1, name=MARKUP)
    )
    text = render(whole, width=200)
    assert text.count(MARKUP) == 2


def test_markup_is_not_interpreted_anywhere() -> None:
    assert render(everywhere(MARKUP), width=250).count(MARKUP) >= 8
