# SPDX-License-Identifier: GPL-2.0-or-later
"""What comes up to user space: once, whole, and counted where there was no room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from scapy.layers.inet import UDP

from ksuite.dut import ovs_bare, ovs_datapath
from tests.ovs.packets import TAGGED, TCP4, UDP4, UDP6, only
from tests.packets import DATA, IP4

if TYPE_CHECKING:
    from ksuite.campaigns.dut import Dut

pytestmark = pytest.mark.ks_scenario("ovs_function")

LARGE = IP4 / UDP(sport=1000, dport=2000) / (DATA * 45)
FRAMES = [bytes(packet) for packet in (UDP4, TCP4, UDP6, TAGGED, LARGE)]
COOKIE = b"sixteen bytes of"
SMALL_QUEUE_BYTES = 16384
MANY = 64


def test_empty_table_sends_each_packet_up_once(ks_dut: Dut) -> None:
    seen = ks_dut.call(ovs_bare.judge, [], [(1, frame) for frame in FRAMES])
    for frame, one in zip(FRAMES, seen["frames"], strict=True):
        assert one["out"] == {}
        assert [(up["kind"], up["packet"]) for up in one["upcalls"]] == [("miss", frame)]
        assert one["upcalls"][0]["key"]["in_port"] == 1
    counted = seen["datapath"]
    assert (counted["hit"], counted["missed"], counted["lost"]) == (0, len(FRAMES), 0)


@pytest.mark.parametrize("frame", FRAMES, ids=["udp", "tcp", "udp6", "vlan", "large"])
def test_userspace_action_sends_up_with_its_cookie(ks_dut: Dut, frame: bytes) -> None:
    up = ("userspace", ovs_datapath.UPCALL_PORT, COOKIE)
    seen = ks_dut.call(ovs_bare.judge, [((1, frame), [[up, ("output", 2)]])], [(1, frame)])
    one = only(seen["frames"])
    assert one["out"] == {2: [frame]}
    upcall = only(one["upcalls"])
    assert (upcall["kind"], upcall["packet"], upcall["userdata"]) == ("action", frame, COOKIE)
    assert seen["datapath"]["missed"] == 0


def test_truncated_packet_comes_up_truncated(ks_dut: Dut) -> None:
    frame = bytes(LARGE)
    actions = [("trunc", 100), ("userspace", ovs_datapath.UPCALL_PORT, COOKIE)]
    seen = ks_dut.call(ovs_bare.judge, [((1, frame), [actions])], [(1, frame)])
    upcall = only(seen["frames"][0]["upcalls"])
    assert upcall["packet"] == frame[:100]


def test_upcalls_without_room_are_counted_as_lost(ks_dut: Dut) -> None:
    seen = ks_dut.call(ovs_bare.overflow, bytes(LARGE), MANY, SMALL_QUEUE_BYTES)
    counted = seen["datapath"]
    assert counted["missed"] == MANY
    assert 0 < seen["read"] < MANY
    assert seen["whole"] == seen["read"]
    assert counted["lost"] == MANY - seen["read"]
