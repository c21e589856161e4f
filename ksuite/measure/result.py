# SPDX-License-Identifier: GPL-2.0-or-later
"""The result of a check: plain frozen data, the one source of every report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ksuite import __version__
from ksuite.errors import NothingToCompare, SeriesError
from ksuite.measure.attribution import Attribution
from ksuite.measure.cost import Cost
from ksuite.measure.verdict import Comparison, Verdict, overall

if TYPE_CHECKING:
    from ksuite.errors import KsuiteError

BASE = "base"
CANDIDATE = "candidate"
VARIANTS = (BASE, CANDIDATE)


@dataclass(frozen=True)
class TestOutcome:
    """What one test said of one variant.

    :param test: the test's name without its variant.
    :param variant: base, candidate, or empty where the test compares both.
    :param seconds: host time it took.
    :param console: the console around a kernel fault.
    :param recalled: all answers are those of an earlier guest with the same content.
    :param expected: why it can't pass on this kernel; it did not, or was not run.
    """

    __test__ = False

    test: str
    variant: str
    verdict: Verdict
    seconds: float
    detail: str = ""
    console: str = ""
    recalled: bool = False
    expected: str = ""


@dataclass(frozen=True)
class NamedComparison:
    """A cost's comparison under its name.

    :param attribution: where the cost is spent, where that was asked for.
    :param note: why there is none, where it should have been told.
    :param baseline: the stored baseline whose cost stands for the base's; empty where that was
        measured.
    """

    name: str
    comparison: Comparison
    attribution: Attribution | None = None
    note: str = ""
    baseline: str = ""


@dataclass(frozen=True)
class NamedCost:
    """A cost of the candidate that was compared with nothing, under its name."""

    name: str
    cost: Cost


@dataclass(frozen=True)
class Subject:
    """What was judged, and on what.

    :param modules: for each variant, the loaded modules as "name build-id".
    :param identical: base and candidate have the same object code.
    :param not_exercised: files of the series of which no suite says anything.
    :param packages: version by package of the DUT's image; empty where it runs on another root.
    :param guest_code: SHA-256 of all of the DUT that is ours, in hex.
    :param built: what was built of the series, and why not less.
    :param command: judges the same on the same again; one test of it with ``--check TEST``.
    """

    series: str
    series_digest: str
    kernel: str
    kernel_version: str
    clock: str
    machine: str
    modules: dict[str, tuple[str, ...]]
    identical: bool = False
    not_exercised: tuple[str, ...] = ()
    packages: dict[str, str] = field(default_factory=dict)
    guest_code: str = ""
    built: str = ""
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckResult:
    """A whole run.

    :param error: why nothing could be judged, where that is so.
    :param measured: costs that were only measured.
    :param ksuite: version that made it.
    :param started: when, in UTC, as ISO 8601 has it; empty where it is not known.
    """

    subject: Subject | None
    outcomes: tuple[TestOutcome, ...]
    comparisons: tuple[NamedComparison, ...]
    verdict: Verdict
    exit_code: int
    seconds: float
    error: str = ""
    measured: tuple[NamedCost, ...] = ()
    ksuite: str = __version__
    started: str = ""


def candidate_verdict(outcomes: tuple[TestOutcome, ...]) -> Verdict:
    """Return the run's verdict: the candidate's; the base's failures are what the series mends.

    What is our own trouble counts wherever it came up.
    """
    return overall(
        outcome.verdict
        for outcome in outcomes
        if outcome.variant != BASE or outcome.verdict is Verdict.ERROR
    )


def refused(error: KsuiteError, seconds: float) -> CheckResult:
    """Return the result of a run that ended before anything was judged."""
    if isinstance(error, SeriesError):
        verdict = Verdict.FAIL
    elif isinstance(error, NothingToCompare):
        verdict = Verdict.INCOMPARABLE
    else:
        verdict = Verdict.ERROR
    return CheckResult(None, (), (), verdict, int(error.exit_code), seconds, str(error))
