# SPDX-License-Identifier: GPL-2.0-or-later
"""What a packet costs through vhost-net, candidate against base, in closed loops on one CPU.

::

    vhost_tx     ring driver --tx ring--> vhost worker --> tap0 --> host stack

    vhost_rx     packet socket --> tap0 queue --> vhost worker --rx ring--> ring driver

    vhost_echo   packet socket --> tap0 --> vhost --> ring driver --> vhost --> tap0 --> host stack
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ksuite.measure.verdict import Verdict

if TYPE_CHECKING:
    from ksuite.measure.verdict import Comparison


class ReplayedClock:
    """A timer for pytest-benchmark that moves by what the DUT's clock measured."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def read(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


CLOCK = ReplayedClock()


@pytest.mark.benchmark(timer=CLOCK.read)
@pytest.mark.parametrize(
    "cost",
    [
        pytest.param(
            (loop, size),
            marks=[pytest.mark.ks_cost(loop, size), pytest.mark.ks_scenario(loop)],
            id=f"{loop}-{size}",
        )
        for loop in ("vhost_tx", "vhost_rx", "vhost_echo")
        for size in (64, 1500)
    ],
)
def test_cost(ks_comparison: Comparison, benchmark: Any, cost: tuple[str, int]) -> None:
    assert cost[0] == ks_comparison.candidate.fingerprint.scenario
    report_to(benchmark, ks_comparison)
    change = f"{ks_comparison.change:+.2%}, threshold {ks_comparison.threshold:.2%}"
    if ks_comparison.verdict not in {Verdict.PASS, Verdict.IMPROVED}:
        pytest.fail(f"{ks_comparison.verdict}: {change} {ks_comparison.reason}".rstrip())


def report_to(benchmark: Any, comparison: Comparison) -> None:
    """Hand the candidate's windows to pytest-benchmark as seconds per packet."""
    candidate = comparison.candidate
    windows = iter(candidate.windows)
    benchmark.pedantic(
        lambda: CLOCK.advance(next(windows) * 1e-9), rounds=len(candidate.windows), iterations=1
    )
    benchmark.extra_info.update(
        clock=str(candidate.fingerprint.clock),
        unit=candidate.unit,
        spread=candidate.spread,
        base_median=comparison.base.median,
        base_spread=comparison.base.spread,
        change=comparison.change,
        verdict=str(comparison.verdict),
    )
