# SPDX-License-Identifier: GPL-2.0-or-later
"""Histories that were made up, and a judge that knows what each revision costs."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

from ksuite.campaigns.bisection import Graph
from ksuite.measure.cost import Cost
from ksuite.measure.finding import FAILS, MEASURED, PASSES, SKIPPED, Seen
from tests.unit.measure.samples import FINGERPRINT

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

GOOD = "good"
LEVEL = 6000.0


def line(count: int, telling: Collection[int] | None = None) -> Graph:
    """Return revisions one after the other: ``c0``, ``c1``, ..."""
    names = [f"c{number}" for number in range(count)]
    parents: dict[str, tuple[str, ...]] = {
        name: (([GOOD, *names])[number],) for number, name in enumerate(names)
    }
    chosen = range(count) if telling is None else telling
    return graph(names, parents, frozenset(names[one] for one in chosen))


def graph(
    names: list[str], parents: dict[str, tuple[str, ...]], telling: frozenset[str] | None = None
) -> Graph:
    """Return a graph whose subjects say nothing but the names."""
    subjects = {name: f"subject of {name}" for name in names}
    every = frozenset(names) if telling is None else telling
    return Graph.of(names, GOOD, parents, subjects, every)


def branching(seed: int, count: int) -> Graph:
    """Return revisions with branches that are merged again."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    tips = [GOOD]
    names: list[str] = []
    parents: dict[str, tuple[str, ...]] = {}
    while len(names) < count:
        name = f"c{len(names)}"
        chosen = chance.randrange(len(tips))
        if len(tips) > 1 and chance.random() < 0.2:
            ours, theirs = chance.sample(tips, 2)
            parents[name] = ours, theirs
            tips = [one for one in tips if one not in {ours, theirs}] + [name]
        else:
            parents[name] = (tips[chosen],)
            if chance.random() < 0.2 and len(tips) < 4:
                tips.append(name)
            else:
                tips[chosen] = name
        names.append(name)
    while len(tips) > 1:
        name = f"c{len(names)}"
        parents[name] = tips[0], tips[1]
        tips = [name, *tips[2:]]
        names.append(name)
    return graph(names, parents)


class Knowing:
    """A judge for whom each revision costs what all steps that it holds come to.

    :param steps: in the cost's unit, by revision.
    :param skips: what becomes of revisions that can't be measured.
    :param checks: a revision fails where it holds a step; nothing is measured.
    """

    def __init__(
        self,
        graph: Graph,
        steps: Mapping[str, float],
        skips: Collection[str] = (),
        *,
        checks: bool = False,
    ) -> None:
        self._graph = graph
        self._steps = steps
        self._skips = skips
        self._checks = checks
        self.asked: list[str] = []

    def see(self, revision: str, guests: int = 1) -> Seen:
        if revision not in self.asked:
            self.asked.append(revision)
        if revision in self._skips:
            return Seen(revision, SKIPPED, why="does not compile")
        level = LEVEL + sum(self._steps.get(name, 0.0) for name in self._held(revision))
        if self._checks:
            return Seen(revision, FAILS if level > LEVEL else PASSES)
        cost = Cost(FINGERPRINT, (level,) * 5)
        return Seen(revision, MEASURED, (cost,) * guests)

    def side(self, seen: Seen, good: Seen, bad: Seen) -> int:
        if self._checks or seen.result == SKIPPED:
            return {bad.result: 1, good.result: -1}.get(seen.result, 0)
        assert seen.cost
        assert good.cost
        assert bad.cost
        return 1 if abs(seen.cost - bad.cost) < abs(seen.cost - good.cost) else -1

    def _held(self, revision: str) -> list[str]:
        if revision == GOOD:
            return []
        row = self._graph.holds[self._graph.names.index(revision)]
        return [name for name, held in zip(self._graph.names, row, strict=True) if held]


def with_windows(seen: Seen, *windows: float) -> Seen:
    """Return the same with other windows in a second guest."""
    return replace(seen, costs=(*seen.costs[:1], Cost(FINGERPRINT, windows)))
