# SPDX-License-Identifier: GPL-2.0-or-later
"""KTAP, read by a strict parser."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ksuite.errors import DoesNotApply, InfrastructureError
from ksuite.measure.result import CANDIDATE, TestOutcome, refused
from ksuite.measure.verdict import EXIT_CODES, Verdict
from ksuite.report.ktap import OUTWARD, render
from tests.unit.measure.samples import result
from tests.unit.report.specimens import CASES, HOSTILE, WHOLE, Tap, everywhere, parse_ktap


def by_name(name: str) -> Tap:
    [whole] = parse_ktap(render([WHOLE]))
    [test] = [one for one in whole.subtests if one.name == name]
    return test


def test_structure() -> None:
    [whole] = parse_ktap(render([WHOLE]))
    assert (whole.good, whole.name) == (False, "limit rx bursts on 6.1.0-1-amd64")
    assert len(whole.subtests) == CASES
    assert by_name("candidate: bursts are limited (64)").good


def test_directives() -> None:
    base = by_name("base: bursts are limited (64)")
    assert (base.good, base.directive, base.data) == (True, "SKIP", "FAIL without the series")
    key = by_name("candidate: key")
    assert (key.good, key.directive) == (True, "XFAIL")
    assert "5.10: no such key" in key.data
    lies = by_name("candidate: lies")
    assert (lies.good, lies.directive, lies.data) == (False, "ERROR", "the DUT lies")
    echo = by_name("cost: vhost_echo 64 B")
    assert (echo.good, echo.directive) == (False, "SKIP")
    assert "too noisy" in echo.data
    assert by_name("cost: vhost_tx 64 B") == Tap(
        False, "cost: vhost_tx 64 B", "", "verdict=REGRESSION +10.00%"
    )


@pytest.mark.parametrize("verdict", Verdict)
def test_each_verdict(verdict: Verdict) -> None:
    outcome = TestOutcome("test_a", CANDIDATE, verdict, 0.1)
    code = int(EXIT_CODES[verdict])
    run = replace(result(outcome), verdict=verdict, exit_code=code)
    [whole] = parse_ktap(render([run]))
    for one in (whole, *whole.subtests):
        assert (("ok" if one.good else "not ok"), one.directive) == OUTWARD[verdict]


@pytest.mark.parametrize("detail", ["SKIP not really", "xfail", " TODO: x", "# SKIP"])
def test_no_detail_of_a_pass_is_a_directive(detail: str) -> None:
    text = render([result(TestOutcome("test_a", CANDIDATE, Verdict.PASS, 0.1, detail))])
    assert "ok 1 candidate: a # verdict=PASS " in text
    [whole] = parse_ktap(text)
    assert whole.subtests[0].directive == ""


def test_diagnostics_are_before_their_line() -> None:
    lines = [line.strip() for line in render([WHOLE]).splitlines()]
    at = lines.index("not ok 4 candidate: unloads # verdict=FAIL warn: WARNING more")
    assert lines[at - 1] == "# again: ksuite check limit.mbox --check test_unloads"
    assert "#   [ 1.0] WARNING: CPU: 0 PID: 1 at x" in lines[:at]
    assert "# limit: 0.005" in lines
    assert "# machine: virtme-ng, QEMU 7.2.22, Nehalem, 1 vCPU, 1024 MiB" in lines


def test_test_fails_where_a_subtest_does() -> None:
    """Whatever the file says of the run."""
    failed = TestOutcome("test_a", CANDIDATE, Verdict.FAIL, 0.1)
    [whole] = parse_ktap(render([result(failed)]))
    assert not whole.good


def test_several_results_and_refusals() -> None:
    refusals = [refused(DoesNotApply("hunk 3"), 0.1), refused(InfrastructureError("no"), 0.1)]
    first, second, third = parse_ktap(render([WHOLE, *refusals]))
    assert len(first.subtests) == CASES
    assert [(one.good, one.directive) for one in (second, third)] == [
        (False, ""),
        (False, "ERROR"),
    ]
    assert "hunk 3" in second.subtests[0].data


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_text_is_a_line_of_its_own(text: str) -> None:
    def shape(tests: tuple[Tap, ...]) -> list[object]:
        return [(one.good, one.directive, shape(one.subtests)) for one in tests]

    usual = parse_ktap(render([everywhere("x")]))
    assert shape(tuple(parse_ktap(render([everywhere(text)])))) == shape(tuple(usual))
