# SPDX-License-Identifier: GPL-2.0-or-later
"""What a packet costs on its way into the guest and back, as a whole and by hop, on one CPU.

::

    generator --> gen ==veth== port -- datapath -- tap0 |  vhost --rx ring--> | driver
    |<------------------------ in --------------------->|<------- rx -------->|<- echo ->|

    host stack <-- gen ==veth== port -- datapath -- tap0 <-- vhost <--tx ring |
    |<------------------------------- out --------------------------------->  |
"""

from __future__ import annotations

from statistics import mean
from typing import TYPE_CHECKING

import pytest

from ksuite.dut import loops
from ksuite.dut.pvp_datapaths import DATAPATHS
from ksuite.dut.pvp_loops import HOPS
from ksuite.measure.verdict import Verdict

if TYPE_CHECKING:
    from ksuite.campaigns.dut import Dut
    from ksuite.measure.verdict import Comparison

WHOLE = (
    ("", 64),
    ("", 1500),
    ("_100_flows", 64),
    ("_10000_flows", 64),
    ("_100_flows_4_pairs", 64),
)
DIFFERENT_HOPS = ("1_in", "4_out")
"""Those that the datapath is in; vhost's rx is the same whatever brought the packet."""
GATED = [
    *((f"pvp_{datapath}{load}", size) for datapath in DATAPATHS for load, size in WHOLE),
    *((f"pvp_{datapath}_hop_{hop}", 64) for datapath in DATAPATHS for hop in DIFFERENT_HOPS),
    ("pvp_tc_hop_2_rx", 64),
]
WINDOWS, ROUNDS = 1, 4
HOPS_ADD_UP = 0.005
"""What the hops' clock takes, and the loop that no hop has."""


@pytest.mark.parametrize(
    "cost",
    [
        pytest.param(
            (loop, size),
            marks=[pytest.mark.ks_cost(loop, size), pytest.mark.ks_scenario(loop)],
            id=f"{loop}-{size}",
        )
        for loop, size in GATED
    ],
)
def test_cost(ks_comparison: Comparison, cost: tuple[str, int]) -> None:
    assert cost[0] == ks_comparison.candidate.fingerprint.scenario
    change = f"{ks_comparison.change:+.2%}, threshold {ks_comparison.threshold:.2%}"
    if ks_comparison.verdict not in {Verdict.PASS, Verdict.IMPROVED}:
        pytest.fail(f"{ks_comparison.verdict}: {change} {ks_comparison.reason}".rstrip())


@pytest.mark.ks_scenario("pvp_function")
@pytest.mark.parametrize("datapath", DATAPATHS)
def test_hops_add_up_to_the_whole(ks_dut: Dut, datapath: str) -> None:
    names = ("", *(f"_hop_{hop}" for hop in HOPS))
    whole, *hops = (
        mean(ks_dut.call(loops.measure, f"pvp_{datapath}{name}", 64, WINDOWS, ROUNDS))
        for name in names
    )
    assert min(hops) > 0
    assert sum(hops) == pytest.approx(whole, rel=HOPS_ADD_UP)
