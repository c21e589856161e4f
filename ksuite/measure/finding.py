# SPDX-License-Identifier: GPL-2.0-or-later
"""What a bisection has seen of revisions, and what it comes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from statistics import fmean

from ksuite.measure.attribution import Attribution
from ksuite.measure.cost import Cost
from ksuite.plain import Plain

MEASURED, PASSES, FAILS, TOLD_GOOD, TOLD_BAD, SKIPPED = (
    "measured",
    "passes",
    "fails",
    "good",
    "bad",
    "skipped",
)
"""How a revision turned out; one that can't be judged says what became of it: ``panic``, ..."""


@dataclass(frozen=True)
class Seen(Plain):
    """What was seen of one revision.

    :param revision: its name: a commit's hash, or a number of patches.
    :param result: one word or a few; see `MEASURED` and the others.
    :param costs: one for each guest that it was measured in.
    :param why: it could not be judged, or how it failed.
    :param code: of what it was built into; empty if it was not.
    :param same_as: the revision with the same code that was judged in its place.
    """

    revision: str
    result: str
    costs: tuple[Cost, ...] = ()
    why: str = ""
    code: str = ""
    same_as: str = ""

    @property
    def cost(self) -> float | None:
        """The cost of a packet; None where it was not measured.

        Restored guests are all alike, and it is the mean of the first one's windows; of booted ones
        it is the mean of all their medians.
        """
        if not self.costs:
            return None
        first = self.costs[0]
        restored = first.fingerprint.restored
        return fmean(first.windows if restored else [boot.median for boot in self.costs])


@dataclass(frozen=True)
class Step:
    """A change between a revision and the one before it.

    :param revision: the first that has it.
    :param parent: the one before it: of a merge's parents, the one that is most like it.
    :param subject: what its author calls it.
    :param brought: what of the difference a merge's other parents have brought along.
    """

    revision: str
    parent: str
    subject: str
    before: Seen
    after: Seen
    brought: float = 0.0

    @property
    def difference(self) -> float:
        """What it adds itself, in the cost's unit; NaN where no cost was measured."""
        before, after = self.before.cost, self.after.cost
        if before is None or after is None:
            return float("nan")
        return after - before - self.brought

    @property
    def change(self) -> float:
        """The same relative to what was before it."""
        return self.difference / self.before.cost if self.before.cost else float("nan")

    @property
    def repeated(self) -> bool:
        """Whether both sides were measured again, and gave the same to the last digit."""
        return all(
            len(one.costs) > 1 and len({cost.windows for cost in one.costs}) == 1
            for one in (self.before, self.after)
        )


@dataclass(frozen=True)
class Stretch:
    """Revisions that were not searched further.

    :param good: the last before it.
    :param bad: the last of it.
    :param change: between both, relative to the good one's cost.
    :param commits: how many there are.
    """

    good: str
    bad: str
    change: float
    commits: int


class Outcome(StrEnum):
    """What a bisection comes to."""

    CULPRIT = "culprit"
    """One revision has it all, or all of it that counts."""
    STEPS = "steps"
    """Several revisions have a part each."""
    DRIFT = "drift"
    """No revision by itself changes as much as counts, but all together do."""
    NONE = "none"
    """Both ends are alike."""
    SUSPECTS = "suspects"
    """One of several revisions, which can't be told apart."""
    UNDECIDED = "undecided"
    """Noise, and the time that was given is spent."""
    SERIES = "series"
    """Each patch has what it costs by itself."""


@dataclass(frozen=True)
class Finding:
    """The result of a bisection.

    :param about: what was searched: a tree and its ends, or a series.
    :param what: the cost's name, or the check's.
    :param how: what each revision was built into, and why.
    :param drop: the smallest relative change that counts; 0 for a check.
    :param good: what was seen of the good end.
    :param steps: the largest first; of a series, in order.
    :param stretches: what may hold more of it.
    :param suspects: names and subjects, the likeliest first.
    :param seen: all that was seen, in the order of the history.
    :param subjects: of all revisions that were seen.
    :param order: the place in the history of each.
    :param commits: how many revisions the range has.
    :param telling: how many of them may have made a difference.
    :param confidence: that the culprit or one of the suspects is it.
    :param why: in words.
    :param patch: the culprit's, as git shows it.
    :param told: good, bad or skip, and a revision, in the order in which they were looked at.
    :param note: why it was not followed to functions.
    :param guests: that were started to measure revisions.
    :param guests_beside: that were started to see what is loaded, and to count by function.
    """

    outcome: Outcome
    about: str
    what: str
    how: str
    drop: float
    good: Seen
    bad: Seen
    steps: tuple[Step, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    suspects: tuple[tuple[str, str], ...] = ()
    seen: tuple[Seen, ...] = ()
    subjects: dict[str, str] = field(default_factory=dict)
    order: dict[str, int] = field(default_factory=dict)
    commits: int = 0
    telling: int = 0
    confidence: float = 1.0
    why: str = ""
    patch: str = ""
    attribution: Attribution | None = None
    told: tuple[tuple[str, str], ...] = ()
    note: str = ""
    guests: int = 0
    guests_beside: int = 0
    seconds: float = 0.0

    @property
    def change(self) -> float:
        """Between both ends, relative to the good one; NaN for a check."""
        good, bad = self.good.cost, self.bad.cost
        return bad / good - 1 if good and bad is not None else float("nan")

    @property
    def unit(self) -> str:
        """Of the costs."""
        return self.good.costs[0].unit if self.good.costs else ""
