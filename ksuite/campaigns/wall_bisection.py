# SPDX-License-Identifier: GPL-2.0-or-later
"""Searches a range where each look at a revision is a boot in real time, and no two are alike.

First both ends are booted by turns, until it is known whether they differ. How far boots of one
revision lie apart is learned from these, and with it how much each later boot speaks for or against
each culprit. When one of them is likely enough, it and what is before it are booted by turns, too:
several steps, or a drift, lead to some revision as well, and only a culprit has the whole change.
It ends when that is known, or the time is spent.
"""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ksuite.measure.finding import Outcome
from ksuite.measure.search import Search
from ksuite.measure.statistics import FEWEST_GUESTS, ratio_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ksuite.campaigns.bisection import Graph, Judge
    from ksuite.measure.cost import Cost
    from ksuite.measure.finding import Seen

MOST_ODDS = 6.0
"""One boot speaks no louder (400 to 1): a host that does something else now and then is likelier
than what a bell curve leaves to its tails."""
LEAST_SPREAD = 1e-4
"""Of what is measured, relative: boots that are alike by chance don't make the next one certain."""


@dataclass(frozen=True)
class Ends:
    """What boots of both ends say of a boot of another revision.

    :param good: the middle of the good end's boots, in the clock's unit.
    :param spread: how far a boot lies from its revision's middle, one standard deviation.
    :param freedom: degrees of freedom that the spread was found with.
    """

    good: float
    bad: float
    spread: float
    freedom: int

    @classmethod
    def of(cls, good: Sequence[float], bad: Sequence[float]) -> Ends:
        """Return what the boots of both ends say."""
        middles = statistics.fmean(good), statistics.fmean(bad)
        squares = sum((one - middles[0]) ** 2 for one in good)
        squares += sum((one - middles[1]) ** 2 for one in bad)
        freedom = len(good) + len(bad) - 2
        spread = math.sqrt(squares / freedom * (1 + 2 / (freedom + 2)))
        return cls(*middles, max(spread, LEAST_SPREAD * middles[0]), freedom)

    def odds(self, boot: float) -> float:
        """Return the logarithm of how much likelier a boot is one of a bad revision.

        By Student's distribution: the spread is itself only known from a few boots.
        """
        far = [((boot - middle) / self.spread) ** 2 for middle in (self.good, self.bad)]
        told = [-(self.freedom + 1) / 2 * math.log1p(one / self.freedom) for one in far]
        return max(-MOST_ODDS, min(MOST_ODDS, told[1] - told[0]))


class WallBisection:
    """A search by boots.

    :param drop: the smallest change that counts, relative to the good end's cost.
    :param confidence: how likely the culprit must be.
    :param budget_seconds: what the whole search may take; the boot that is under way then ends.
    """

    def __init__(
        self,
        graph: Graph,
        judge: Judge,
        drop: float,
        confidence: float,
        budget_seconds: float,
        progress: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._graph = graph
        self._judge = judge
        self._drop = drop
        self._confidence = confidence
        self._clock = clock
        self._end = clock() + budget_seconds
        self._progress = progress
        self._boots: dict[str, int] = {}
        self._change = (1.0, 1.0)
        self.why = ""
        self.parent = ""
        self.suspects: tuple[str, ...] = ()
        self.confidence = 0.0

    @property
    def good(self) -> Seen:
        """What was seen of the good end so far."""
        return self._judge.see(self._graph.good)

    @property
    def bad(self) -> Seen:
        """What was seen of the bad end so far."""
        return self._judge.see(self._graph.names[-1])

    def run(self) -> Outcome:
        """Search, and return what it comes to."""
        found = self._compare_ends()
        if found is not None:
            return found
        good, bad = ([cost.median for cost in one.costs] for one in (self.good, self.bad))
        return self._search(Ends.of(good, bad))

    def _compare_ends(self) -> Outcome | None:
        """Boot both ends by turns until it is known whether they differ; return None if they do."""
        ends = self._graph.good, self._graph.names[-1]
        while True:
            boots = [self._boot(name) for name in ends]
            if not all(boots):
                self.why = "an end can't be measured"
                return Outcome.UNDECIDED
            boots_each = len(self.good.costs)
            if boots_each >= FEWEST_GUESTS:
                low, high = self._change = _interval(self.good, self.bad)
                between = (
                    f"between {low - 1:+.1%} and {high - 1:+.1%} after {boots_each} boots each"
                )
                self._progress(f"the ends differ by {between}")
                if low - 1 > self._drop or high - 1 < -self._drop:
                    self.why = f"the ends differ by {between}"
                    return None
                if -self._drop <= low - 1 and high - 1 <= self._drop:
                    self.why = f"the ends differ by {between}: less than counts"
                    return Outcome.NONE
                self.why = f"the ends differ by {between}: it can't be told whether that counts"
            if self._clock() > self._end:
                return Outcome.UNDECIDED

    def _search(self, ends: Ends) -> Outcome:
        search = Search(self._graph.holds, self._graph.flags)
        while True:
            self.suspects, self.confidence = self._suspects(search)
            sure = len(self.suspects) == 1 and self.confidence >= self._confidence
            if sure and (found := self._judged(self.suspects[0])) is not None:
                return found
            place = search.next()
            if place is None and not sure:
                return Outcome.SUSPECTS
            if self._clock() > self._end:
                return Outcome.UNDECIDED
            names = [self._graph.names[place]] if place is not None else []
            if sure:
                names = [*self._graph.parents[self.suspects[0]], self.suspects[0]]
            for name in names:
                self._progress(f"{self.confidence:.0%} sure; booting {name[:12]}")
                self._take_in(search, ends, name)

    def _take_in(self, search: Search, ends: Ends, name: str) -> None:
        """Boot a revision, and take in what that says."""
        boot = self._boot(name)
        if name not in self._graph.names:
            return
        place = self._graph.names.index(name)
        if boot is None:
            search.skip(place)
        else:
            search.see(place, ends.odds(boot.median))

    def _judged(self, name: str) -> Outcome | None:
        """Say what the step of a likely culprit makes of it; None where boots are lacking."""
        after = self._judge.see(name)
        befores = [self._judge.see(one) for one in self._graph.parents[name]]
        if any(self._boots.get(one.revision) and not one.costs for one in (after, *befores)):
            self.why += f"; what {name[:12]} changes can't be told: a parent can't be measured"
            return Outcome.UNDECIDED
        if any(len(one.costs) < FEWEST_GUESTS for one in (after, *befores)):
            return None
        before = min(befores, key=lambda one: abs(_middle(one) - _middle(after)))
        self.parent = before.revision
        low, high = (bound - 1 for bound in _interval(before, after))
        least, most = (bound - 1 for bound in self._change)
        between = f"{name[:12]} by between {low:+.1%} and {high:+.1%} of it"
        if least < 0:
            low, high, least, most = -high, -low, -most, -least
        if low > (least + most) / 4 and high >= least:
            return Outcome.CULPRIT
        if low > self._drop and high < least and len(befores) == 1:
            self.why += f", and {between}: the rest is somewhere else"
            return Outcome.STEPS
        if high < (least if len(befores) > 1 else min(self._drop, least)):
            # A part that a merge has may be of what it merges.
            self.why += f", and {between}: several revisions have a part each, or it is a drift"
            return Outcome.UNDECIDED
        return None

    def _suspects(self, search: Search) -> tuple[tuple[str, ...], float]:
        places = search.suspects(self._confidence)
        return tuple(self._graph.names[one] for one in places), search.confidence(places)

    def _boot(self, name: str) -> Cost | None:
        """Boot a revision once more, and return what was measured; None where it can't be."""
        boots = self._boots.get(name, 0) + 1
        self._boots[name] = boots
        seen = self._judge.see(name, guests=boots)
        return seen.costs[boots - 1] if len(seen.costs) >= boots else None


def _interval(before: Seen, after: Seen) -> tuple[float, float]:
    """Return between what one revision's cost is, relative to another's; see `ratio_interval`."""
    return ratio_interval(*([cost.windows for cost in one.costs] for one in (before, after)))


def _middle(seen: Seen) -> float:
    return statistics.fmean(cost.median for cost in seen.costs)
