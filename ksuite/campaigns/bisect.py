# SPDX-License-Identifier: GPL-2.0-or-later
"""Which revision made it slower, or broke it: ``ksuite bisect``."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.campaigns.bed import Bed
from ksuite.campaigns.bisection import Bisection, Graph
from ksuite.campaigns.checking import CheckJudge
from ksuite.campaigns.judging import SIDES, UNTOLD, CostJudge, Notes
from ksuite.campaigns.quest import Ground, Quest
from ksuite.campaigns.ranges import Range, range_of_series, range_of_tree
from ksuite.campaigns.suites import SUITES, Suite, suites_for
from ksuite.campaigns.wall_bisection import WallBisection
from ksuite.errors import KsuiteError, NothingToCompare
from ksuite.kernels.store import Store
from ksuite.measure.finding import PASSES, TOLD_GOOD, Finding, Outcome, Seen, Step
from ksuite.measure.statistics import FEWEST_GUESTS, ratio_interval
from ksuite.report.git_bisect import BAD, GOOD, SKIP

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

CHEAPER = "the bad end costs less than the good one: they may be swapped"
MOST_PATCH = 20_000
"""Characters of a culprit's patch that a report shows."""


@dataclass(frozen=True)
class Campaign:
    """Bisects.

    :param seen: what is known of revisions from an earlier run, or from somebody else.
    :param keep: is called with all that was seen whenever there is more of it, and on what.
    :param ground: on what it was seen until now, where that is known.
    """

    quest: Quest
    seen: Mapping[str, Seen]
    keep: Callable[[Mapping[str, Seen], Ground], None] = lambda *_: None
    progress: Callable[[str], None] = lambda _: None
    ground: Ground = field(default_factory=Ground)

    def run(self) -> Finding:
        """Search, and return what it comes to.

        :raises KsuiteError: nothing can be searched; each kind has its exit code.
        """
        started = time.monotonic()
        with self._judging() as (searched, judge, notes):
            if isinstance(judge, CheckJudge):
                finding = self._by_check(searched, judge)
            else:
                finding = self._by_cost(searched, judge)
            told = _on_the_way(finding, searched.graph, notes, judge)
        return replace(told, seconds=time.monotonic() - started)

    def judge(self, commit: str) -> int:
        """Return which end a commit is like: 1 bad, -1 good, 0 neither; for ``git bisect run``.

        :param commit: its hash; it need not be between both.
        :raises KsuiteError: it can't be told.
        """
        with self._judging(commit) as (searched, judge, _):
            graph = searched.graph
            good, bad = judge.see(graph.good), judge.see(graph.names[-1])
            _must_be_judged(good, bad, self.quest)
            drop = self.quest.drop
            if drop and good.cost and bad.cost and abs(bad.cost / good.cost - 1) < drop:
                both = f"{good.cost:,.1f} and {bad.cost:,.1f}"
                raise NothingToCompare(f"the ends don't differ by {drop:.2%}: {both}")
            return judge.side(judge.see(commit), good, bad)

    @contextmanager
    def _judging(self, *also: str) -> Iterator[tuple[Range, CostJudge | CheckJudge, Notes]]:
        """Yield what is searched, who judges, and what was seen.

        :param also: commits to be judged that may not be between both ends.
        """
        self.quest.must_make_sense()
        with ExitStack() as stack:
            bed = None if self.quest.check else stack.enter_context(self._bed())
            searched = stack.enter_context(self._range(bed, *also))
            self.ground.must_be(searched.ground)
            notes = Notes(self.seen, lambda seen: self.keep(seen, searched.ground))
            if bed is None:
                yield searched, self._check_judge(searched, notes), notes
            else:
                yield searched, CostJudge(searched.revisions, bed, notes, self.progress), notes

    def _range(self, bed: Bed | None, *also: str) -> AbstractContextManager[Range]:
        quest, store = self.quest, Store.default()
        runs = bed.loaded if bed and bed.exact else None
        if not quest.tree:
            return range_of_series(quest.options, store, self.progress, runs)
        ends = quest.good, quest.bad
        tree = Path(quest.tree)
        return range_of_tree(tree, ends, quest.options, store, self.progress, also, runs)

    def _bed(self) -> Bed:
        quest = self.quest
        [suite] = [one for one in SUITES if quest.scenario in one.scenarios]
        return Bed(quest.options, suite, quest.request, Store.default(), self.progress)

    def _check_judge(self, searched: Range, notes: Notes) -> CheckJudge:
        quest = self.quest
        arguments = ["--ks-timeout", str(quest.timeout_seconds)]
        arguments += ["--ks-config", ",".join(quest.config)] if quest.config else []
        suites: Sequence[Suite] = suites_for(searched.files, quest.scenario)
        return CheckJudge(searched, quest.check, suites, arguments, notes, self.progress)

    def _by_check(self, searched: Range, judge: CheckJudge) -> Finding:
        search = Bisection(searched.graph, judge, None, self.progress)
        empty = self._empty(searched, search.good, search.bad)
        if not self.quest.tree:
            return _each_patch(empty, searched.graph, judge.see)
        _must_be_judged(search.good, search.bad, self.quest)
        if not searched.graph.telling:
            raise NothingToCompare(
                f"{self.quest.check} passes on good and fails on bad, and no revision between them "
                "changes anything of what is compiled: it does not go by the code alone"
            )
        _bases_must_be_good(searched, judge, search.good, None)
        return _found(empty, search.run(), search, searched)

    def _by_cost(self, searched: Range, judge: CostJudge) -> Finding:
        quest, bed = self.quest, judge.bed
        good, bad = (judge.see(one) for one in (searched.graph.good, searched.graph.names[-1]))
        empty = self._empty(searched, good, bad)
        if quest.tree:
            _must_be_judged(good, bad, quest)
            _bases_must_be_good(searched, judge, good, quest.drop)
        if not quest.tree:
            finding = _each_patch(empty, searched.graph, judge.see)
        elif bed.exact:
            search = Bisection(searched.graph, judge, quest.drop, self.progress)
            finding = _found(empty, search.run(), search, searched)
            finding = self._attributed(finding, judge)
        else:
            finding = self._in_real_time(empty, searched, judge)
        return replace(finding, guests=bed.guests, guests_beside=bed.guests_beside)

    def _in_real_time(self, empty: Finding, searched: Range, judge: CostJudge) -> Finding:
        quest = self.quest
        search = WallBisection(
            searched.graph,
            judge,
            quest.drop or 0.0,
            quest.confidence,
            quest.budget_minutes * 60,
            self.progress,
        )
        outcome = search.run()
        subjects = searched.graph.subjects
        found = replace(
            empty,
            outcome=outcome,
            good=search.good,
            bad=search.bad,
            why=search.why,
            suspects=tuple((name, subjects[name]) for name in search.suspects),
            confidence=search.confidence,
        )
        if outcome not in {Outcome.CULPRIT, Outcome.STEPS}:
            return found
        [name] = search.suspects
        parent = search.parent
        step = Step(name, parent, subjects[name], judge.see(parent), judge.see(name))
        return replace(found, steps=(step,), suspects=(), patch=_shown(searched.patch(name)))

    def _attributed(self, finding: Finding, judge: CostJudge) -> Finding:
        if finding.outcome not in {Outcome.CULPRIT, Outcome.STEPS}:
            return finding
        step = finding.steps[0]
        self.progress(f"counting by function: {step.parent[:12]} and {step.revision[:12]}")
        try:
            sides = judge.runnable(step.parent), judge.runnable(step.revision)
            return replace(finding, attribution=judge.bed.attribute(*sides))
        except KsuiteError as error:
            return replace(finding, note=f"not attributed: {error}")

    def _empty(self, searched: Range, good: Seen, bad: Seen) -> Finding:
        return Finding(
            Outcome.NONE,
            searched.about,
            self.quest.what,
            searched.revisions.how,
            self.quest.drop or 0.0,
            good,
            bad,
        )


def _must_be_judged(good: Seen, bad: Seen, quest: Quest) -> None:
    """Refuse ends that there is no way between.

    :raises NothingToCompare: it says why.
    """
    if not quest.check:
        for name, seen in ((quest.good, good), (quest.bad, bad)):
            if seen.cost is None:
                raise NothingToCompare(f"{name} can't be measured: {seen.result}: {seen.why}")
    elif good.result != PASSES:
        raise NothingToCompare(f"{quest.check} does not pass on good {quest.good}: {good.why}")
    elif bad.result == PASSES:
        raise NothingToCompare(f"{quest.check} passes on bad {quest.bad} too: nothing to search")
    elif bad.result in UNTOLD:
        raise NothingToCompare(
            f"{quest.check} does not fail on bad {quest.bad}: {bad.result}: {bad.why}"
        )


def _bases_must_be_good(
    searched: Range, judge: CostJudge | CheckJudge, good: Seen, drop: float | None
) -> None:
    """Refuse a good end that is good because of something that the bad one never had."""
    for base in searched.bases:
        where = f"good is on a branch of its own, which began at {base[:12]}"
        match _as_good(base, judge, good, drop):
            case None:
                raise NothingToCompare(
                    f"{where}: it can't be told whether that is as good, which is {good.result}: "
                    f"{judge.see(base).result}; give a commit that bad has as --good"
                )
            case False:
                raise NothingToCompare(
                    f"{where} and is not as good: what made the difference is on that branch, so "
                    "give that commit as --good"
                )


def _as_good(
    base: str, judge: CostJudge | CheckJudge, good: Seen, drop: float | None
) -> bool | None:
    """Say whether a base is as the good end; None where it can't be told."""
    seen = judge.see(base)
    if seen.result in SIDES:
        return seen.result == TOLD_GOOD
    if drop is None:
        return None if seen.result in UNTOLD else seen.result == good.result
    if seen.cost is None or good.cost is None:
        return None
    if judge.exact:
        return abs(seen.cost / good.cost - 1) < drop
    return _about_as_good(seen, judge, good, drop)


def _about_as_good(
    seen: Seen, judge: CostJudge | CheckJudge, good: Seen, drop: float
) -> bool | None:
    """Say the same where no two boots are alike."""
    for boots in range(1, FEWEST_GUESTS + 1):
        # By turns: the host may do something else later on.
        good, seen = (judge.see(one.revision, boots) for one in (good, seen))
    if len(good.costs) < FEWEST_GUESTS or len(seen.costs) < FEWEST_GUESTS:
        return None
    low, high = ratio_interval(*([cost.windows for cost in one.costs] for one in (good, seen)))
    if -drop <= low - 1 and high - 1 <= drop:
        return True
    return False if low - 1 > drop or high - 1 < -drop else None


def _each_patch(empty: Finding, graph: Graph, see: Callable[[str], Seen]) -> Finding:
    """Return what each patch of a series costs by itself.

    :raises NothingToCompare: there is no cost to begin with.
    """
    if empty.good.cost is None and empty.drop:
        told = f"{empty.good.result}: {empty.good.why}"
        raise NothingToCompare(f"without the patches there is no cost: {told}")
    steps, before = [], empty.good
    pending: list[str] = []
    for name in graph.names:
        seen = see(name)
        pending.append(name)
        if seen.cost is None and empty.unit:
            # It can only be told together with the next one that can be measured.
            continue
        subject = "; ".join(graph.subjects[one] for one in pending)
        steps.append(Step("+".join(pending), before.revision, subject, before, seen))
        before, pending = seen, []
    why = f"nothing is known of {', '.join(pending)}" if pending else ""
    return replace(empty, outcome=Outcome.SERIES, steps=tuple(steps), why=why)


def _found(empty: Finding, outcome: Outcome, search: Bisection, searched: Range) -> Finding:
    subjects = searched.graph.subjects
    is_told = outcome in {Outcome.CULPRIT, Outcome.STEPS} and search.steps
    first = search.steps[0].revision if is_told else ""
    return replace(
        empty,
        outcome=outcome,
        good=search.good,
        bad=search.bad,
        steps=tuple(search.steps),
        stretches=tuple(search.open),
        suspects=tuple((name, subjects[name]) for name in search.suspects),
        why=CHEAPER if outcome is not Outcome.NONE and search.change < 0 else "",
        patch=_shown(searched.patch(first)) if first else "",
    )


def _on_the_way(
    finding: Finding, graph: Graph, notes: Notes, judge: CostJudge | CheckJudge
) -> Finding:
    """Return a finding with all that was seen on the way to it."""
    order = {name: place for place, name in enumerate(graph.names)}
    seen = sorted(notes.seen.values(), key=lambda one: order.get(one.revision, -1))
    return replace(
        finding,
        seen=tuple(seen),
        subjects={one.revision: graph.subjects.get(one.revision, "") for one in seen},
        order={one.revision: order.get(one.revision, -1) for one in seen},
        told=tuple(
            (term, name)
            for term, name in _told(finding, graph, notes, judge)
            if name in order and name not in {finding.good.revision, finding.bad.revision}
        ),
        commits=len(graph.names),
        telling=len(graph.telling),
    )


def _told(
    finding: Finding, graph: Graph, notes: Notes, judge: CostJudge | CheckJudge
) -> Iterator[tuple[str, str]]:
    """Yield what git is told of revisions, so that it comes to the same.

    git knows one step, and two sides of it. Where there are others, however small, a revision may
    be nearer to the other end than the one that it is on the side of.
    """
    terms = {1: BAD, -1: GOOD, 0: SKIP}
    one_step = finding.outcome in {Outcome.CULPRIT, Outcome.SUSPECTS} and judge.exact
    seen = {name: one for name, one in notes.seen.items() if one_step and name in graph.names}
    sides = {name: judge.side(one, finding.good, finding.bad) for name, one in seen.items()}
    blamed = [name for name, _ in finding.suspects] or [one.revision for one in finding.steps[:1]]
    has = {name: _has(graph, name, blamed) if side else 0 for name, side in sides.items()}
    if finding.outcome is Outcome.SUSPECTS or (one_step and has == sides):
        yield from ((terms[side], name) for name, side in has.items())
    elif finding.outcome in {Outcome.CULPRIT, Outcome.STEPS}:
        step = finding.steps[0]
        yield from ((GOOD, step.parent), (BAD, step.revision))


def _has(graph: Graph, name: str, blamed: Sequence[str]) -> int:
    """Return 1 where a revision has all of some others, -1 where it has none, else 0."""
    place = {one: number for number, one in enumerate(graph.names)}
    held = [bool(graph.holds[place[name], place[one]]) for one in blamed]
    return 1 if all(held) else 0 if any(held) else -1


def _shown(patch: str) -> str:
    return patch if len(patch) <= MOST_PATCH else f"{patch[:MOST_PATCH]}\n(cut off here)\n"
