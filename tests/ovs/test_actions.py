# SPDX-License-Identifier: GPL-2.0-or-later
"""Each action alone makes of a packet what it should, to the byte, and nothing comes up.

::

    packet socket --> port 1 --+
                               +-- datapath: one flow, one action --> ports 2, 3 --> packet sockets
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.dut import ovs_bare
from ksuite.dut.ovs_datapath import UPCALL_PORT
from tests.ovs.actions import ACTIONS, OUT, Case
from tests.ovs.packets import UDP4, ipv4, only, udp4

if TYPE_CHECKING:
    from ksuite.campaigns.dut import Dut

pytestmark = pytest.mark.ks_scenario("ovs_function")

TIMES = 3
TELL = ("userspace", UPCALL_PORT)
PLENTY = (1, 1_000_000, 1_000_000)
"""A meter: number, packets a second, burst."""


def test_actions_on_a_packet_from_user_space(ks_dut: Dut) -> None:
    """Carried out at once; there is no flow for it, nor any look-up."""
    ttl = ("set_masked", {"ipv4": ipv4(ttl=9)}, {"ipv4": ipv4(ttl=255)})
    seen = ks_dut.call(ovs_bare.execute, bytes(UDP4), [ttl, ("output", 2)])
    nothing = {"hit": 0, "missed": 0, "flows": 0}
    assert seen == {"out": {2: [bytes(udp4(ttl=9))]}, "datapath": nothing}


@pytest.mark.parametrize("metadata", ["skb_mark", "priority"])
def test_set_of_what_no_byte_tells(ks_dut: Dut, metadata: str) -> None:
    """The key of a packet that goes round has it."""
    frame = bytes(UDP4)
    turns = [[("set", {metadata: 0x1234}), ("recirc", 1)], [TELL, OUT]]
    seen = ks_dut.call(ovs_bare.judge, [((1, frame), turns)], [(1, frame)])
    one = only(seen["frames"])
    assert one["out"] == {2: [frame]}
    told = only(one["upcalls"])["key"]
    assert {name: told[name] for name in ("skb_mark", "priority")} == {
        "skb_mark": 0,
        "priority": 0,
        metadata: 0x1234,
    }


@pytest.mark.parametrize("case", ACTIONS, ids=[case.name for case in ACTIONS])
def test_action(ks_dut: Dut, case: Case) -> None:
    frame = bytes(case.sent)
    seen = ks_dut.call(
        ovs_bare.judge, [((1, frame), case.turns)], [(1, frame)] * TIMES, meters=[PLENTY]
    )
    out = {port: [bytes(packet) for packet in packets] for port, packets in case.out.items()}
    assert seen["frames"] == [{"out": out, "upcalls": []}] * TIMES
    assert None not in seen["learnt"]
    assert [flow["packets"] for flow in seen["learnt"]] == [TIMES] * len(case.turns)
    assert seen["learnt"][0]["bytes"] == TIMES * len(frame)
    counted = seen["datapath"]
    assert (counted["hit"], counted["missed"], counted["lost"]) == (TIMES * len(case.turns), 0, 0)
