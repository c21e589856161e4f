# SPDX-License-Identifier: GPL-2.0-or-later
"""The costs of base and candidate: measured when first asked for, and kept."""

from __future__ import annotations

import reprlib
import statistics
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ksuite.dut import loops, own
from ksuite.dut import shell as dut_shell
from ksuite.dut.sizes import Size
from ksuite.errors import DutError, InfrastructureError, KernelFault
from ksuite.measure.cost import MOST, Cost, Fingerprint
from ksuite.measure.result import BASE, CANDIDATE
from ksuite.measure.verdict import Comparison, Threshold, compare

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ksuite.campaigns.dut import Answer, Dut
    from ksuite.machines.machine import Call
    from ksuite.measure.baseline import Baseline
    from ksuite.measure.thresholds import Thresholds

Fault = KernelFault | DutError
SAYS_NOTHING = "the cost of a packet says nothing"
"""Why costs are skipped on a kernel that looks for bugs."""
WINDOWS = 5
ROUNDS = 8
TURNS = (BASE, CANDIDATE, BASE, CANDIDATE)
BOOTED_TURNS = (BASE, CANDIDATE) * 5
"""In real time no two boots are alike: with fewer, too little is known of how much they differ."""


@dataclass(frozen=True)
class OwnLoop:
    """A loop of somebody's own, which an out-of-tree module's tests bring along.

    :param sources: the text of each file for the DUT, by the name that it is imported by.
    :param module: the one that has the loop.
    :param size: what the size of it is.
    """

    sources: dict[str, str]
    module: str
    batch: int
    version: int
    size: Size


@dataclass(frozen=True, order=True)
class CostRequest:
    """One cost to measure.

    :param size: of what the scenario handles, in its own unit.
    :param own: its loop; None where it is one of ours.
    """

    scenario: str
    size: int
    own: OwnLoop | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """How reports call it."""
        return f"{self.scenario} {self.size} {self._size.unit}"

    @property
    def batch(self) -> int:
        """Packets or rules of a round."""
        return self.own.batch if self.own else loops.batch(self.scenario)

    def call(self, windows: int, rounds: int) -> Call:
        """Return what measures it on the DUT."""
        asked = (self.scenario, self.size, windows, rounds)
        if self.own is None:
            return loops.measure, asked, {}
        return own.measure, (self.own.sources, self.own.module, *asked), {}

    @property
    def topology(self) -> Call:
        """What sets up on the DUT all that it is measured in, and leaves it there."""
        if self.own is None:
            return dut_shell.hold, (self.scenario, self.size), {}
        mine = self.own
        return dut_shell.hold_own, (mine.sources, mine.module, self.scenario, self.size), {}

    @property
    def _size(self) -> Size:
        return self.own.size if self.own else loops.size_of(self.scenario)

    def under(self, conditions: Fingerprint) -> Fingerprint:
        """Return what it is measured under, where all but the scenario is known."""
        return replace(
            conditions,
            scenario=self.scenario,
            scenario_version=self.own.version if self.own else loops.version(self.scenario),
            parameters=(("batch", self.batch), (self._size.name, self.size)),
        )


def must_be_windows(answer: Any, name: str) -> None:
    """Refuse what can't be the windows of a cost.

    :param name: the cost's.
    :raises InfrastructureError: a bug of ours, or a DUT that lies.
    """
    good = isinstance(answer, list) and len(answer) == WINDOWS
    if not good or not all(type(one) is float and 0 < one < MOST for one in answer):
        raise InfrastructureError(f"{name}: the DUT sent no costs but {reprlib.repr(answer)}")


def ask_for_windows(dut: Dut, variant: str, request: CostRequest, repeat: int = 0) -> Answer:
    """Have a guest measure a cost, and return its windows.

    :param repeat: tells several measurements of the same thing from one another.
    :raises KsuiteError: as `Dut.use_for`.
    """
    function, arguments, _ = request.call(WINDOWS, ROUNDS)
    answer = dut.use_for(variant, function, *arguments, repeat=repeat)
    must_be_windows(answer.value, request.name)
    return answer


class Costs:
    """What was measured so far.

    Base and candidate are measured in turns. In a restored guest, a turn is a guest of its own, and
    its windows' mean is one value; in one that was booted, each window is.

    :param fingerprint: what a request is measured under.
    :param exact: guests are restored.
    :param jobs: how many of these may run at once.
    :param progress: is told what is going on.
    :param turns: the variants, in turn; where the base has none, the candidate is measured alone.
    :param boots: each turn gets a guest that is booted for it.
    :param baseline: what stands for the base.
    """

    def __init__(
        self,
        dut: Dut,
        fingerprint: Callable[[CostRequest], Fingerprint],
        *,
        exact: bool,
        jobs: int,
        progress: Callable[[str], None],
        turns: Sequence[str] = TURNS,
        boots: bool = False,
        baseline: Baseline | None = None,
    ) -> None:
        self._dut = dut
        self._fingerprint = fingerprint
        self._exact = exact
        self._jobs = jobs
        self._progress = progress
        self._turns = tuple(turns)
        self._boots = boots
        self._baseline = baseline
        self._values: dict[tuple[str, CostRequest], list[float]] = {}
        self._recalled: set[tuple[str, CostRequest]] = set()
        self._asked: set[CostRequest] = set()
        self._faults: dict[tuple[str, CostRequest], Fault] = {}
        self._booted_for: tuple[str, int] | None = None

    def compare(
        self, requests: Sequence[CostRequest], thresholds: Thresholds
    ) -> dict[CostRequest, Comparison]:
        """Measure what is not known yet, base first, and compare.

        A variant that breaks in a cost's loop is not measured there again, and `fault` tells; what
        then has no counterpart is missing from the answer.
        """
        missing = [request for request in requests if request not in self._asked]
        if missing:
            self._measure(missing)
        return {
            request: self._comparison(request, thresholds.of(request.name, exact=self._exact))
            for request in requests
            if all(self.measured(variant, request) for variant in self._turns)
            and self._has_reference(request)
        }

    def alone(self, request: CostRequest) -> bool:
        """Whether the candidate was measured, and there is nothing to compare it with."""
        return self.measured(CANDIDATE, request) and not self._has_reference(request)

    def cost(self, request: CostRequest) -> Cost:
        """Return the candidate's cost, which must have been measured."""
        return self._cost(CANDIDATE, request)

    def fault(self, variant: str, request: CostRequest) -> Fault | None:
        """Return what a variant broke while a cost was measured on it."""
        return self._faults.get((variant, request))

    def measured(self, variant: str, request: CostRequest) -> bool:
        """Whether all turns of a variant have been measured."""
        each = 1 if self._exact else WINDOWS
        values = self._values.get((variant, request), ())
        return variant in self._turns and len(values) == self._turns.count(variant) * each

    def _measure(self, requests: Sequence[CostRequest]) -> None:
        turns = [
            (variant, self._turns[:turn].count(variant)) for turn, variant in enumerate(self._turns)
        ]
        work = [(variant, request, repeat) for variant, repeat in turns for request in requests]
        # Load can't disturb a restored guest; in one that was booted there is room for one.
        with ThreadPoolExecutor(self._jobs if self._exact else 1) as pool:
            measured = list(pool.map(self._turn, work))
        for (variant, request, _), answer in zip(work, measured, strict=True):
            if answer is not None:
                self._values.setdefault((variant, request), []).extend(answer.value)
                self._recalled |= {(variant, request)} if answer.recalled else set()
        self._asked.update(requests)

    def _turn(self, turn: tuple[str, CostRequest, int]) -> Answer | None:
        variant, request, repeat = turn
        if known := self._known_fault(variant, request):
            self._faults[variant, request] = known
            return None
        if self._boots and self._booted_for != (variant, repeat):
            self._dut.retire()
            self._dut.discard()
            self._booted_for = variant, repeat
        self._progress(f"measuring {request.name}: {variant}")
        try:
            return self._measured(variant, request, repeat)
        except (KernelFault, DutError) as fault:
            self._faults[variant, request] = fault
            return None

    def _known_fault(self, variant: str, request: CostRequest) -> Fault | None:
        if self._exact:
            return self.fault(variant, request)
        # Each fault of a booted guest costs a boot: the first one speaks for all loops.
        return next((fault for (one, _), fault in self._faults.items() if one == variant), None)

    def _measured(self, variant: str, request: CostRequest, repeat: int) -> Answer:
        answer = ask_for_windows(self._dut, variant, request, repeat)
        values = [statistics.mean(answer.value)] if self._exact else list(answer.value)
        return replace(answer, value=values)

    def _comparison(self, request: CostRequest, threshold: Threshold) -> Comparison:
        candidate = self.cost(request)
        if self._baseline is not None:
            return self._baseline.compare(request.name, candidate, threshold)
        return compare(self._cost(BASE, request), candidate, threshold)

    def _has_reference(self, request: CostRequest) -> bool:
        """Whether there is what the candidate is to be compared with."""
        if self._baseline is not None:
            return request.name in self._baseline.costs
        return BASE in self._turns

    def _cost(self, variant: str, request: CostRequest) -> Cost:
        each_its_own = self._exact or self._boots
        return Cost(
            self._fingerprint(request),
            tuple(self._values[variant, request]),
            recalled=(variant, request) in self._recalled,
            guests=self._turns.count(variant) if each_its_own else 1,
        )
