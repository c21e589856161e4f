# SPDX-License-Identifier: GPL-2.0-or-later
"""How flows are found: the key that is read out of a packet, masks, and what is dumped of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from scapy.layers.inet import IP
from scapy.layers.inet6 import ICMPv6EchoRequest
from scapy.layers.l2 import Ether

from ksuite.dut import ovs_bare, ovs_lookup
from ksuite.dut.ovs_datapath import UPCALL_PORT
from ksuite.errors import DutError
from tests.ovs.actions import LABEL, LSE
from tests.ovs.packets import (
    DOUBLE_TAGGED,
    ICMP4,
    SCTP4,
    TAGGED,
    TCP4,
    UDP4,
    UDP6,
    WHO_HAS,
    ipv4,
    only,
    tcp4,
    udp4,
)
from tests.packets import DATA, ELSEWHERE, HERE, IP6, THERE

if TYPE_CHECKING:
    from scapy.packet import Packet

    from ksuite.campaigns.dut import Dut

pytestmark = pytest.mark.ks_scenario("ovs_function")

ONES_16 = 0xFFFF
ALL_MAC = "ff:ff:ff:ff:ff:ff"
PRESENT = 0x1000
TO_2 = [("output", 2)]
IP4 = ("10.0.0.1", "10.0.1.1", 17, 0, 64, 0)
V4 = {"eth_type": 0x0800, "ipv4": IP4, "udp": (1000, 2000)}
V6 = ("2001:db8::1", "2001:db8:1::1", 0, 17, 0, 64, 0)
ARP = ("10.0.0.1", "10.0.1.1", 1, HERE, "00:00:00:00:00:00")
KEYS: list[tuple[str, Packet, dict[str, Any]]] = [
    ("udp", UDP4, V4),
    ("udp6", UDP6, {"eth_type": 0x86DD, "ipv6": V6, "udp": (1000, 2000)}),
    ("tcp", TCP4, {"ipv4": ("10.0.0.1", "10.0.1.1", 6, 0, 64, 0), "tcp": (1000, 2000),
                   "tcp_flags": 0x002}),
    ("sctp", SCTP4, {"sctp": (1000, 2000)}),
    ("icmp", ICMP4, {"icmp": (8, 0)}),
    ("icmpv6", IP6 / ICMPv6EchoRequest(id=7) / DATA, {"icmpv6": (128, 0)}),
    ("mpls", LABEL, {"eth_type": 0x8847, "mpls": LSE}),
    ("arp", WHO_HAS, {"eth": (HERE, ALL_MAC), "eth_type": 0x0806, "arp": ARP}),
    ("vlan", TAGGED, {"vlan": PRESENT | 3 << 13 | 100, "eth_type": 0x8100, "encap": V4}),
    ("qinq", DOUBLE_TAGGED, {
        "vlan": PRESENT | 7, "eth_type": 0x88A8,
        "encap": {"vlan": PRESENT | 100, "eth_type": 0x8100, "encap": V4},
    }),
    ("first fragment", udp4(flags="MF"), {"ipv4": ("10.0.0.1", "10.0.1.1", 17, 0, 64, 1)}),
    ("later fragment", udp4(frag=3), {"ipv4": ("10.0.0.1", "10.0.1.1", 17, 0, 64, 2)}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("packet", "key"), [case[1:] for case in KEYS], ids=[case[0] for case in KEYS]
)
def test_key_that_is_read_out_of_a_packet(ks_dut: Dut, packet: Packet, key: dict[str, Any]) -> None:
    """And the flow that is installed under it catches this packet from then on."""
    frame = bytes(packet)
    seen = ks_dut.call(ovs_bare.judge, [((1, frame), [TO_2])], [(1, frame)])
    flow = only(seen["learnt"])
    assert flow is not None
    read = flow["key"]
    common = {"in_port": 1, "recirc_id": 0, "ct_state": 0, "eth": (HERE, THERE)}
    assert read == read | common | key
    assert seen["frames"] == [{"out": {2: [frame]}, "upcalls": []}]


MASKS: list[tuple[str, dict[str, Any], Packet, Packet]] = [
    ("in_port alone", {}, UDP4, UDP6),
    (
        "eth dst", {"eth": ("00:00:00:00:00:00", ALL_MAC)},
        UDP4, Ether(src=HERE, dst=ELSEWHERE) / UDP4[IP],
    ),
    ("eth_type", {"eth_type": ONES_16}, TCP4, UDP6),
    (
        "ipv4 src /24", {"eth_type": ONES_16, "ipv4": ipv4(src="255.255.255.0")},
        udp4(src="10.0.0.200"), udp4(src="10.0.1.1"),
    ),
    (
        "ipv4 dst /31", {"eth_type": ONES_16, "ipv4": ipv4(dst="255.255.255.254")},
        udp4(dst="10.0.1.0"), udp4(dst="10.0.1.2"),
    ),
    (
        "ipv4 ttl", {"eth_type": ONES_16, "ipv4": ipv4(ttl=255)},
        udp4(src="192.0.2.7"), udp4(ttl=63),
    ),
    (
        "udp dst", {"eth_type": ONES_16, "ipv4": ipv4(proto=255), "udp": (0, ONES_16)},
        udp4(7, 2000, src="10.0.0.9"), udp4(1000, 2001),
    ),
    ("protocol", {"eth_type": ONES_16, "ipv4": ipv4(proto=255)}, UDP4, tcp4()),
]  # fmt: skip
"""What is compared besides the port, a packet that is equal there, and one that is not."""
KEY = {"in_port": 1, "eth": (HERE, THERE), **V4}


@pytest.mark.parametrize(
    ("mask", "hit", "miss"), [case[1:] for case in MASKS], ids=[case[0] for case in MASKS]
)
def test_masked_flow(ks_dut: Dut, mask: dict[str, Any], hit: Packet, miss: Packet) -> None:
    """Catches all that is equal under its mask, and nothing else; and is dumped as installed."""
    whole = {"in_port": 0xFFFFFFFF} | mask
    sent = [(1, bytes(hit)), (1, bytes(miss)), (2, bytes(hit))]
    seen = ks_dut.call(ovs_bare.judge, [], sent, installed=[(KEY, whole, [("output", 3)])])
    frames = seen["frames"]
    assert frames[0] == {"out": {3: [bytes(hit)]}, "upcalls": []}
    if mask:
        assert frames[1]["out"] == {}
        assert [upcall["packet"] for upcall in frames[1]["upcalls"]] == [bytes(miss)]
    else:
        assert frames[1]["out"] == {3: [bytes(miss)]}
    assert [upcall["key"]["in_port"] for upcall in frames[2]["upcalls"]] == [2]
    flow = only(seen["flows"])
    assert flow["packets"] == (1 if mask else 2)
    assert flow["key"] == flow["key"] | KEY
    dumped = {
        name: tuple(value) if isinstance(value, (list, tuple)) else value
        for name, value in flow["mask"].items()
        if name in whole
    }
    assert dumped == whole


def test_second_flow_with_the_same_key_is_refused(ks_dut: Dut) -> None:
    mask = {"in_port": 0xFFFFFFFF}
    flows = [(KEY, mask, [("output", 2)]), (KEY, mask, [("output", 3)])]
    with pytest.raises(DutError, match="File exists"):
        ks_dut.call(ovs_bare.judge, [], [], installed=flows)


FLOWS = [bytes(udp4(sport)) for sport in range(1000, 1008)]
TELL = ("userspace", UPCALL_PORT, b"hashed")


def test_hash_tells_flows_apart(ks_dut: Dut) -> None:
    """A flow has one hash, no two flows have the same, and another basis gives others."""
    hashes = []
    for basis in (0, 1):
        turns = [[("hash", 0, basis), ("recirc", 1)], [TELL, ("output", 2)]]
        learnt = [((1, frame), turns) for frame in FLOWS]
        seen = ks_dut.call(ovs_bare.judge, learnt, [(1, frame) for frame in FLOWS * 2])
        told = [only(one["upcalls"])["key"].get("dp_hash", 0) for one in seen["frames"]]
        assert told[: len(FLOWS)] == told[len(FLOWS) :]
        hashes += told[: len(FLOWS)]
    assert len(set(hashes)) == 2 * len(FLOWS)
    assert 0 not in hashes


MANY = 100


def test_second_packet_of_a_flow_needs_one_look_up(ks_dut: Dut) -> None:
    """However many masks there are; the datapath counts it as a hit in its mask cache."""
    seen = ks_dut.call(ovs_lookup.among_masks, bytes(UDP4), MANY, 3)
    assert [one["masks"] for one in seen] == [MANY] * 3
    assert seen[0]["mask_hit"] == MANY
    assert [one["mask_hit"] for one in seen[1:]] == [1, 1]
    assert [one["cache_hit"] for one in seen] == [0, 1, 1]


def test_removed_flow_misses_again(ks_dut: Dut) -> None:
    seen = ks_dut.call(ovs_lookup.come_and_go, bytes(UDP4))
    assert seen == {
        "before": {"missed": 1, "out": 0, "used": False},
        "installed": {"missed": 0, "out": 1, "used": True},
        "removed": {"missed": 1, "out": 0, "used": False},
    }
