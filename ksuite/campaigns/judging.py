# SPDX-License-Identifier: GPL-2.0-or-later
"""Looks at revisions for a bisection, and never twice at what has the same code."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ksuite.errors import (
    DoesNotApply,
    DoesNotBoot,
    DoesNotCompile,
    DutError,
    KernelFault,
    NeedsFullBuild,
    SeriesError,
    UserError,
)
from ksuite.measure.finding import MEASURED, SKIPPED, TOLD_BAD, TOLD_GOOD, Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ksuite.campaigns.bed import Bed
    from ksuite.campaigns.revisions import Revisions, Runnable
    from ksuite.errors import KsuiteError
    from ksuite.measure.cost import Cost

ENDS = {
    DoesNotApply: "does not apply",
    DoesNotCompile: "does not compile",
    DoesNotBoot: "does not boot",
    NeedsFullBuild: "needs a full build",
    DutError: "refused",
}
"""What becomes of a revision that can't be judged, where its kernel did not break."""
BROKEN = "broken"
UNTOLD = frozenset({*ENDS.values(), BROKEN, SKIPPED})
"""What says nothing of a check: it did not run, or not to its end."""
WHOLE = "the others are built as modules, and so it is passed over: --build full builds all whole"
TOLD_CHARACTERS = 4000
SIDES = {TOLD_GOOD: -1, TOLD_BAD: 1}


class Notes:
    """What was seen so far; told on whenever there is more of it.

    :param seen: by an earlier run.
    :param keep: is called with all of it.
    """

    def __init__(
        self, seen: Mapping[str, Seen], keep: Callable[[Mapping[str, Seen]], None] = lambda _: None
    ) -> None:
        self._keep = keep
        self.seen = dict(seen)

    def put(self, seen: Seen) -> Seen:
        """Note what was seen of a revision, and return it."""
        self.seen[seen.revision] = seen
        self._keep(self.seen)
        return seen

    def like(self, revision: str, code: str) -> Seen | None:
        """Return what was seen of another revision with the same code."""
        found = (one for one in self.seen.values() if one.code == code and not one.same_as)
        other = next((one for one in found if one.revision != revision), None)
        return replace(other, revision=revision, same_as=other.revision) if other else None


class CostJudge:
    """Judges revisions by a cost.

    :param bed: where it is measured.
    """

    def __init__(
        self,
        revisions: Revisions,
        bed: Bed,
        notes: Notes,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._revisions = revisions
        self.bed = bed
        self._notes = notes
        self._progress = progress

    def see(self, revision: str, guests: int = 1) -> Seen:
        """Return what a revision costs, in so many guests at least.

        :raises InfrastructureError: it can't be told, and that is not the revision's fault.
        :raises UserError: it can't be compared with what is known.
        """
        known = self._notes.seen.get(revision)
        if known is not None and self._suffices(known, guests):
            return known
        try:
            self._progress(f"building {revision[:12]}")
            runnable = self._revisions.build(revision)
        except (SeriesError, NeedsFullBuild) as error:
            return self._notes.put(unjudged(revision, error))
        if known is None and (like := self._notes.like(revision, runnable.code)):
            known = self._notes.put(like)
            if self._suffices(known, guests):
                return known
        return self._notes.put(self._measured(revision, runnable, known, guests))

    def runnable(self, revision: str) -> Runnable:
        """Return what a revision was built into."""
        return self._revisions.build(revision)

    @property
    def exact(self) -> bool:
        """Whether one look at a revision is as good as many."""
        return self.bed.exact

    def side(self, seen: Seen, good: Seen, bad: Seen) -> int:
        """Return which end a cost is nearer to: 1 bad, -1 good, 0 where there is none."""
        if seen.result in SIDES:
            return SIDES[seen.result]
        if seen.cost is None or good.cost is None or bad.cost is None:
            return 0
        return 1 if abs(seen.cost - bad.cost) < abs(seen.cost - good.cost) else -1

    def _measured(self, revision: str, runnable: Runnable, known: Seen | None, guests: int) -> Seen:
        untold = Seen(revision, MEASURED, code=runnable.code)
        seen = known if known is not None and known.costs else untold
        try:
            while len(seen.costs) < guests:
                self._progress(f"measuring {revision[:12]}")
                cost = self._boot(runnable, seen)
                self._must_compare(cost)
                seen = replace(seen, costs=(*seen.costs, cost))
        except (KernelFault, DutError, DoesNotBoot) as error:
            return unjudged(revision, error, runnable.code)
        return seen

    def _boot(self, runnable: Runnable, seen: Seen) -> Cost:
        """Return one more cost of a revision."""
        repeat = len(seen.costs)
        try:
            return self.bed.measure(runnable, repeat)
        except (KernelFault, DutError, DoesNotBoot) as error:
            if not seen.costs:
                raise
            # It does not break each time, and what was measured of it is not to be lost.
            self._progress(f"measuring {seen.revision[:12]} again: {error}")
            return self.bed.measure(runnable, repeat)

    def _suffices(self, known: Seen, guests: int) -> bool:
        """Say whether nothing more is to be learned: what broke before it was measured stays so."""
        if known.costs:
            return len(known.costs) >= guests
        # Somebody's word is as good as a cost, where one is enough.
        return known.result not in SIDES or (guests == 1 and self.exact)

    def _must_compare(self, cost: Cost) -> None:
        """Refuse a cost that was measured otherwise than those that are known.

        :raises UserError: it says in what.
        """
        known = next((one.costs[0] for one in self._notes.seen.values() if one.costs), cost)
        unlike = [
            f"{name}: {then} then, {now} now"
            for name, now, then in cost.fingerprint.unlike(known.fingerprint)
            if name not in self._revisions.varying
        ]
        if unlike:
            raise UserError(
                "what is known was measured otherwise, and can't be compared with what is measured "
                f"now ({'; '.join(unlike)}): begin anew, without --resume"
            )


def unjudged(revision: str, error: KsuiteError, code: str = "") -> Seen:
    """Return what became of a revision that is neither good nor bad."""
    kind = error.kind if isinstance(error, KernelFault) else _kind(error)
    console = getattr(error, "console", "")
    if isinstance(error, NeedsFullBuild):
        console = WHOLE
    return Seen(revision, kind, why=f"{error}\n{console}".strip()[:TOLD_CHARACTERS], code=code)


def _kind(error: KsuiteError) -> str:
    return next((text for kind, text in ENDS.items() if isinstance(error, kind)), BROKEN)
