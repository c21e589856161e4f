# SPDX-License-Identifier: GPL-2.0-or-later
"""Searching histories in which it is known what each revision costs."""

from __future__ import annotations

import math

import pytest

from ksuite.campaigns.bisection import Bisection
from ksuite.measure.finding import Outcome
from tests.unit.campaigns.histories import GOOD, LEVEL, Knowing, branching, graph, line

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
