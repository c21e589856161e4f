# SPDX-License-Identifier: GPL-2.0-or-later
"""Searching histories with a clock that is noisy, and known to be."""

from __future__ import annotations

import random

import pytest

from ksuite.campaigns.wall_bisection import MOST_ODDS, Ends, WallBisection
from ksuite.measure.cost import Cost
from ksuite.measure.finding import MEASURED, SKIPPED, Outcome, Seen
from ksuite.measure.statistics import FEWEST_GUESTS
from tests.unit.campaigns.histories import GOOD, LEVEL, Knowing, branching, graph, line
from tests.unit.measure.samples import FINGERPRINT

DROP = 0.01


class Noisy(Knowing):
    """A judge whose every guest says something else.

    :param spread: one standard deviation of boots, relative.
    """

    def __init__(self, *arguments: object, seed: int, spread: float, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self._chance = random.Random(seed)  # noqa: S311 (no secret)
        self._spread = spread
        self._known: dict[str, list[Cost]] = {}
        self.boots = 0

    def see(self, revision: str, guests: int = 1) -> Seen:
        seen = super().see(revision)
        if seen.result == SKIPPED:
            return seen
        known = self._known.setdefault(revision, [])
        while len(known) < guests:
            self.boots += 1
            boot = seen.cost * self._chance.gauss(1.0, self._spread)  # type: ignore[operator]
            windows = tuple(boot * self._chance.gauss(1.0, self._spread / 4) for _ in range(5))
            known.append(Cost(FINGERPRINT, windows))
        return Seen(revision, MEASURED, tuple(known))


def search(judge: Noisy, confidence: float = 0.95, budget: float = 1e9) -> WallBisection:
    return WallBisection(judge._graph, judge, DROP, confidence, budget)


def test_culprits_are_right_as_often_as_it_says() -> None:
    """20 histories; noise of 2 % hides a step of 5 % from any single boot, often enough."""
    right, boots = 0, 0
    for seed in range(20):
        revisions = branching(seed, 60)
        culprit = revisions.names[seed * 7 % 60]
        judge = Noisy(revisions, {culprit: 0.05 * LEVEL}, seed=seed, spread=0.02)
        one = search(judge)
        assert one.run() is Outcome.CULPRIT
        assert one.confidence >= 0.95
        right += one.suspects == (culprit,)
        boots += judge.boots
    assert right == 20
    assert boots / 20 < 80


def test_half_of_the_change_is_no_culprit() -> None:
    """Whichever of two steps the search comes to, or whatever lies between them."""
    outcomes = []
    for seed in range(12):
        steps = {"c10": 0.05 * LEVEL, "c40": 0.05 * LEVEL}
        one = search(Noisy(line(60), steps, seed=seed, spread=0.01))
        outcomes.append(one.run())
        if outcomes[-1] is Outcome.STEPS:
            assert one.suspects[0] in steps
    assert outcomes.count(Outcome.CULPRIT) <= 1
    assert outcomes.count(Outcome.STEPS) >= 4


def test_merge_is_not_blamed_for_what_it_merges() -> None:
    parents: dict[str, tuple[str, ...]] = {"a": (GOOD,), "b": (GOOD,), "merge": ("a", "b")}
    revisions = graph([*parents, "last"], parents | {"last": ("merge",)})
    outcomes = []
    for seed in range(10):
        steps = {"a": 0.05 * LEVEL, "b": 0.05 * LEVEL}
        one = search(Noisy(revisions, steps, seed=seed, spread=0.01))
        outcomes.append(one.run())
        if one.suspects == ("merge",):
            assert outcomes[-1] is Outcome.UNDECIDED
            assert "several revisions have a part each" in one.why
    assert Outcome.CULPRIT not in outcomes


def test_drift_has_no_culprit() -> None:
    drift = dict.fromkeys(line(60).names, 0.1 / 60 * LEVEL)
    outcomes = [search(Noisy(line(60), drift, seed=seed, spread=0.01)).run() for seed in range(6)]
    assert Outcome.CULPRIT not in outcomes


def test_culprit_is_not_told_where_the_time_is_spent() -> None:
    """The boots that tell how much of the change it has are part of the search."""
    judge = Noisy(line(60), {"c30": 0.2 * LEVEL}, seed=3, spread=0.02)
    whole = search(judge)
    assert whole.run() is Outcome.CULPRIT
    assert whole.parent == "c29"
    known = {name: len(costs) for name, costs in judge._known.items()}
    assert min(known["c29"], known["c30"]) >= FEWEST_GUESTS


@pytest.mark.parametrize("seed", range(10))
def test_nothing_is_searched_where_the_ends_are_alike(seed: int) -> None:
    judge = Noisy(line(60), {}, seed=seed, spread=0.004)
    one = search(judge)
    assert one.run() is Outcome.NONE
    assert "less than counts" in one.why
    assert len(judge.asked) == 2, "nothing but both ends"


def test_time_that_is_spent_leaves_it_open() -> None:
    judge = Noisy(line(60), {"c30": 0.01 * LEVEL}, seed=3, spread=0.05)
    one = search(judge, budget=0.0)
    assert one.run() is Outcome.UNDECIDED
    assert judge.boots == 2


def test_time_that_is_spent_in_the_search_names_suspects() -> None:
    judge = Noisy(line(60), {"c30": 0.2 * LEVEL}, seed=3, spread=0.001)
    ticks = iter(range(1000))
    one = WallBisection(judge._graph, judge, DROP, 0.99, 6.5, clock=lambda: float(next(ticks)))
    assert one.run() is Outcome.UNDECIDED
    assert "c30" in one.suspects
    assert 1 < len(one.suspects) < 60


def test_revision_that_can_not_be_measured_is_passed_over() -> None:
    judge = Noisy(line(60), {"c30": 0.1 * LEVEL}, {"c29", "c31"}, seed=1, spread=0.001)
    one = search(judge)
    assert one.run() is Outcome.SUSPECTS
    assert set(one.suspects) == {"c29", "c30"}


def test_end_that_can_not_be_measured() -> None:
    judge = Noisy(line(60), {"c30": 0.1 * LEVEL}, {"c59"}, seed=1, spread=0.001)
    one = search(judge)
    assert one.run() is Outcome.UNDECIDED
    assert one.why == "an end can't be measured"


def test_odds_of_a_boot() -> None:
    ends = Ends.of([100.0, 102.0, 98.0, 100.0], [110.0, 112.0, 108.0, 110.0])
    assert ends.odds(105.0) == pytest.approx(0.0)
    assert ends.odds(108.0) == pytest.approx(-ends.odds(102.0))
    assert 0 < ends.odds(106.0) < ends.odds(109.0) <= MOST_ODDS
    # A boot that is far out on either side says little.
    assert abs(ends.odds(1000.0)) < 1.0
