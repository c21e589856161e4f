# SPDX-License-Identifier: GPL-2.0-or-later
"""Tries ksuite on itself: what it sees that is not there, and the least that it sees.

A kernel is compared with itself, and with one that runs so many instructions more for each packet,
or waits so many nanoseconds in real time; each time in new guests.
"""

from __future__ import annotations

import difflib
import statistics
import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.campaigns.check import Check
from ksuite.campaigns.costs import CostRequest
from ksuite.campaigns.options import CheckOptions, Recall
from ksuite.campaigns.suites import check_scenario
from ksuite.errors import InfrastructureError, UserError
from ksuite.kernels.source import distro_source, unpack
from ksuite.kernels.store import Store
from ksuite.machines.machine import Clock
from ksuite.measure.rivals import RIVALS
from ksuite.measure.verdict import Threshold, Verdict, compare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ksuite.measure.verdict import Comparison

PERCENTS = (0.5, 1.0, 2.0, 5.0)
"""How much slower kernels are made, beside one instruction and none."""
ONE = 1
SLOWED = {
    Clock.INSTRUCTIONS: 'asm volatile(".rept {}; nop; .endr");',
    # Emulated, an instruction takes next to no time or a lot. What a module may call to wait,
    # arch/x86/lib/delay.c, holds on any CPU.
    Clock.WALL: "{{ extern void __ndelay(unsigned long); __ndelay({}); }}",
}
"""What makes a kernel slower, by so many of the clock's units."""


@dataclass(frozen=True)
class Place:
    """Where a packet passes once on its way through a cost's loop.

    :param file: of the kernel.
    :param before: the one line of it before which instructions can be put.
    """

    request: CostRequest
    file: str
    before: str


PLACES = (
    Place(
        CostRequest("vhost_tx", 64),
        "drivers/vhost/vhost.c",
        "\tif ((dev->byte_weight && total_len >= dev->byte_weight) ||\n",
    ),
    Place(
        CostRequest("tc_redirect", 64),
        "net/sched/act_mirred.c",
        "\ttcf_action_update_bstats(&m->common, skb);\n",
    ),
    Place(
        CostRequest("ovs_output", 64),
        "net/openvswitch/actions.c",
        "\t\tif (unlikely(cutlen < skb->len))\n",
    ),
)


@dataclass(frozen=True)
class Trial:
    """What came of comparing a kernel with a slower one, or with itself.

    :param cost: the cost's name.
    :param unit: of what was added.
    :param base: the cost without it.
    :param added: to each packet.
    :param change: the median of what was measured, as a relative change.
    :param runs: how often it was compared.
    :param usual: how often that was a REGRESSION by the usual threshold.
    :param least: how often with a threshold of nothing at all.
    :param different: how often the costs were not the same to the digit.
    :param alarms: how often the usual threshold found a change, for better or worse.
    :param open: how often it could not be told.
    :param rivals: how often others would have called the same samples a regression, by name.
    """

    cost: str
    unit: str
    base: float
    added: int
    change: float
    runs: int
    usual: int
    least: int
    different: int
    clock: Clock = Clock.INSTRUCTIONS
    alarms: int = 0
    open: int = 0
    rivals: dict[str, int] = field(default_factory=dict)

    @property
    def false(self) -> int:
        """How often a change was seen, in a kernel that has none."""
        if self.added:
            return 0
        return self.different if self.clock is Clock.INSTRUCTIONS else self.alarms


def chosen(scenarios: Sequence[str]) -> tuple[Place, ...]:
    """Return the places of some scenarios; all if none is named.

    :raises UserError: one has none.
    """
    for name in scenarios:
        check_scenario(name)
    have = [place.request.scenario for place in PLACES]
    if missing := [name for name in scenarios if name not in have]:
        msg = f"no kernel can be made slower for {', '.join(missing)}; for: {', '.join(have)}"
        raise UserError(msg)
    return tuple(one for one in PLACES if not scenarios or one.request.scenario in scenarios)


def try_out(
    places: Sequence[Place],
    runs: int,
    progress: Callable[[str], None] = lambda _: None,
    clock: Clock = Clock.INSTRUCTIONS,
) -> Iterator[Trial]:
    """Yield, for each place, how it goes without a change, and with a larger and larger one.

    :raises KsuiteError: a kernel can't be built or measured.
    """
    for place in places:
        nothing = _trial(place, 0, runs, progress, clock)
        yield nothing
        sizes = {max(ONE, round(nothing.base * percent / 100)) for percent in PERCENTS}
        # Nobody sees a nanosecond in real time.
        for added in sorted(sizes | ({ONE} if clock is Clock.INSTRUCTIONS else set())):
            yield _trial(place, added, runs, progress, clock)


def _trial(
    place: Place, added: int, runs: int, progress: Callable[[str], None], clock: Clock
) -> Trial:
    seen: list[Comparison] = []
    with tempfile.TemporaryDirectory() as directory:
        series = Path(directory) / "slower.patch"
        options = CheckOptions(str(series), clock=clock, recall=Recall.NEVER, unpatched=not added)
        # A series that is only there to say which modules to build needs some change, too.
        patch = slower(_source(place), place, max(added, ONE), clock)
        series.write_text(patch, encoding="utf-8")
        with Check(options, progress=progress) as check:
            for number in range(runs):
                progress(f"{place.request.name}, +{added}: {number + 1} of {runs}")
                check.bench.forget_costs()
                seen += check.bench.compare_costs([place.request]).values()
    if len(seen) != runs:
        raise InfrastructureError(f"{place.request.name} could not be measured {runs} times")
    return _told(place, added, seen, clock)


def _told(place: Place, added: int, seen: Sequence[Comparison], clock: Clock) -> Trial:
    least = [compare(one.base, one.candidate, Threshold(floor=0.0)).verdict for one in seen]
    usual = [one.verdict for one in seen]
    return Trial(
        cost=place.request.name,
        unit=seen[0].base.unit,
        base=seen[0].base.median,
        added=added,
        change=statistics.median(one.change for one in seen),
        runs=len(seen),
        usual=usual.count(Verdict.REGRESSION),
        least=least.count(Verdict.REGRESSION),
        different=sum(one.difference != 0 for one in seen),
        clock=clock,
        alarms=usual.count(Verdict.REGRESSION) + usual.count(Verdict.IMPROVED),
        open=usual.count(Verdict.INCOMPARABLE),
        rivals={
            name: sum(judge(one.base, one.candidate) for one in seen)
            for name, judge in RIVALS.items()
        },
    )


def _source(place: Place) -> str:
    """Return the distro's source of a place."""
    return (unpack(distro_source(), Store.default()).path / place.file).read_text(encoding="utf-8")


def slower(source: str, place: Place, added: int, clock: Clock = Clock.INSTRUCTIONS) -> str:
    """Return a patch that makes a kernel slower for each packet.

    :param source: the place's file.
    :param added: instructions, or nanoseconds in real time.
    :raises InfrastructureError: the file has no such line, or several.
    """
    if source.count(place.before) != 1:
        raise InfrastructureError(f"{place.file} is not what a selftest knows how to slow down")
    slowed = source.replace(place.before, f"\t{SLOWED[clock].format(added)}\n{place.before}")
    before, after = source.splitlines(keepends=True), slowed.splitlines(keepends=True)
    lines = difflib.unified_diff(before, after, f"a/{place.file}", f"b/{place.file}")
    return "".join(lines)


@dataclass(frozen=True)
class Summary:
    """What trials come to.

    :param compared: how often a kernel was compared with itself.
    :param false: how often it was told from itself: on the instruction clock, whenever it was not
        the same to the digit.
    :param usual: by cost, the smallest change that was a REGRESSION each time.
    :param least: likewise with a threshold of nothing at all.
    :param rivals: likewise by what others go by.
    """

    compared: int
    false: int
    usual: dict[str, Trial]
    least: dict[str, Trial]
    rivals: dict[str, dict[str, Trial]]


def summary(trials: Sequence[Trial]) -> Summary:
    """Return what trials come to."""
    same = [trial for trial in trials if not trial.added]
    return Summary(
        compared=sum(trial.runs for trial in same),
        false=sum(trial.false for trial in same),
        usual=_smallest(trials, lambda trial: trial.usual),
        least=_smallest(trials, lambda trial: trial.least),
        rivals={name: _smallest(trials, partial(_by_rival, name)) for name in RIVALS},
    )


def _by_rival(name: str, trial: Trial) -> int:
    return trial.rivals[name]


def _smallest(trials: Sequence[Trial], seen: Callable[[Trial], int]) -> dict[str, Trial]:
    """Return, by cost, the smallest change that was seen in all of its runs."""
    found: dict[str, Trial] = {}
    for trial in sorted(trials, key=lambda one: one.added):
        if trial.added and seen(trial) == trial.runs:
            found.setdefault(trial.cost, trial)
    return found
