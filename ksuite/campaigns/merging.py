# SPDX-License-Identifier: GPL-2.0-or-later
"""What revisions have in common, and what a merge costs beside what it merges.

A merge holds what both of its sides hold. What they have in common counts once, so that without a
cost of its own it costs what its parents do, less what that does which they come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ksuite.campaigns.bisection import Graph
    from ksuite.measure.finding import Seen
    from ksuite.measure.search import Flags

DEEPEST = 8
"""So often what is common may itself be what several have in common."""


class Ancestry:
    """What comes before which revision of a graph, as far as it is in the graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._place = {name: number for number, name in enumerate(graph.names)}
        self._begun = {
            number: outside
            for number, name in enumerate(graph.names)
            if (outside := [one for one in graph.parents[name] if one not in self._place])
        }
        self._outside = frozenset({graph.good}.union(*self._begun.values()))

    def common(self, known: Sequence[str], name: str) -> tuple[str, ...]:
        """Return the last revisions that a revision has in common with any of others.

        :return: none where what they have in common lies before the graph, and is not known.
        """
        inside, outside = self._held(name)
        theirs = [self._held(one) for one in known]
        inside = inside & np.logical_or.reduce([one for one, _ in theirs])
        outside = outside & frozenset[str]().union(*(one for _, one in theirs))
        found = []
        while inside.any():
            last = int(np.flatnonzero(inside)[-1])
            found.append(self._graph.names[last])
            inside = inside & ~self._graph.holds[last]
            outside -= self._held(found[-1])[1]
        if self._graph.good in outside:
            outside = frozenset({self._graph.good})
        return (*found, *sorted(outside))

    def level(
        self, names: Sequence[str], see: Callable[[str], Seen], deepest: int = DEEPEST
    ) -> float | None:
        """Return what a revision would cost that merges others, and changes nothing itself.

        :return: None where it can't be told.
        """
        total = 0.0
        for number, name in enumerate(names):
            cost = see(name).cost
            if cost is None:
                return None
            total += cost
            if number:
                common = self.common(names[:number], name)
                below = self.level(common, see, deepest - 1) if common and deepest else None
                if below is None:
                    return None
                total -= below
        return total

    def _held(self, name: str) -> tuple[Flags, frozenset[str]]:
        """Return what is in the graph of what a revision holds, and what it begins after."""
        if name not in self._place:
            roots = frozenset({name})
            inside: Flags = np.zeros(len(self._graph.names), dtype=np.bool_)
        else:
            inside = self._graph.holds[self._place[name]]
            begun = (outside for place, outside in self._begun.items() if inside[place])
            roots = frozenset[str]().union(*begun)
        # The range is what the good end has not: all that lies before it the good end has.
        return inside, self._outside if self._graph.good in roots else roots
