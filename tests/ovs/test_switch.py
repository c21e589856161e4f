# SPDX-License-Identifier: GPL-2.0-or-later
"""The same OpenFlow rules on both in-kernel datapaths: the same frames, from where they should be.

::

    packet socket --> port 1 -- br0 of a real ovs-vswitchd -- ports 2, 3 --> packet sockets
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ksuite.dut import ovs_openflow
from tests.ovs.openflow import RULES, Rule
from tests.ovs.packets import UDP4

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ksuite.campaigns.bench import Bench
    from ksuite.campaigns.dut import Dut

pytestmark = pytest.mark.ks_scenario("ovs_function")

MODULE, TC = "ovs", "tc"
"""How the switch's dump calls the two datapaths."""
RECIRCULATION = "NET_TC_SKB_EXT"
"""With it, TC takes a packet up where OVS has left it, and the other way about."""
PARTS = 3
TIMES = 3
IDLE_MS = 500
DEBUGGING = 20
"""How many times longer a flow must last on a kernel with KASAN and lockdep, where a command that
looks for it takes seconds to start."""
FRAME = bytes(UDP4)


def wanted(rule: Rule) -> list[dict[int, list[bytes]]]:
    """Return what comes out for each frame, by port."""
    return [
        {port: [bytes(packet) for packet in packets] for port, packets in out.items()}
        for out in rule.out
    ]


def sent(rule: Rule) -> list[tuple[int, bytes, int]]:
    """Return what goes into port 1, and how many packets come out for each."""
    due = [sum(map(len, out.values())) for out in rule.out]
    return [(1, bytes(packet), count) for packet, count in zip(rule.sent, due, strict=True)]


def trouble(rule: Rule, seen: dict[str, Any], datapath: str, options: Sequence[str]) -> list[str]:
    """Return what is not as it should be on a kernel with these options."""
    found = [
        f"time {number}: {out} for {wanted(rule)}"
        for number, out in enumerate(seen["out"])
        if out != wanted(rule)
    ]
    flows = seen["flows"]
    left_to_module = rule.recirculates and RECIRCULATION not in options
    there = MODULE if left_to_module else datapath
    if {where for _, where, _ in flows} != {there} or len(flows) != rule.expected_flows:
        found.append(f"flows: {flows}")
    # The first packet of a flow takes the way through the switch's own process.
    look_ups = TIMES * len(rule.sent) * (2 if rule.recirculates else 1)
    counted = [packets for packets, _, _ in flows]
    if 0 in counted or sum(counted) < look_ups - rule.expected_flows:
        found.append(f"packets by flow: {flows}")
    return [f"{rule.name}: {text}" for text in found]


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("datapath", [MODULE, TC])
def test_same_rules_on(ks_bench: Bench, ks_dut: Dut, datapath: str, part: int) -> None:
    """Rules that are tried on one switch, one after the other: not all, or it would take long."""
    chosen = RULES[part::PARTS]
    rules = [(rule.flows, sent(rule), rule.expected_flows) for rule in chosen]
    seen = ks_dut.call(ovs_openflow.judge, rules, TIMES, on_tc=datapath == TC)
    options = ks_bench.prepared.kernel_options
    judged = zip(chosen, seen, strict=True)
    assert [text for rule, one in judged for text in trouble(rule, one, datapath, options)] == []


@pytest.mark.parametrize("datapath", [MODULE, TC])
def test_unused_flow_expires_and_comes_back(ks_bench: Bench, ks_dut: Dut, datapath: str) -> None:
    rule = "in_port=1,actions=output:2"
    idle_ms = IDLE_MS * (DEBUGGING if ks_bench.prepared.debugs else 1)
    seen = ks_dut.call(ovs_openflow.expire, rule, FRAME, idle_ms, on_tc=datapath == TC)
    assert seen == {"out": [{2: [FRAME]}] * 3, "flows": [1, 0, 1]}
