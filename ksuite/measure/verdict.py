# SPDX-License-Identifier: GPL-2.0-or-later
"""The one enum of outcomes, and how a comparison of costs arrives at it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ksuite.errors import ExitCode
from ksuite.measure.cost import Cost

if TYPE_CHECKING:
    from collections.abc import Iterable


class Verdict(StrEnum):
    """What is said of a check, a cost or a whole run."""

    PASS = "PASS"  # noqa: S105 (no password)
    FAIL = "FAIL"
    REGRESSION = "REGRESSION"
    IMPROVED = "IMPROVED"
    INCOMPARABLE = "INCOMPARABLE"
    ERROR = "ERROR"
    SKIP = "SKIP"


SEVERITY = (
    Verdict.FAIL,
    Verdict.REGRESSION,
    Verdict.ERROR,
    Verdict.INCOMPARABLE,
    Verdict.PASS,
    Verdict.SKIP,
)
"""What outweighs what in a run: a proven fault of the series stands even where we failed too."""

EXIT_CODES = {
    Verdict.PASS: ExitCode.PASS,
    Verdict.IMPROVED: ExitCode.PASS,
    Verdict.FAIL: ExitCode.FAIL,
    Verdict.REGRESSION: ExitCode.FAIL,
    Verdict.ERROR: ExitCode.INFRASTRUCTURE,
    Verdict.INCOMPARABLE: ExitCode.INCOMPARABLE,
    Verdict.SKIP: ExitCode.INCOMPARABLE,
}


@dataclass(frozen=True)
class Threshold:
    """When a change counts, as relative changes.

    :param floor: smaller changes never count.
    :param spreads: a change must be this many times the measured spread.
    :param blind: where noise alone asks for a larger threshold than this, nothing can be said.
    """

    floor: float = 0.005
    spreads: float = 3.0
    blind: float = 0.05


@dataclass(frozen=True)
class Comparison:
    """Base against candidate.

    :param change: relative change of the cost; positive is slower.
    :param threshold: the relative change from which it counts.
    """

    base: Cost
    candidate: Cost
    change: float
    threshold: float
    verdict: Verdict
    reason: str = ""

    @property
    def difference(self) -> float:
        """What a packet costs more on the candidate, in the costs' unit."""
        return self.candidate.median - self.base.median


def compare(base: Cost, candidate: Cost, threshold: Threshold | None = None) -> Comparison:
    """Judge the candidate's cost against the base's."""
    rule = threshold or Threshold()
    if base.fingerprint != candidate.fingerprint:
        reason = "the fingerprints differ"
        return Comparison(base, candidate, 0.0, 0.0, Verdict.INCOMPARABLE, reason)
    change = candidate.median / base.median - 1
    noise = rule.spreads * max(base.spread, candidate.spread)
    limit = max(rule.floor, noise)
    verdict, reason = _judge(change, limit, blind=noise > rule.blind)
    return Comparison(base, candidate, change, limit, verdict, reason)


def _judge(change: float, limit: float, *, blind: bool) -> tuple[Verdict, str]:
    if abs(change) <= limit and blind:
        return Verdict.INCOMPARABLE, f"too noisy: only changes above {limit:.1%} would show"
    if change > limit:
        return Verdict.REGRESSION, ""
    if change < -limit:
        return Verdict.IMPROVED, ""
    return Verdict.PASS, ""


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict of a run from those of its parts; SKIP where there are none.

    A run passes whether or not something in it improved.
    """
    present = {Verdict.PASS if verdict is Verdict.IMPROVED else verdict for verdict in verdicts}
    return next((verdict for verdict in SEVERITY if verdict in present), Verdict.SKIP)
