# SPDX-License-Identifier: GPL-2.0-or-later
"""What a packet costs through vhost-net, candidate against base, in closed loops on one CPU.

::

    vhost_tx     ring driver --tx ring--> vhost worker --> tap0 --> host stack

    vhost_rx     packet socket --> tap0 queue --> vhost worker --rx ring--> ring driver

    vhost_echo   packet socket --> tap0 --> vhost --> ring driver --> vhost --> tap0 --> host stack
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.measure.verdict import Verdict

if TYPE_CHECKING:
    from ksuite.measure.verdict import Comparison


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
def test_cost(ks_comparison: Comparison, cost: tuple[str, int]) -> None:
    assert cost[0] == ks_comparison.candidate.fingerprint.scenario
    change = f"{ks_comparison.change:+.2%}, threshold {ks_comparison.threshold:.2%}"
    if ks_comparison.verdict not in {Verdict.PASS, Verdict.IMPROVED}:
        pytest.fail(f"{ks_comparison.verdict}: {change} {ks_comparison.reason}".rstrip())
