# SPDX-License-Identifier: GPL-2.0-or-later
"""What a campaign makes of what is seen, in histories of which all is known."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.campaigns import bisect
from ksuite.campaigns.bisect import Campaign, _as_good
from ksuite.campaigns.checking import CheckJudge
from ksuite.campaigns.judging import Notes
from ksuite.campaigns.quest import Ground, Quest
from ksuite.campaigns.ranges import Range
from ksuite.errors import NothingToCompare, UserError
from ksuite.machines.machine import Clock
from ksuite.measure.finding import PASSES, TOLD_BAD, TOLD_GOOD, Finding, Outcome, Seen
from tests.unit.campaigns.histories import GOOD, Knowing, line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ksuite.campaigns.bisection import Graph

GROUND = Ground("6.1.0-1 (6.1.1-1)")
QUEST = Quest(tree="/tree", good=GOOD, bad="bad", scenario="tc_redirect")


class Revisions:
    how = "nothing"


class Bed:
    """Stands for where costs are measured."""

    exact = True
    guests = guests_beside = 0

    def attribute(self, *_: Any) -> None:
        return None


class Judge(Knowing):
    """Notes what it sees, as a campaign's own does."""

    exact = True
    bed: Any
    notes: Any

    def see(self, revision: str, guests: int = 1) -> Seen:
        known: Seen = self.notes.put(super().see(revision, guests))
        return known

    def runnable(self, revision: str) -> str:
        return revision


@pytest.fixture
def search(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what searches a graph with a judge."""

    def run(
        judge: Judge, quest: Quest = QUEST, bases: tuple[str, ...] = (), **more: Any
    ) -> Finding:
        graph: Graph = judge._graph
        nothing: Any = Revisions()
        found = Range("about", graph, nothing, (), bases, "distro", GROUND, lambda _: "patch")
        judge.bed = Bed()
        judge.bed.exact = quest.clock != "wall"

        @contextmanager
        def ranged(*_: Any) -> Iterator[Range]:
            yield found

        def judging(_revisions: Any, _bed: Any, notes: Any, _progress: Any) -> Judge:
            return checking(None, None, notes)

        def checking(_campaign: Any, _searched: Any, notes: Any) -> Judge:
            judge.notes = notes
            return judge

        monkeypatch.setattr(Campaign, "_range", ranged)
        monkeypatch.setattr(Campaign, "_bed", lambda _: nullcontext(judge.bed))
        monkeypatch.setattr(bisect, "CostJudge", judging)
        monkeypatch.setattr(Campaign, "_check_judge", checking)
        monkeypatch.setattr(bisect, "CheckJudge", Judge if quest.check else CheckJudge)
        return Campaign(quest, {}, **more).run()

    return run


def test_culprit(search: Any) -> None:
    kept = []
    judge = Judge(line(60), {"c20": 60.0})
    found = search(judge, keep=lambda seen, ground: kept.append((set(seen), ground)))
    assert found.outcome is Outcome.CULPRIT
    assert found.steps[0].revision == "c20"
    assert kept[-1] == (set(judge.asked), GROUND)


def test_check_that_changes_where_no_code_does(search: Any) -> None:
    quest = Quest(tree="/tree", good=GOOD, bad="bad", check="test_x")
    assert search(Judge(line(9), {"c3": 1.0}, checks=True), quest).steps[0].revision == "c3"
    with pytest.raises(NothingToCompare, match="does not go by the code alone"):
        search(Judge(line(9, telling=()), {"c3": 1.0}, checks=True), quest)


def test_it_does_not_go_on_on_other_ground(search: Any) -> None:
    with pytest.raises(UserError, match="begin anew"):
        search(Judge(line(60), {}), ground=Ground("6.1.0-0 (6.1.0-1)"))


def test_git_is_told_all_that_was_seen_of_one_culprit(search: Any) -> None:
    told = {name: term for term, name in search(Judge(line(60), {"c20": 60.0})).told}
    assert (told["c19"], told["c20"]) == ("good", "bad")
    assert len(told) > 3


def test_git_is_told_the_largest_of_several_steps_and_nothing_else(search: Any) -> None:
    """On its way revisions are nearer to the one end or the other, for many reasons."""
    found = search(Judge(line(60), {"c10": 60.0, "c50": 90.0}))
    assert found.outcome is Outcome.STEPS
    assert found.told == (("good", "c49"), ("bad", "c50"))


def test_git_is_told_the_culprit_whatever_lies_beside_it(search: Any) -> None:
    """With the others, none of which counts, what is before it is nearer to the bad end."""
    steps = {"c10": 17.4, "c20": 17.4, "c30": 17.4, "c40": 21.0}
    found = search(Judge(line(60), steps), replace(QUEST, drop_percent=0.3))
    assert (found.outcome, found.steps[0].revision) == (Outcome.CULPRIT, "c40")
    assert found.told == (("good", "c39"), ("bad", "c40"))


def test_git_is_told_on_which_side_of_all_suspects_revisions_are(search: Any) -> None:
    """What is before them is nearer to the bad end, by steps that were found."""
    steps = {"c10": 48.0, "c30": 30.0, "c50": 54.0}
    found = search(Judge(line(60), steps, {"c49", "c50"}))
    assert found.outcome is Outcome.SUSPECTS
    assert {name for name, _ in found.suspects} == {"c49", "c50", "c51"}
    assert {one.revision for one in found.steps} == {"c30"}
    assert found.patch == "", "nobody is blamed"
    told = {name: term for term, name in found.told}
    assert {told.pop(name) for name in ("c49", "c50")} == {"skip"}
    assert (told["c48"], told["c51"]) == ("good", "bad")
    assert all((term == "bad") is (int(name[1:]) > 50) for name, term in told.items())


def test_git_is_told_nothing_where_there_is_no_step(search: Any) -> None:
    drift = search(Judge(line(60), dict.fromkeys(line(60).names, 2.0)))
    assert drift.outcome is Outcome.DRIFT
    assert drift.told == ()


SERIES = Quest(series="/a.mbox", scenario="tc_redirect")


def test_each_patch_of_a_series(search: Any) -> None:
    found = search(Judge(line(4), {"c1": 60.0}, {"c2"}), SERIES)
    assert [step.revision for step in found.steps] == ["c0", "c1", "c2+c3"]
    assert [step.difference for step in found.steps] == [0.0, 60.0, 0.0]


def test_series_on_what_can_not_be_measured(search: Any) -> None:
    with pytest.raises(NothingToCompare, match="no cost: skipped: does not compile"):
        search(Judge(line(4), {}, {GOOD}), SERIES)


@pytest.mark.parametrize(
    ("step", "skips", "said"),
    [
        (60.0, set(), "what made the difference is on that branch"),
        (0.0, {"c3"}, "it can't be told whether that is as good, which is measured: skipped"),
    ],
)
def test_good_end_on_a_branch_of_its_own(
    search: Any, step: float, skips: set[str], said: str
) -> None:
    judge = Judge(line(60), {"c2": step, "c40": 90.0}, skips)
    with pytest.raises(NothingToCompare, match=said):
        search(judge, bases=("c3",))


def test_base_that_is_as_good(search: Any) -> None:
    assert search(Judge(line(60), {"c40": 90.0}), bases=("c3",)).outcome is Outcome.CULPRIT


WALL = replace(QUEST, clock=Clock.WALL)


class Noisy(Judge):
    """Boots lie far enough apart that one says nothing."""

    exact = False

    def see(self, revision: str, guests: int = 1) -> Seen:
        known = self.notes.seen.get(revision)
        seen = super().see(revision, max(guests, len(known.costs) if known else 0))
        levels = (1.02, 0.98, 1.01, 0.99) if revision == GOOD else (0.98, 1.02, 0.99, 1.01)
        costs = [
            replace(cost, windows=tuple(one * levels[number % 4] for one in cost.windows))
            for number, cost in enumerate(seen.costs)
        ]
        return replace(seen, costs=tuple(costs))


def test_base_is_booted_until_it_can_be_told(search: Any) -> None:
    with pytest.raises(NothingToCompare, match="can't be told whether that is as good"):
        search(Noisy(line(60), {"c40": 600.0}), WALL, bases=("c3",))
    with pytest.raises(NothingToCompare, match="what made the difference"):
        search(Noisy(line(60), {"c2": 600.0, "c40": 600.0}), WALL, bases=("c3",))
    wide = replace(WALL, drop_percent=10.0)
    assert search(Noisy(line(60), {"c40": 1200.0}), wide, bases=("c3",)).outcome is Outcome.CULPRIT


@pytest.mark.parametrize(
    ("base", "same"), [(TOLD_GOOD, True), (TOLD_BAD, False), ("panic", False), ("skipped", None)]
)
def test_base_of_a_check(base: str, same: bool | None) -> None:
    nothing: Any = None
    judge = CheckJudge(nothing, "test_x", (), (), Notes({"c3": Seen("c3", base)}))
    assert _as_good("c3", judge, Seen(GOOD, PASSES), None) is same


def test_series_is_told_by_the_modules_that_its_cost_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check's own process sees to what can be loaded."""
    asked: list[Any] = []
    monkeypatch.setattr(bisect, "range_of_series", lambda *given: asked.append(given[-1]))
    bed: Any = Bed()
    bed.loaded = lambda _: frozenset()
    for one in (bed, None):
        Campaign(Quest(series="s.mbox", scenario="tc_redirect"), {})._range(one)
    assert asked == [bed.loaded, None]
