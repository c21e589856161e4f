# SPDX-License-Identifier: GPL-2.0-or-later
"""The report for people: every verdict is in it, and no name drives the terminal."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from ksuite.measure.attribution import Attribution, FunctionCost
from ksuite.measure.result import CheckResult, NamedComparison, TestOutcome
from ksuite.measure.verdict import Verdict, compare
from ksuite.report.terminal import MOST_FUNCTIONS, render
from tests.unit.measure.samples import IMAGE, RULES, comparison, cost, result

HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202e\r"
MARKUP = "[bold]x[/bold] [/nope] :warning:"


def outcome(test: str, variant: str, verdict: Verdict, detail: str = "") -> TestOutcome:
    return TestOutcome(test, variant, verdict, 0.1, detail)


def costs(*changes: float, name: str = "vhost_tx 64 B") -> tuple[NamedComparison, ...]:
    return tuple(NamedComparison(name, comparison(change)) for change in changes)


def attributed(
    *functions: FunctionCost, name: str = "vhost_rx 64 B", others: float = 0.0
) -> NamedComparison:
    """Return a cost by these functions, and others that are the same on both."""
    base, candidate = (
        others + sum(getattr(one, variant) for one in functions)
        for variant in ("base", "candidate")
    )
    rows = (*functions, FunctionCost("other", "kernel", others, others))
    return NamedComparison(name, comparison(0.1), Attribution(base, candidate, rows))


def everywhere(text: str) -> CheckResult:
    """Return a result that has this text in every field that somebody else may fill."""
    outcomes = [
        TestOutcome(f"test_a{text}[{text}]", variant, Verdict.FAIL, 0.1, text, text)
        for variant in ("base", "candidate", "")
    ]
    function = FunctionCost(text, text, 1, 2)
    whole = result(*outcomes, costs=(attributed(function, name=text),))
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


@pytest.mark.parametrize("turn", [1, -1])
def test_of_two_checks_of_one_name_the_failure_is_told(turn: int) -> None:
    both = [outcome("test_a", "candidate", one) for one in (Verdict.FAIL, Verdict.PASS)]
    assert re.search(r"\ba +- +FAIL", render(result(*both[::turn])))


def test_costs_are_told() -> None:
    text = render(result(costs=costs(0.1, -0.1, 0.0)))
    change = r"\+100\.0 +\+10\.00% +0\.50% +REGRESSION"
    assert re.search(rf"1,000\.0 +exact +1,100\.0 +exact +{change}", text)
    assert re.search(r"900\.0 .* -100\.0 +-10\.00% +0\.50% +IMPROVED", text)
    assert re.search(r"\+0\.0 +\+0\.00% +0\.50% +PASS", text)
    assert "instructions/packet on the instructions clock" in text


def test_costs_of_packets_and_rules_are_told_apart() -> None:
    rules = compare(cost(1000.0, fingerprint=RULES), cost(1000.0, fingerprint=RULES))
    text = render(result(costs=(*costs(0.0), NamedComparison("tc_insert 1000 rules", rules))))
    assert "instructions/packet, instructions/rule on the instructions clock" in text
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


def test_where_a_cost_changed_is_told() -> None:
    changed = (
        FunctionCost("handle_rx", "vhost_net", 210.0, 1212.5),
        FunctionCost("vhost_exceeds_weight", "vhost", 12.0, 9.5),
        FunctionCost("schedule", "kernel", 60.0, 60.04),
    )
    text = render(result(costs=(attributed(*changed, others=718.0),)))
    assert "where vhost_rx 64 B changed" in text
    assert re.search(r"handle_rx \[vhost_net\] +210\.0 +1,212\.5 +\+1,002\.5", text)
    assert re.search(r"vhost_exceeds_weight \[vhost\] +12\.0 +9\.5 +-2\.5", text)
    assert "schedule" not in text
    assert re.search(r"\(2 others\) +778\.0 +778\.0 +\+0\.0", text)
    assert re.search(r"all that was counted +1,000\.0 +2,000\.0 +\+1,000\.0", text)


def test_only_the_functions_that_changed_most_are_told() -> None:
    changed = [FunctionCost(f"f{number}", "k", 0, 1) for number in range(MOST_FUNCTIONS + 3)]
    text = render(result(costs=(attributed(*changed),)))
    assert f"f{MOST_FUNCTIONS - 1} [k]" in text
    assert f"f{MOST_FUNCTIONS} [k]" not in text
    assert re.search(r"\(4 others\) +0\.0 +3\.0 +\+3\.0", text)


def test_why_a_cost_was_not_attributed_is_told() -> None:
    named = NamedComparison("vhost_rx 64 B", comparison(0.1), note="not attributed: no gcc")
    assert "vhost_rx 64 B: not attributed: no gcc" in render(result(costs=(named,)))


def test_cost_that_was_not_attributed_has_no_table() -> None:
    assert "where" not in render(result(costs=costs(0.1)))


def recalled_costs(base: bool, candidate: bool) -> NamedComparison:
    seen = comparison(0.0)
    seen = replace(
        seen,
        base=replace(seen.base, recalled=base),
        candidate=replace(seen.candidate, recalled=candidate),
    )
    return NamedComparison("vhost_tx 64 B", seen)


@pytest.mark.parametrize(
    ("checks", "costs", "told"),
    [
        ((True, True, False), (), "2 checks recalled from guests"),
        ((False,), ((True, False), (True, True)), "3 costs recalled from guests"),
        ((True, True), ((False, True), (False, True)), "2 checks and 2 costs recalled from guests"),
    ],
    ids=["checks", "costs", "both"],
)
def test_what_was_recalled_is_told(
    checks: tuple[bool, ...], costs: tuple[tuple[bool, bool], ...], told: str
) -> None:
    """Who is not convinced must see that nothing was asked, and how to have it asked."""
    passed = outcome("test_a", "base", Verdict.PASS)
    outcomes = [replace(passed, recalled=recalled) for recalled in checks]
    text = render(result(*outcomes, costs=tuple(recalled_costs(*pair) for pair in costs)))
    assert text.count("recalled") == 1
    [line] = [line.strip() for line in text.splitlines() if "recalled" in line]
    assert line.startswith(told)
    assert "--recall" in line


def test_nothing_recalled_nothing_told() -> None:
    text = render(result(outcome("test_a", "base", Verdict.PASS), costs=costs(0.1)))
    assert "recall" not in text


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


def test_flake_is_told_with_its_count() -> None:
    detail = "passes when it is run again, in a fresh guest (2 times since 2026-01-01)"
    text = render(result(outcome("test_a", "candidate", Verdict.FLAKY, detail)))
    assert f"FLAKY: a\n    {detail}" in text


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
    function = FunctionCost(MARKUP, MARKUP, 1, 2)
    whole = result(
        outcome(f"test_a[{MARKUP}]", "candidate", Verdict.PASS),
        costs=(attributed(function, name=MARKUP),),
    )
    text = render(whole, width=200)
    assert text.count(MARKUP) == 5


def test_markup_is_not_interpreted_anywhere() -> None:
    assert render(everywhere(MARKUP), width=250).count(MARKUP) >= 8


def test_no_figure_is_cut_off_however_wide() -> None:
    wide = costs(-0.7646, 0.05, name="a_scenario_with_a_long_name 1500 B")
    text = render(result(costs=wide), width=60)
    assert "…" not in text
    assert "-76.46%" in text
    assert "REGRESSION" in text
