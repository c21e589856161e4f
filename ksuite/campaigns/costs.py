# SPDX-License-Identifier: GPL-2.0-or-later
"""The costs of base and candidate: measured when first asked for, and kept."""

from __future__ import annotations

import math
import statistics
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ksuite.dut import vhost_loops
from ksuite.errors import DutError, InfrastructureError, KernelFault
from ksuite.measure.cost import Cost, Fingerprint
from ksuite.measure.result import BASE, CANDIDATE, VARIANTS
from ksuite.measure.verdict import Comparison, Threshold, compare

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ksuite.campaigns.dut import Dut
    from ksuite.measure.thresholds import Thresholds

WINDOWS = 5
ROUNDS = 8
TURNS = (BASE, CANDIDATE, BASE, CANDIDATE)


@dataclass(frozen=True, order=True)
class CostRequest:
    """One cost to measure."""

    scenario: str
    frame_bytes: int

    @property
    def name(self) -> str:
        """How reports call it."""
        return f"{self.scenario} {self.frame_bytes} B"


def must_be_windows(answer: Any, name: str) -> None:
    """Refuse what can't be the windows of a cost.

    :param name: the cost's.
    :raises InfrastructureError: a bug of ours, or a DUT that lies.
    """
    numbers = [value for value in answer if isinstance(value, (int, float))]
    good = len(numbers) == len(answer) == WINDOWS
    if not good or not all(0 < value < math.inf for value in numbers):
        raise InfrastructureError(f"{name}: the DUT sent no costs but {answer!r:.200}")


class Costs:
    """What was measured so far.

    Base and candidate are measured in turns. In a restored guest, a turn is a guest of its own, and
    its windows' mean is one value; in one that was booted, each window is.

    :param fingerprint: what a request is measured under.
    :param exact: guests are restored.
    :param jobs: how many of these may run at once.
    :param progress: is told what is going on.
    """

    def __init__(
        self,
        dut: Dut,
        fingerprint: Callable[[CostRequest], Fingerprint],
        *,
        exact: bool,
        jobs: int,
        progress: Callable[[str], None],
    ) -> None:
        self._dut = dut
        self._fingerprint = fingerprint
        self._exact = exact
        self._jobs = jobs
        self._progress = progress
        self._values: dict[CostRequest, dict[str, list[float]]] = {}
        self.faults: dict[str, KernelFault | DutError] = {}

    def compare(
        self, requests: Sequence[CostRequest], thresholds: Thresholds
    ) -> dict[CostRequest, Comparison]:
        """Measure what is not known yet, base first, and compare.

        A variant that breaks is not measured again, and its fault is kept in `faults`; what then
        has no counterpart is missing from the answer.
        """
        missing = [request for request in requests if request not in self._values]
        if missing and not self.faults:
            self._measure(missing)
        return {
            request: self._comparison(request, thresholds.of(request.name, exact=self._exact))
            for request in requests
            if self._whole(request)
        }

    def _measure(self, requests: Sequence[CostRequest]) -> None:
        work = [(variant, request) for variant in TURNS for request in requests]
        # Load can't disturb a restored guest; in one that was booted there is room for one.
        with ThreadPoolExecutor(self._jobs if self._exact else 1) as pool:
            for variant, request, values in pool.map(self._turn, work):
                self._values.setdefault(request, {}).setdefault(variant, []).extend(values)

    def _turn(self, work: tuple[str, CostRequest]) -> tuple[str, CostRequest, list[float]]:
        variant, request = work
        if variant in self.faults:
            return variant, request, []
        self._progress(f"measuring {request.name}: {variant}")
        try:
            return variant, request, self._measured(variant, request)
        except (KernelFault, DutError) as fault:
            self.faults[variant] = fault
            return variant, request, []

    def _measured(self, variant: str, request: CostRequest) -> list[float]:
        windows = self._dut.use_for(
            variant,
            vhost_loops.measure,
            request.scenario,
            request.frame_bytes,
            WINDOWS,
            ROUNDS,
        )
        must_be_windows(windows, request.name)
        return [statistics.mean(windows)] if self._exact else list(windows)

    def _whole(self, request: CostRequest) -> bool:
        values = self._values.get(request, {})
        each = 1 if self._exact else WINDOWS
        return all(len(values.get(name, ())) == TURNS.count(name) * each for name in VARIANTS)

    def _comparison(self, request: CostRequest, threshold: Threshold) -> Comparison:
        base, candidate = (
            Cost(self._fingerprint(request), tuple(self._values[request][variant]))
            for variant in VARIANTS
        )
        return compare(base, candidate, threshold)
