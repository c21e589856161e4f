# SPDX-License-Identifier: GPL-2.0-or-later
"""What the cases of a check come to, for a revision."""

from __future__ import annotations

import pytest

from ksuite.campaigns.checking import _seen
from ksuite.errors import InfrastructureError
from ksuite.measure.finding import FAILS, PASSES, SKIPPED
from ksuite.measure.result import CANDIDATE, TestOutcome
from ksuite.measure.verdict import Verdict


def case(verdict: Verdict, detail: str = "", console: str = "") -> TestOutcome:
    return TestOutcome("test_x[1]", CANDIDATE, verdict, 0.1, detail, console)


PASSED = case(Verdict.PASS)


def test_all_cases_must_pass() -> None:
    assert _seen("a", "code", [PASSED, PASSED]).result == PASSES
    failed = _seen("a", "code", [PASSED, case(Verdict.FAIL, "3 of 8 arrived")])
    assert (failed.result, failed.code) == (FAILS, "code")
    assert failed.why == "test_x[1]: 3 of 8 arrived"


def test_fault_of_the_kernel_is_another_way_to_fail() -> None:
    fault = case(Verdict.FAIL, "panic: Kernel panic - not syncing", "[ 1.0] the console")
    seen = _seen("a", "code", [PASSED, fault])
    assert seen.result == "panic"
    assert "the console" in seen.why


def test_what_was_not_run_says_nothing() -> None:
    assert _seen("a", "code", [case(Verdict.SKIP)]).result == SKIPPED
    assert _seen("a", "code", [case(Verdict.SKIP), PASSED]).result == PASSES


def test_trouble_of_ours_is_no_failure() -> None:
    with pytest.raises(InfrastructureError, match="no guest came up"):
        _seen("a", "code", [PASSED, case(Verdict.ERROR, "no guest came up")])
