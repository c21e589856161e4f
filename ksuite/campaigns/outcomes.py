# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of a run say, kept until it is concluded."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import (
    DutError,
    ExitCode,
    KernelFault,
    KsuiteError,
    NothingToCompare,
    SeriesError,
)
from ksuite.measure.result import (
    BASE,
    CANDIDATE,
    CheckResult,
    NamedComparison,
    TestOutcome,
    candidate_verdict,
    refused,
)
from ksuite.measure.verdict import EXIT_CODES, Comparison, Verdict
from ksuite.report import json_file

if TYPE_CHECKING:
    from pathlib import Path

    from ksuite.campaigns.check import Check

THEIR_FAULT = (AssertionError, KernelFault, DutError, SeriesError, pytest.fail.Exception)
"""What counts against the kernel under test; everything else that is raised is ours."""


@dataclass
class Run:
    """The state of one pytest session that judges a series.

    :param failed_beside: failures of tests that judge no series.
    """

    started: float = field(default_factory=time.monotonic)
    stack: ExitStack = field(default_factory=ExitStack)
    check: Check | None = None
    error: KsuiteError | None = None
    failed_beside: int = 0
    outcomes: dict[str, TestOutcome] = field(default_factory=dict)
    comparisons: dict[str, NamedComparison] = field(default_factory=dict)
    result: CheckResult | None = None

    def take(self, node: str, outcome: TestOutcome | None) -> None:
        """Keep a test's outcome; the first that is no pass stands."""
        known = self.outcomes.get(node)
        if outcome is not None and (known is None or known.verdict is Verdict.PASS):
            self.outcomes[node] = outcome

    def take_measured_alone(self, node: str, fault: KsuiteError) -> None:
        """Keep that the base broke in a cost's loop, where the candidate did not."""
        name = node.rpartition("::")[2]
        console = getattr(fault, "console", "")
        broken = TestOutcome(name, BASE, Verdict.FAIL, 0.0, str(fault), console)
        alone = TestOutcome(name, CANDIDATE, Verdict.PASS, 0.0, "ran; nothing to compare with")
        self.take(f"{node} {BASE}", broken)
        self.take(f"{node} {CANDIDATE}", alone)

    def conclude(self, ended: pytest.ExitCode) -> None:
        """End the DUT and make the result.

        :param ended: how pytest itself would end.
        """
        seconds = time.monotonic() - self.started
        if self.check is None:
            self.result = refused(self.error or KsuiteError("not prepared"), seconds)
            if ended is pytest.ExitCode.INTERRUPTED and self.error is None:
                self.result = _interrupted(self.result)
            return
        if ended is not pytest.ExitCode.INTERRUPTED:
            self._take_late_faults(self.check)
        subject = self.check.subject
        self.stack.close()
        outcomes = tuple(self.outcomes.values())
        verdict = candidate_verdict(outcomes)
        comparisons = tuple(self.comparisons.values())
        code = int(EXIT_CODES[verdict])
        self.result = CheckResult(subject, outcomes, comparisons, verdict, code, seconds)
        if ended is pytest.ExitCode.INTERRUPTED:
            self.result = _interrupted(self.result)
        elif ended is pytest.ExitCode.INTERNAL_ERROR:
            self.result = _broken(self.result, "pytest failed")
        elif self.failed_beside and code == ExitCode.PASS:
            self.result = _broken(
                self.result, f"{self.failed_beside} tests beside the series failed"
            )

    def write_json(self, path: Path) -> None:
        """Write the result; where that can't be done the run has not passed."""
        assert self.result is not None
        try:
            json_file.write(self.result, path)
        except KsuiteError as error:
            failed = self.result.exit_code == ExitCode.FAIL
            code = int(ExitCode.FAIL if failed else error.exit_code)
            self.result = replace(self.result, exit_code=code, error=str(error))

    def _take_late_faults(self, check: Check) -> None:
        try:
            check.dut.retire()
        except KsuiteError as error:
            print(f"ksuite: the DUT could not be retired: {error}", file=sys.stderr)
        for variant, fault in check.dut.late_faults.items():
            name = "test_nothing_breaks_after_the_last_check"
            outcome = TestOutcome(name, variant, Verdict.FAIL, 0.0, str(fault), fault.console)
            self.take(f"{name}[{variant}]", outcome)


def _interrupted(result: CheckResult) -> CheckResult:
    code = int(ExitCode.INTERRUPTED)
    return replace(result, verdict=Verdict.ERROR, exit_code=code, error="interrupted")


def _broken(result: CheckResult, why: str) -> CheckResult:
    code = int(ExitCode.INFRASTRUCTURE)
    return replace(result, verdict=Verdict.ERROR, exit_code=code, error=why)


def outcome_of(
    report: pytest.TestReport,
    error: BaseException | None,
    variant: str,
    comparison: Comparison | None,
) -> TestOutcome | None:
    """Return what one phase of a test says of a variant; None where it says nothing yet.

    :param comparison: what a test of a cost compared: its verdict tells more than failed or passed.
    """
    if report.passed and report.when != "call":
        return None
    if report.failed:
        verdict = Verdict.FAIL if isinstance(error, THEIR_FAULT) else Verdict.ERROR
        if isinstance(error, NothingToCompare):
            verdict = Verdict.INCOMPARABLE
    else:
        verdict = Verdict.SKIP if report.skipped else Verdict.PASS
    if comparison is not None and report.when == "call":
        good = comparison.verdict in {Verdict.PASS, Verdict.IMPROVED}
        if report.passed or (verdict is Verdict.FAIL and not good):
            verdict = comparison.verdict
    name = report.nodeid.rpartition("::")[2]
    for old, new in ((f"[{variant}]", ""), (f"[{variant}-", "["), (f"-{variant}]", "]")):
        name = name.replace(old, new) if variant else name
    console = getattr(error, "console", "")
    return TestOutcome(name, variant, verdict, report.duration, _detail(error), console)


def _detail(error: BaseException | None) -> str:
    if error is None:
        return ""
    if isinstance(error, (KsuiteError, AssertionError)):
        return str(error)
    return f"{type(error).__name__}: {error}"
