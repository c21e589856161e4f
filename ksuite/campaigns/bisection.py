# SPDX-License-Identifier: GPL-2.0-or-later
"""Searches a range of revisions where each answer is certain: exact costs, and checks.

First for the revision at which things go from nearer the good end to nearer the bad one, as
``git bisect`` does. If that is not the whole change, what lies before and after it is searched too,
where most is left first, until nothing that is left can be larger than what was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

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
            drifts = bool(self.steps) and abs(self._share(self.steps[0])) < (self._drop or 0)
            if not (self._halve(stretch) if drifts else self._cross(stretch)):
                return Outcome.SUSPECTS
            self.open.sort(key=lambda one: abs(one.change))
        return self._outcome()

    def _outcome(self) -> Outcome:
        drop = self._drop
        if drop is None:
            return Outcome.CULPRIT
        self.open = [one for one in reversed(self.open) if abs(one.change) >= drop]
        counting = [step for step in self.steps if abs(self._share(step)) >= drop]
        if not counting:
            return Outcome.DRIFT
        self.steps = counting
        return Outcome.STEPS if len(counting) > 1 or self.open else Outcome.CULPRIT

    def _worth_searching(self) -> bool:
        """Say whether what is left may hold more than was found, and as much as counts."""
        if not self.open:
            return False
        if not self.steps:
            return True
        if self._drop is None:
            return False
        most = abs(self.open[-1].change)
        return most >= self._drop and most > abs(self._share(self.steps[0]))

    def _cross(self, stretch: Stretch) -> bool:
        """Find a step of a stretch; say whether it is one revision's."""
        good, bad = self._judge.see(stretch.good), self._judge.see(stretch.bad)
        inside = self._graph.between(stretch.good, stretch.bad)
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
        step = self._step(found[0])
        self._keep(step)
        self._leave(stretch.good, step.parent)
        self._leave(step.revision, stretch.bad)
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
        self._leave(stretch.good, name)
        self._leave(name, stretch.bad)
        return True

    def _after(self, good: str) -> Flags:
        """Return which revisions come after one."""
        names = self._graph.names
        if good not in names:
            return np.ones(len(names), dtype=np.bool_)
        after: Flags = self._graph.holds[:, names.index(good)]
        return after

    def _step(self, name: str) -> Step:
        after = self._judge.see(name, guests=2)
        parents = [self._judge.see(one, guests=2) for one in self._graph.parents[name]]
        level = after.cost
        parents.sort(key=lambda one: _distance(one.cost, level))
        before = parents[0]
        subject = self._graph.subjects[name]
        return Step(name, before.revision, subject, before, after)

    def _keep(self, step: Step) -> None:
        self.steps.append(step)
        self.steps.sort(key=lambda one: -abs(self._share(one)))

    def _leave(self, good: str, bad: str) -> None:
        """Keep what is left of a stretch for later, where there is any of it."""
        if good != bad and self._drop is not None and self._graph.between(good, bad).any():
            self.open.append(self._stretch(good, bad))

    def _stretch(self, good: str, bad: str) -> Stretch:
        seen = self._judge.see(good), self._judge.see(bad)
        count = int(self._graph.between(good, bad).sum())
        return Stretch(good, bad, self._relative(*seen), count)

    def _share(self, step: Step) -> float:
        """Return how much a step is, relative to the good end's cost."""
        return self._relative(step.before, step.after)

    def _relative(self, before: Seen, after: Seen) -> float:
        if self.good.cost is None or before.cost is None or after.cost is None:
            return 0.0
        return (after.cost - before.cost) / self.good.cost


def _distance(one: float | None, other: float | None) -> float:
    return abs(one - other) if one is not None and other is not None else 0.0
