# SPDX-License-Identifier: GPL-2.0-or-later
"""Searches a range of revisions where each answer is certain: exact costs, and checks.

First for the revision at which things go from nearer the good end to nearer the bad one, as
``git bisect`` does. If that is not the whole change, what lies before and after it is searched too,
where most is left first, until nothing that is left changes by more than what was found. Steps that
cancel each other within what is left are not seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf, isnan
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ksuite.campaigns.merging import Ancestry
from ksuite.measure.finding import Outcome, Seen, Step, Stretch
from ksuite.measure.search import Flags, Search, containing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Judge(Protocol):
    """Looks at revisions; asked again, it knows what it has seen."""

    def see(self, revision: str, guests: int = 1) -> Seen:
        """Return what is to be seen of a revision.

        :param guests: that it is measured in at least.
        """

    def side(self, seen: Seen, good: Seen, bad: Seen) -> int:
        """Return 1 where something is as the bad end, -1 as the good one, 0 if it can't be told."""


@dataclass(frozen=True)
class Graph:
    """Revisions in an order in which those before come first.

    :param names: of all in the range; the last one is the bad end.
    :param good: the name of the good end, which is none of them.
    :param parents: by name, also of those that are not in the range.
    :param telling: those that may differ from all of their parents.
    """

    names: tuple[str, ...]
    good: str
    parents: Mapping[str, tuple[str, ...]]
    subjects: Mapping[str, str]
    telling: frozenset[str]
    holds: Flags

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        good: str,
        parents: Mapping[str, tuple[str, ...]],
        subjects: Mapping[str, str],
        telling: frozenset[str],
    ) -> Graph:
        """Return the graph of some revisions."""
        place = {name: number for number, name in enumerate(names)}
        inside = [[place[one] for one in parents[name] if one in place] for name in names]
        return cls(tuple(names), good, parents, subjects, telling, containing(inside))

    def between(self, good: str, bad: str) -> Flags:
        """Return which revisions a bad one has and a good one has not."""
        place = {name: number for number, name in enumerate(self.names)}
        if bad not in place:
            return np.zeros(len(self.names), dtype=np.bool_)
        inside: Flags = self.holds[place[bad]].copy()
        if good in place:
            inside &= ~self.holds[place[good]]
        return inside

    @property
    def flags(self) -> Flags:
        """Return which revisions are telling."""
        return np.array([name in self.telling for name in self.names], dtype=np.bool_)


class Bisection:
    """A search with a judge whose answers are certain.

    :param drop: the smallest change that counts, relative to the good end's cost; None for a check.
    """

    def __init__(
        self,
        graph: Graph,
        judge: Judge,
        drop: float | None,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._graph = graph
        self._ancestry = Ancestry(graph)
        self._judge = judge
        self._drop = drop
        self._progress = progress
        self.good = judge.see(graph.good)
        self.bad = judge.see(graph.names[-1])
        self.steps: list[Step] = []
        self.suspects: tuple[str, ...] = ()
        self.open: list[Stretch] = []

    @property
    def change(self) -> float:
        """Between both ends, relative to the good one's cost."""
        return self._relative(self.good, self.bad)

    def run(self) -> Outcome:
        """Search, and return what it comes to."""
        names = self._graph.names
        if self._drop is not None and abs(self.change) < self._drop:
            return Outcome.NONE
        self.open = [self._stretch(self._graph.good, names[-1])]
        while self._worth_searching():
            stretch = self.open.pop()
            drifts = bool(self.steps) and self._size(self.steps[0]) < (self._drop or 0)
            if not (self._halve(stretch) if drifts else self._cross(stretch)):
                return Outcome.SUSPECTS
            self.open.sort(key=lambda one: abs(one.change))
        return self._outcome()

    def _outcome(self) -> Outcome:
        drop = self._drop
        if drop is None:
            return Outcome.CULPRIT
        self.open = [one for one in reversed(self.open) if abs(one.change) >= drop]
        counting = [step for step in self.steps if self._size(step) >= drop]
        if not counting:
            return Outcome.DRIFT
        self.steps = counting
        return Outcome.STEPS if len(counting) > 1 or self.open else Outcome.CULPRIT

    def _worth_searching(self) -> bool:
        """Say whether what is left may hold more than was found, and as much as counts."""
        if not self.open:
            return False
        if self._drop is None:
            return not self.steps
        most = abs(self.open[-1].change)
        found = self._size(self.steps[0]) if self.steps else 0.0
        return most >= self._drop and most > found

    def _cross(self, stretch: Stretch) -> bool:
        """Find a step of a stretch; say whether it is one revision's."""
        good, bad = self._judge.see(stretch.good), self._judge.see(stretch.bad)
        inside = self._graph.between(stretch.good, stretch.bad)
        if not (inside & self._graph.flags).any():
            return True
        search = Search(self._graph.holds, inside & self._graph.flags)
        for outside in np.flatnonzero(~inside):
            search.skip(int(outside))
        while (place := search.next()) is not None:
            name = self._graph.names[place]
            left = len(search.suspects())
            self._progress(f"{left} revisions left: {name[:12]}")
            match self._judge.side(self._judge.see(name), good, bad):
                case 1:
                    search.bad(place)
                case -1:
                    search.good(place)
                case _:
                    search.skip(place)
        found = [self._graph.names[one] for one in search.suspects()]
        if len(found) > 1:
            self.suspects = tuple(found)
            return False
        return self._take(stretch, found[0])

    def _take(self, stretch: Stretch, name: str) -> bool:
        """Keep a step of a stretch, and leave the rest of it; say whether it is one revision's."""
        step = self._step(name, stretch.good)
        if step is None:
            whole = self._graph.between(stretch.good, name) & self._graph.flags
            self.suspects = tuple(self._graph.names[one] for one in np.flatnonzero(whole)[::-1])
            return False
        parents = self._graph.parents[name]
        if self._drop is None or len(parents) == 1 or self._size(step) >= self._drop:
            self._keep(step)
        known = [stretch.good]
        for parent in sorted(parents, key=lambda one: one != step.parent):
            for common in self._ancestry.common(known, parent)[:1]:
                self._leave(common, parent, stretch.commits)
            known.append(parent)
        self._leave(name, stretch.bad, stretch.commits)
        return True

    def _halve(self, stretch: Stretch) -> bool:
        """Measure in the middle of a stretch; find a step of one that has no middle.

        :return: as `_cross`.
        """
        inside = self._graph.between(stretch.good, stretch.bad)
        telling = inside & self._graph.flags
        count = int(telling.sum())
        # What does not come after the good one differs from it in more than is looked for.
        after = inside & self._after(stretch.good)
        shares = (self._graph.holds[:, telling].sum(axis=1)).astype(float)
        shares[~after | (shares == 0) | (shares == count)] = np.inf
        middle = int(np.argmin(np.abs(shares - count / 2)))
        name = self._graph.names[middle]
        if not np.isfinite(shares[middle]) or self._judge.see(name).cost is None:
            return self._cross(stretch)
        self._leave(stretch.good, name, stretch.commits)
        self._leave(name, stretch.bad, stretch.commits)
        return True

    def _after(self, good: str) -> Flags:
        """Return which revisions come after one."""
        names = self._graph.names
        if good not in names:
            return np.ones(len(names), dtype=np.bool_)
        after: Flags = self._graph.holds[:, names.index(good)]
        return after

    def _step(self, name: str, good: str) -> Step | None:
        """Return a revision's step; None where a merge can't be told from what it merges.

        :param good: what it is compared with where no parent can be measured.
        """
        after = self._judge.see(name, guests=2)
        parents = [self._judge.see(one, guests=2) for one in self._graph.parents[name]]
        parents.sort(key=lambda one: _distance(one.cost, after.cost))
        before = parents[0]
        if self._drop is not None and before.cost is None:
            before = self._judge.see(good, guests=2)
        step = Step(name, before.revision, self._graph.subjects[name], before, after)
        if self._drop is None or len(parents) == 1 or isnan(step.difference):
            return step
        level = self._merged(parents, self._judge.see(good))
        return None if level is None else replace(step, brought=level - (before.cost or 0.0))

    def _merged(self, parents: Sequence[Seen], good: Seen) -> float | None:
        """Return what a merge of revisions would cost that changes nothing itself."""
        names = [one.revision for one in parents]
        level = self._ancestry.level(names, self._judge.see)
        if level is not None:
            return level
        alike = [abs(self._relative(good, one)) < (self._drop or 0) for one in parents]
        measured = all(one.cost is not None for one in (good, *parents))
        return parents[0].cost if measured and all(alike) else None

    def _keep(self, step: Step) -> None:
        if step.revision not in {one.revision for one in self.steps}:
            self.steps.append(step)
        self.steps.sort(key=lambda one: -self._size(one))

    def _leave(self, good: str, bad: str, most: int) -> None:
        """Keep what is left of a stretch for later, where there is any of it, and less than most.

        What several revisions begin after is not told by one of them: what is left after one may
        be more than there was.
        """
        if good == bad or self._drop is None:
            return
        stretch = self._stretch(good, bad)
        if 0 < stretch.commits < most:
            self.open.append(stretch)

    def _stretch(self, good: str, bad: str) -> Stretch:
        seen = self._judge.see(good), self._judge.see(bad)
        count = int(self._graph.between(good, bad).sum())
        return Stretch(good, bad, self._relative(*seen), count)

    def _size(self, step: Step) -> float:
        """Return how large a step is, relative to the good end's cost.

        One that can't be told is as large as can be: it was found, and is not to be lost.
        """
        if isnan(step.difference) or not self.good.cost:
            return inf
        return abs(step.difference) / self.good.cost

    def _relative(self, before: Seen, after: Seen) -> float:
        if self.good.cost is None or before.cost is None or after.cost is None:
            return 0.0
        return (after.cost - before.cost) / self.good.cost


def _distance(one: float | None, other: float | None) -> float:
    return abs(one - other) if one is not None and other is not None else inf
