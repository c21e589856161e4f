# SPDX-License-Identifier: GPL-2.0-or-later
"""The one enum of outcomes, and how a comparison of costs arrives at it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from ksuite.errors import ExitCode
from ksuite.machines.machine import Clock
from ksuite.measure.cost import Cost
from ksuite.measure.statistics import FEWEST_GUESTS, bands, ratio_interval

if TYPE_CHECKING:
    from collections.abc import Iterable


class Verdict(StrEnum):
    """What is said of a check, a cost or a whole run."""

    PASS = "PASS"  # noqa: S105 (no password)
    FAIL = "FAIL"
    REGRESSION = "REGRESSION"
    IMPROVED = "IMPROVED"
    FLAKY = "FLAKY"
    INCOMPARABLE = "INCOMPARABLE"
    ERROR = "ERROR"
    SKIP = "SKIP"


SEVERITY = (
    Verdict.FAIL,
    Verdict.REGRESSION,
    Verdict.ERROR,
    Verdict.INCOMPARABLE,
    Verdict.FLAKY,
    Verdict.PASS,
    Verdict.SKIP,
)
"""What outweighs what in a run: a proven fault of the series stands even where we failed too."""

EXIT_CODES = {
    Verdict.PASS: ExitCode.PASS,
    Verdict.IMPROVED: ExitCode.PASS,
    Verdict.FLAKY: ExitCode.PASS,
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
    :param spreads: a change must be larger than the floor by this many times the pooled spread.
    :param blind: where noise alone asks for a larger threshold than this, nothing can be said.
    :param reason: why this cost has a floor of its own.
    :param usual: what it would be otherwise.
    """

    floor: float = 0.005
    spreads: float = 3.0
    blind: float = 0.05
    reason: str = ""
    usual: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """Base against candidate.

    :param change: relative change of the cost; positive is slower.
    :param threshold: the relative change from which it counts.
    :param reason: why it can't be compared, or why this cost's own threshold is what it is, where
        that decided.
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

    @property
    def complaint(self) -> str:
        """Why it is no pass, in a line; empty where it is one."""
        if self.verdict in {Verdict.PASS, Verdict.IMPROVED}:
            return ""
        change = f"{self.change:+.2%}, threshold {self.threshold:.2%}"
        return f"{self.verdict}: {change} {self.reason}".rstrip()


def compare(
    base: Cost,
    candidate: Cost,
    threshold: Threshold | None = None,
    *,
    sides: tuple[str, str] = ("on the base", "on the candidate"),
) -> Comparison:
    """Judge the candidate's cost against the base's.

    :param sides: where each one is from, as the reason says it.
    """
    rule = threshold or Threshold()
    if unlike := base.fingerprint.unlike(candidate.fingerprint):
        reason = "; ".join(
            f"{name}: {one} {sides[0]}, {other} {sides[1]}" for name, one, other in unlike
        )
        return Comparison(base, candidate, 0.0, 0.0, Verdict.INCOMPARABLE, reason)
    judge = _judge_samples if base.fingerprint.clock is Clock.WALL else _judge_medians
    seen = judge(base, candidate, rule)
    if not rule.reason or seen.reason:
        return seen
    usual = judge(base, candidate, replace(rule, floor=rule.usual))
    return replace(seen, reason=rule.reason) if usual.verdict is not seen.verdict else seen


def pooled_spread(base: Cost, candidate: Cost) -> float:
    """Return the spread of two costs as one: the root mean square of their relative spreads."""
    return math.hypot(base.spread, candidate.spread) / math.sqrt(2)


def _judge_medians(base: Cost, candidate: Cost, rule: Threshold) -> Comparison:
    change = candidate.median / base.median - 1
    noise = rule.spreads * pooled_spread(base, candidate)
    limit = rule.floor + noise
    verdict, reason = Verdict.PASS, ""
    if change > limit:
        verdict = Verdict.REGRESSION
    elif change < -limit:
        verdict = Verdict.IMPROVED
    elif noise > rule.blind:
        verdict = Verdict.INCOMPARABLE
        reason = f"too noisy: only changes above {limit:.1%} would show"
    return Comparison(base, candidate, change, limit, verdict, reason)


def _judge_samples(base: Cost, candidate: Cost, rule: Threshold) -> Comparison:
    """Judge costs in real time: what counts is where the whole interval of the change is."""
    change = candidate.median / base.median - 1
    if (fewest := min(base.guests, candidate.guests)) < FEWEST_GUESTS:
        reason = f"too few: {fewest} guests, and {FEWEST_GUESTS} is the least that says anything"
        return Comparison(base, candidate, change, rule.floor, Verdict.INCOMPARABLE, reason)
    low, high = (end - 1 for end in ratio_interval(base.by_guest, candidate.by_guest))
    verdict, reason = Verdict.INCOMPARABLE, ""
    if two := _two_bands(base, candidate, rule.floor):
        reason = two
    elif low > rule.floor:
        verdict = Verdict.REGRESSION
    elif high < -rule.floor:
        verdict = Verdict.IMPROVED
    elif high <= rule.floor:
        verdict = Verdict.PASS
    else:
        reason = f"undecided: between {low:+.1%} and {high:+.1%}"
    return Comparison(base, candidate, change, rule.floor, verdict, reason)


def _two_bands(base: Cost, candidate: Cost, floor: float) -> str:
    """Return that a sample lies in two bands which are further apart than what counts."""
    for name, cost in (("base", base), ("candidate", candidate)):
        found = bands(cost.windows)
        if found and found[1] / found[0] - 1 > floor:
            low, high = found
            return f"bimodal: the {name}'s windows are around {low:,.0f} and {high:,.0f}"
    return ""


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict of a run from those of its parts; SKIP where there are none.

    A run passes whether or not something in it improved.
    """
    present = {Verdict.PASS if verdict is Verdict.IMPROVED else verdict for verdict in verdicts}
    return next((verdict for verdict in SEVERITY if verdict in present), Verdict.SKIP)
