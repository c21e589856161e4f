# SPDX-License-Identifier: GPL-2.0-or-later
"""Searching histories in which it is known what each revision costs."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import pytest

from ksuite.campaigns.bisection import Bisection
from ksuite.measure.finding import Outcome
from tests.unit.campaigns.histories import GOOD, LEVEL, Knowing, branching, graph, line

if TYPE_CHECKING:
    from collections.abc import Collection

DROP = 0.003


@pytest.mark.parametrize("culprit", [0, 1, 511, 512, 1022, 1023])
def test_one_culprit_of_a_line_takes_as_many_looks_as_halving_does(culprit: int) -> None:
    revisions = line(1024)
    judge = Knowing(revisions, {f"c{culprit}": 0.01 * LEVEL})
    search = Bisection(revisions, judge, DROP)
    assert search.run() is Outcome.CULPRIT
    [step] = search.steps
    assert (step.revision, step.subject) == (f"c{culprit}", f"subject of c{culprit}")
    assert step.difference == pytest.approx(60.0)
    assert step.repeated
    assert len(judge.asked) <= 2 + 10


def test_only_what_is_telling_is_looked_at() -> None:
    revisions = line(1024, telling=range(0, 1024, 64))
    judge = Knowing(revisions, {"c640": 60.0})
    search = Bisection(revisions, judge, DROP)
    assert search.run() is Outcome.CULPRIT
    assert search.steps[0].revision == "c640"
    assert len(judge.asked) <= 2 + 4 + 1


@pytest.mark.parametrize("seed", range(60))
def test_one_culprit_among_branches(seed: int) -> None:
    revisions = branching(seed, 200)
    culprit = revisions.names[seed * 37 % 200]
    judge = Knowing(revisions, {culprit: 60.0})
    search = Bisection(revisions, judge, DROP)
    assert search.run() is Outcome.CULPRIT
    assert [step.revision for step in search.steps] == [culprit]


def test_ends_that_are_alike_are_not_searched() -> None:
    revisions = line(100)
    judge = Knowing(revisions, {"c7": 0.0029 * LEVEL})
    search = Bisection(revisions, judge, DROP)
    assert search.run() is Outcome.NONE
    assert judge.asked == [GOOD, "c99"]
    assert search.change == pytest.approx(0.0029)


def test_change_for_the_better_is_found_too() -> None:
    revisions = line(100)
    search = Bisection(revisions, Knowing(revisions, {"c33": -100.0}), DROP)
    assert search.run() is Outcome.CULPRIT
    assert search.steps[0].difference == pytest.approx(-100.0)


@pytest.mark.parametrize(
    ("steps", "largest"),
    [
        ({"c10": 60.0, "c90": 61.0}, "c90"),
        ({"c10": 61.0, "c90": 60.0}, "c10"),
        ({"c10": 30.0, "c50": 90.0, "c51": 30.0}, "c50"),
        # It goes past the middle at a small one.
        ({"c10": 55.0, "c50": 25.0, "c90": 58.0}, "c90"),
    ],
)
def test_largest_of_several_steps_is_found(steps: dict[str, float], largest: str) -> None:
    revisions = line(100)
    search = Bisection(revisions, Knowing(revisions, steps), DROP)
    assert search.run() is Outcome.STEPS
    assert search.steps[0].revision == largest
    known = {step.revision: step.difference for step in search.steps}
    assert known == pytest.approx({name: steps[name] for name in known})
    # What was not found yet is somewhere in what is left.
    left = sum(steps.values()) - sum(known.values())
    assert sum(one.change for one in search.open) * LEVEL == pytest.approx(left)
    for stretch in search.open:
        inside = revisions.between(stretch.good, stretch.bad)
        held = [name for name in steps if inside[revisions.names.index(name)]]
        assert held
        assert not set(held) & set(known)


@pytest.mark.parametrize("seed", range(20))
def test_two_steps_on_branches(seed: int) -> None:
    revisions = branching(seed, 150)
    first, second = revisions.names[seed], revisions.names[100 + seed]
    search = Bisection(revisions, Knowing(revisions, {first: 60.0, second: 100.0}), DROP)
    assert search.run() is Outcome.STEPS
    assert search.steps[0].revision == second


def test_drift_is_no_revisions_fault() -> None:
    revisions = line(200)
    judge = Knowing(revisions, dict.fromkeys(revisions.names[::2], 1.0))
    search = Bisection(revisions, judge, DROP)
    assert search.run() is Outcome.DRIFT
    assert search.change == pytest.approx(100 / LEVEL)
    # All that is left is too short to hold a step that counts.
    assert search.open == []
    assert len(judge.asked) < 30


def test_drift_on_a_branch_that_is_merged() -> None:
    """What is merged does not come after the good end of the stretch that the merge is in."""
    side = [f"s{number}" for number in range(60)]
    parents: dict[str, tuple[str, ...]] = {
        name: (([GOOD, *side])[number],) for number, name in enumerate(side)
    }
    main = [f"m{number}" for number in range(40)]
    parents |= {name: (([GOOD, *main])[number],) for number, name in enumerate(main)}
    parents |= {"merge": ("m39", "s59"), "last": ("merge",)}
    revisions = graph(list(parents), parents)
    drifting = Knowing(revisions, dict.fromkeys(side, 2.0))
    search = Bisection(revisions, drifting, DROP)
    assert search.run() is Outcome.DRIFT
    assert search.open == []
    hidden = Knowing(revisions, dict.fromkeys(side, 2.0) | {"s20": 30.0})
    search = Bisection(revisions, hidden, DROP)
    assert search.run() is Outcome.STEPS
    assert search.steps[0].revision == "s20"


def test_step_within_a_drift() -> None:
    revisions = line(200)
    steps = dict.fromkeys(revisions.names[::2], 1.0) | {"c71": 40.0}
    search = Bisection(revisions, Knowing(revisions, steps), DROP)
    assert search.run() is Outcome.STEPS
    assert search.steps[0].revision == "c71"


def test_revisions_that_can_not_be_judged_are_passed_over() -> None:
    revisions = line(100)
    skips = {f"c{number}" for number in range(20, 90) if number not in {54, 55}}
    search = Bisection(revisions, Knowing(revisions, {"c55": 60.0}, skips), DROP)
    assert search.run() is Outcome.CULPRIT
    assert search.steps[0].revision == "c55"


def test_culprit_among_those_that_can_not_be_judged() -> None:
    revisions = line(100)
    search = Bisection(revisions, Knowing(revisions, {"c55": 60.0}, {"c54", "c55", "c56"}), DROP)
    assert search.run() is Outcome.SUSPECTS
    assert search.suspects == ("c54", "c55", "c56", "c57")


def test_check_that_fails() -> None:
    revisions = branching(5, 120)
    judge = Knowing(revisions, {"c60": 1.0}, checks=True)
    search = Bisection(revisions, judge, None)
    assert search.run() is Outcome.CULPRIT
    [step] = search.steps
    assert step.revision == "c60"
    assert math.isnan(step.change)


def test_merge_itself_is_the_culprit() -> None:
    parents = {"a": (GOOD,), "b": (GOOD,), "merge": ("a", "b"), "after": ("merge",)}
    revisions = graph(list(parents), parents)
    search = Bisection(revisions, Knowing(revisions, {"merge": 60.0}), DROP)
    assert search.run() is Outcome.CULPRIT
    assert (search.steps[0].revision, search.steps[0].parent) == ("merge", "a")


def two_branches(length: int, steps: dict[str, float], skips: Collection[str] = ()) -> Bisection:
    """Return a search in two branches that are merged, and go on."""
    parents: dict[str, tuple[str, ...]] = {"root": (GOOD,)}
    for side in "ab":
        names = ["root", *(f"{side}{number}" for number in range(length))]
        parents |= {name: (names[at],) for at, name in enumerate(names[1:])}
    parents |= {"merge": (f"a{length - 1}", f"b{length - 1}"), "last": ("merge",)}
    revisions = graph(list(parents), parents)
    return Bisection(revisions, Knowing(revisions, steps, skips), DROP)


@pytest.mark.parametrize(
    ("steps", "largest"),
    [
        ({"a1": 60.0, "b1": 60.0}, {"a1", "b1"}),
        ({"a1": 60.0, "b3": 70.0}, {"b3"}),
        ({"a1": 70.0, "b3": 60.0}, {"a1"}),
        ({"a1": 60.0, "b1": 60.0, "merge": 80.0}, {"merge"}),
        ({"a1": 60.0, "b1": 60.0, "merge": 30.0}, {"a1", "b1"}),
        ({"root": 40.0, "a1": 60.0, "b1": 60.0}, {"a1", "b1"}),
    ],
)
def test_merge_is_not_blamed_for_what_it_merges(steps: dict[str, float], largest: set[str]) -> None:
    search = two_branches(6, steps)
    assert search.run() is Outcome.STEPS
    assert search.steps[0].revision in largest
    known = {step.revision: step.difference for step in search.steps}
    assert known == pytest.approx({name: steps[name] for name in known})
    left = sum(one.change for one in search.open) * LEVEL
    assert left + sum(known.values()) == pytest.approx(sum(steps.values()), abs=DROP * LEVEL)


def test_what_is_left_goes_on_from_what_comes_before_it() -> None:
    """No revision of one branch comes before the other's."""
    search = two_branches(6, {"a1": 60.0, "b1": 60.0})
    search.run()
    [left] = search.open
    assert left.good in {GOOD, "root"}
    assert left.bad[0] != search.steps[0].revision[0]


def test_branches_that_drift_together() -> None:
    search = two_branches(6, {"a1": 12.0, "b1": 12.0})
    assert search.run() is Outcome.DRIFT
    assert search.steps == []


def test_merge_whose_sides_begin_where_nothing_can_be_measured() -> None:
    """It may be the root, or both branches: nothing tells them apart."""
    search = two_branches(6, {"a1": 60.0, "b1": 60.0}, {"root"})
    assert search.run() is Outcome.SUSPECTS
    assert {"merge", "a1", "b1"} <= set(search.suspects)
    # Where the sides are as the good end there is nothing to be told apart.
    search = two_branches(6, {"merge": 60.0}, {"root"})
    assert search.run() is Outcome.CULPRIT
    assert search.steps[0].revision == "merge"


def test_merge_of_what_was_merged_both_ways() -> None:
    """Its sides begin after two revisions, neither of which comes before the other."""
    parents: dict[str, tuple[str, ...]] = {"a": (GOOD,), "b": (GOOD,), "ab": ("a", "b")}
    parents |= {"ba": ("b", "a"), "left": ("ab",), "right": ("ba",), "last": ("left", "right")}
    revisions = graph(list(parents), parents)
    for steps in ({"a": 20.0, "b": 30.0, "last": 90.0}, {"left": 70.0}, {"a": 60.0}):
        search = Bisection(revisions, Knowing(revisions, steps), DROP)
        assert search.run() in {Outcome.CULPRIT, Outcome.STEPS}
        largest = max(steps, key=lambda name: steps[name])
        assert search.steps[0].revision == largest
        assert search.steps[0].difference == pytest.approx(steps[largest])


def test_culprit_whose_parent_can_not_be_measured() -> None:
    revisions = line(100, telling=[*range(54), 55, *range(60, 100)])
    search = Bisection(revisions, Knowing(revisions, {"c55": 60.0}, {"c54"}), DROP)
    assert search.run() is Outcome.CULPRIT
    [step] = search.steps
    assert step.revision == "c55"
    assert step.difference == pytest.approx(60.0)


def test_parent_that_can_not_be_measured_is_no_reference() -> None:
    parents = {"a": (GOOD,), "b": (GOOD,), "merge": ("a", "b"), "after": ("merge",)}
    revisions = graph(list(parents), parents, frozenset({"b", "merge", "after"}))
    search = Bisection(revisions, Knowing(revisions, {"merge": 60.0}, {"a"}), DROP)
    assert search.run() is not Outcome.DRIFT
    assert "merge" in {*search.suspects, *(step.revision for step in search.steps)}


@pytest.mark.parametrize("seed", range(150))
def test_three_steps_anywhere_among_branches(seed: int) -> None:
    """Whatever else is found of it, each step is one, and none is larger than the largest."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    revisions = branching(1000 + seed, 80)
    steps = {name: chance.uniform(20.0, 90.0) for name in chance.sample(revisions.names, 3)}
    search = Bisection(revisions, Knowing(revisions, steps), DROP)
    assert search.run() in {Outcome.STEPS, Outcome.CULPRIT}
    for step in search.steps:
        assert step.difference == pytest.approx(steps[step.revision])
