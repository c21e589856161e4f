# SPDX-License-Identifier: GPL-2.0-or-later
"""What a packet costs through the Open vSwitch datapath, candidate against base, on one CPU.

::

    packet socket --> gen ==veth== port 1 -- datapath: one flow --> port 2: out (a dummy)
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
        for loop, size in (
            ("ovs_output", 64),
            ("ovs_output", 1500),
            ("ovs_set", 64),
            ("ovs_push_vlan", 64),
            ("ovs_recirc", 64),
            ("ovs_ct", 64),
            ("ovs_masks", 64),
        )
    ],
)
def test_cost(ks_comparison: Comparison, cost: tuple[str, int]) -> None:
    assert cost[0] == ks_comparison.candidate.fingerprint.scenario
    change = f"{ks_comparison.change:+.2%}, threshold {ks_comparison.threshold:.2%}"
    if ks_comparison.verdict not in {Verdict.PASS, Verdict.IMPROVED}:
        pytest.fail(f"{ks_comparison.verdict}: {change} {ks_comparison.reason}".rstrip())
