# SPDX-License-Identifier: GPL-2.0-or-later
"""Tries ksuite on itself: what it sees that is not there, and the least that it sees.

A kernel is compared with itself, and with one that runs so many instructions more for each packet,
each time in new guests.
"""

from __future__ import annotations

import difflib
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.campaigns.check import Check
from ksuite.campaigns.costs import CostRequest
from ksuite.campaigns.options import CheckOptions, Recall
from ksuite.campaigns.suites import check_scenario
from ksuite.errors import InfrastructureError, UserError
from ksuite.kernels.source import distro_source, unpack
from ksuite.kernels.store import Store
from ksuite.measure.verdict import Threshold, Verdict, compare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ksuite.measure.verdict import Comparison

PERCENTS = (0.5, 1.0, 2.0, 5.0)
"""How much slower kernels are made, beside one instruction and none."""
ONE = 1


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
    places: Sequence[Place], runs: int, progress: Callable[[str], None] = lambda _: None
) -> Iterator[Trial]:
    """Yield, for each place, how it goes without a change, and with more and more instructions.

    :raises KsuiteError: a kernel can't be built or measured.
    """
    for place in places:
        nothing = _trial(place, 0, runs, progress)
        yield nothing
        sizes = sorted({ONE, *(round(nothing.base * percent / 100) for percent in PERCENTS)})
        for instructions in sizes:
            yield _trial(place, instructions, runs, progress)


def _trial(place: Place, instructions: int, runs: int, progress: Callable[[str], None]) -> Trial:
    seen: list[Comparison] = []
    with tempfile.TemporaryDirectory() as directory:
        series = Path(directory) / "slower.patch"
        options = CheckOptions(str(series), recall=Recall.NEVER, unpatched=instructions == 0)
        # A series that is only there to say which modules to build needs some change, too.
        series.write_text(slower(_source(place), place, max(instructions, ONE)), encoding="utf-8")
        with Check(options, progress=progress) as check:
            for number in range(runs):
                progress(f"{place.request.name}, +{instructions}: {number + 1} of {runs}")
                check.bench.forget_costs()
                seen += check.bench.compare_costs([place.request]).values()
    if len(seen) != runs:
        raise InfrastructureError(f"{place.request.name} could not be measured {runs} times")
    return _told(place, instructions, seen)


def _told(place: Place, instructions: int, seen: Sequence[Comparison]) -> Trial:
    least = [compare(one.base, one.candidate, Threshold(floor=0.0)).verdict for one in seen]
    usual = [one.verdict for one in seen]
    return Trial(
        cost=place.request.name,
        unit=seen[0].base.unit,
        base=seen[0].base.median,
        added=instructions,
        change=statistics.median(one.change for one in seen),
        runs=len(seen),
        usual=usual.count(Verdict.REGRESSION),
        least=least.count(Verdict.REGRESSION),
        different=sum(one.difference != 0 for one in seen),
    )


def _source(place: Place) -> str:
    """Return the distro's source of a place."""
    return (unpack(distro_source(), Store.default()) / place.file).read_text(encoding="utf-8")


def slower(source: str, place: Place, instructions: int) -> str:
    """Return a patch that adds instructions for each packet.

    :param source: the place's file.
    :raises InfrastructureError: the file has no such line, or several.
    """
    if source.count(place.before) != 1:
        raise InfrastructureError(f"{place.file} is not what a selftest knows how to slow down")
    added = f'\tasm volatile(".rept {instructions}; nop; .endr");\n'
    slowed = source.replace(place.before, added + place.before)
    before, after = source.splitlines(keepends=True), slowed.splitlines(keepends=True)
    lines = difflib.unified_diff(before, after, f"a/{place.file}", f"b/{place.file}")
    return "".join(lines)


@dataclass(frozen=True)
class Summary:
    """What trials come to.

    :param compared: how often a kernel was compared with itself.
    :param false: how often it was not the same to the digit.
    :param usual: by cost, the smallest change that was a REGRESSION each time.
    :param least: likewise with a threshold of nothing at all.
    """

    compared: int
    false: int
    usual: dict[str, Trial]
    least: dict[str, Trial]


def summary(trials: Sequence[Trial]) -> Summary:
    """Return what trials come to."""
    same = [trial for trial in trials if not trial.added]
    usual: dict[str, Trial] = {}
    least: dict[str, Trial] = {}
    for trial in sorted(trials, key=lambda one: one.added):
        if trial.added and trial.usual == trial.runs:
            usual.setdefault(trial.cost, trial)
        if trial.added and trial.least == trial.runs:
            least.setdefault(trial.cost, trial)
    false = sum(trial.different for trial in same)
    return Summary(sum(trial.runs for trial in same), false, usual, least)
