# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of a run say, kept until it is concluded."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ksuite.campaigns.bench import Bench
from ksuite.campaigns.trial import Trial
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
    NamedCost,
    TestOutcome,
    candidate_verdict,
    refused,
)
from ksuite.measure.verdict import EXIT_CODES, Comparison, Verdict
from ksuite.plain import Plain

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ksuite.campaigns.dut import Dut


THEIR_FAULT = (AssertionError, KernelFault, DutError, SeriesError, pytest.fail.Exception)
"""What counts against the kernel under test; everything else that is raised is ours."""


@dataclass(frozen=True)
class Told(Plain):
    """What one phase of a test says; on its way from the process that ran it, as JSON.

    :param node: the test's id; empty where no test says it.
    :param outcomes: at most one for each variant.
    :param beside: it failed, and judges no series.
    :param measured: a cost that was compared with nothing.
    """

    node: str = ""
    outcomes: tuple[TestOutcome, ...] = ()
    comparison: NamedComparison | None = None
    beside: bool = False
    measured: NamedCost | None = None


@dataclass
class Run:
    """The state of one pytest session that judges a series.

    :param started: on the monotonic clock, in seconds.
    :param began: the same in UTC, as ISO 8601 has it.
    :param check: prepared by this process; one that only runs tests has none.
    :param failed_beside: failures of tests that judge no series.
    :param order: the place of each test by its node id, where others run them.
    :param interrupted: by somebody, not by a limit on failures.
    """

    started: float = field(default_factory=time.monotonic)
    began: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    stack: ExitStack = field(default_factory=ExitStack)
    check: Trial | None = None
    bench: Bench | None = None
    error: KsuiteError | None = None
    failed_beside: int = 0
    outcomes: dict[tuple[str, str], TestOutcome] = field(default_factory=dict)
    comparisons: dict[str, NamedComparison] = field(default_factory=dict)
    measured: dict[str, NamedCost] = field(default_factory=dict)
    order: dict[str, int] = field(default_factory=dict)
    interrupted: bool = False
    result: CheckResult | None = None

    def hear(self, told: Told) -> None:
        """Keep what a test says; of its outcomes the first that is no pass stands."""
        for outcome in told.outcomes:
            key = told.node, outcome.variant
            known = self.outcomes.get(key)
            if known is None or known.verdict is Verdict.PASS:
                self.outcomes[key] = outcome
        if told.comparison is not None:
            self.comparisons[told.comparison.name] = told.comparison
        if told.measured is not None:
            self.measured[told.measured.name] = told.measured
        self.failed_beside += told.beside

    def conclude(self, ended: pytest.ExitCode) -> None:
        """End the DUT and make the result.

        :param ended: how pytest itself would end.
        """
        self._conclude(ended)
        assert self.result is not None
        self.result = replace(self.result, started=self.began)

    def _conclude(self, ended: pytest.ExitCode) -> None:
        seconds = time.monotonic() - self.started
        if self.check is None or self.error is not None:
            self.stack.close()
            self.result = refused(self.error or KsuiteError("not prepared"), seconds)
            if self.interrupted and self.error is None:
                self.result = _interrupted(self.result)
            return
        if not self.interrupted and self.bench is not None:
            self.hear(late_faults(self.bench.dut))
        subject = self.check.subject
        self.stack.close()
        outcomes = tuple(self.outcomes[key] for key in sorted(self.outcomes, key=self._place))
        verdict = candidate_verdict(outcomes)
        comparisons = tuple(self.comparisons[name] for name in sorted(self.comparisons))
        code = int(EXIT_CODES[verdict])
        measured = tuple(self.measured[name] for name in sorted(self.measured))
        self.result = CheckResult(
            subject, outcomes, comparisons, verdict, code, seconds, measured=measured
        )
        if self.interrupted:
            self.result = _interrupted(self.result)
        elif ended is pytest.ExitCode.INTERNAL_ERROR:
            self.result = _broken(self.result, "pytest failed")
        elif self.failed_beside:
            why = f"{self.failed_beside} tests beside the series failed"
            proven = code == ExitCode.FAIL
            self.result = replace(self.result, error=why) if proven else _broken(self.result, why)

    def write(self, path: Path, write: Callable[[CheckResult, Path], None]) -> None:
        """Write the result in some form; where that can't be done the run has not passed."""
        assert self.result is not None
        try:
            write(self.result, path)
        except KsuiteError as error:
            failed = self.result.exit_code == ExitCode.FAIL
            code = int(ExitCode.FAIL if failed else error.exit_code)
            self.result = replace(self.result, exit_code=code, error=str(error))

    def _place(self, key: tuple[str, str]) -> int:
        """Return where an outcome belongs; what no test says comes last."""
        return self.order.get(key[0], len(self.order))


def late_faults(dut: Dut) -> Told:
    """Retire a DUT, and return what the variants have broken after their last checks."""
    try:
        dut.retire()
    except KsuiteError as error:
        print(f"ksuite: the DUT could not be retired: {error}", file=sys.stderr)
    name = "test_nothing_breaks_after_the_last_check"
    return Told(
        outcomes=tuple(
            TestOutcome(name, variant, Verdict.FAIL, 0.0, str(fault), fault.console)
            for variant, fault in dut.late_faults.items()
        )
    )


def crashed(report: pytest.TestReport) -> Told:
    """Return that the process which ran a test has ended in the middle of it."""
    name = name_of(report.nodeid)
    return Told(report.nodeid, (TestOutcome(name, "", Verdict.ERROR, 0.0, str(report.longrepr)),))


def measured_alone(node: str, fault: KsuiteError) -> tuple[TestOutcome, TestOutcome]:
    """Return that the base broke in a cost's loop, where the candidate did not."""
    name = name_of(node)
    console = getattr(fault, "console", "")
    broken = TestOutcome(name, BASE, Verdict.FAIL, 0.0, str(fault), console)
    alone = TestOutcome(name, CANDIDATE, Verdict.PASS, 0.0, "ran; nothing to compare with")
    return broken, alone


def _interrupted(result: CheckResult) -> CheckResult:
    code = int(ExitCode.INTERRUPTED)
    return replace(result, verdict=Verdict.ERROR, exit_code=code, error="interrupted")


def _broken(result: CheckResult, why: str) -> CheckResult:
    code = int(ExitCode.INFRASTRUCTURE)
    return replace(result, verdict=Verdict.ERROR, exit_code=code, error=why)


def is_theirs(error: BaseException | None, report: pytest.TestReport, *, own: bool) -> bool:
    """Say whether what a test raised counts against the kernel under test.

    :param own: it is a module's own test: what it does not expect as it runs is an answer, too,
        such as no frame where there should be one.
    """
    stumbles = own and report.when == "call" and not isinstance(error, KsuiteError)
    return stumbles or isinstance(error, THEIR_FAULT)


def outcome_of(
    report: pytest.TestReport,
    error: BaseException | None,
    variant: str,
    comparison: Comparison | None,
    *,
    recalled: bool = False,
    expected: str = "",
    own: bool = False,
) -> TestOutcome | None:
    """Return what one phase of a test says of a variant; None where it says nothing yet.

    :param comparison: what a test of a cost compared: its verdict tells more than failed or passed.
    :param recalled: no guest had to be started for it.
    :param expected: why it can't pass on this kernel.
    :param own: see `is_theirs`.
    """
    if report.passed and report.when != "call":
        return None
    if report.failed:
        verdict = Verdict.FAIL if is_theirs(error, report, own=own) else Verdict.ERROR
        if isinstance(error, NothingToCompare):
            verdict = Verdict.INCOMPARABLE
    else:
        verdict = Verdict.SKIP if report.skipped else Verdict.PASS
    if comparison is not None and report.when == "call":
        good = comparison.verdict in {Verdict.PASS, Verdict.IMPROVED}
        if report.passed or (verdict is Verdict.FAIL and not good):
            verdict = comparison.verdict
    name = without_variant(name_of(report.nodeid), variant)
    console = getattr(error, "console", "")
    detail = _detail(error)
    return TestOutcome(name, variant, verdict, report.duration, detail, console, recalled, expected)


def name_of(node: str) -> str:
    """Return the name of a test, with its parameters, of its id."""
    # A parameter may be an IPv6 address.
    place, bracket, parameters = node.partition("[")
    return place.rpartition("::")[2] + bracket + parameters


def without_variant(name: str, variant: str) -> str:
    """Return the name of a test, or its id, such that it is the same for every variant."""
    for old, new in ((f"[{variant}]", ""), (f"[{variant}-", "["), (f"-{variant}]", "]")):
        name = name.replace(old, new) if variant else name
    return name


def _detail(error: BaseException | None) -> str:
    if error is None:
        return ""
    if isinstance(error, (KsuiteError, AssertionError)):
        return str(error)
    return f"{type(error).__name__}: {error}"
