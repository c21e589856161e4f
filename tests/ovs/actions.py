# SPDX-License-Identifier: GPL-2.0-or-later
"""The matrix of actions, as data: what goes in, and what must come out of which port."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scapy.contrib.mpls import MPLS
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.layers.sctp import SCTP
from scapy.packet import Packet

from tests.ovs.packets import (
    DOUBLE_TAGGED,
    SCTP4,
    TAGGED,
    TCP4,
    UDP4,
    UDP6,
    ipv4,
    tcp4,
    tcp6,
    udp4,
    udp6,
)
from tests.packets import DATA, ELSEWHERE, ETHER, HERE, THERE

Actions = list[tuple[Any, ...]]
OUT = ("output", 2)
ALWAYS, NEVER = 0xFFFFFFFF, 0
PRESENT = 0x1000
"""VLAN_CFI_MASK: user space sets it in a tag that is there."""
MPLS_ETHER = Ether(src=HERE, dst=THERE, type=0x8847)
LABEL = MPLS_ETHER / MPLS(label=100, cos=5, s=1, ttl=64) / UDP4[IP]
LSE = (100 << 12) | (5 << 9) | (1 << 8) | 64
"""RFC 3032: label, traffic class, bottom of stack, time to live."""
NO_IP6 = ("::", "::", 0, 0, 0, 0, 0)
ALL_4 = "255.255.255.255"
NO_MACS = ("00:00:00:00:00:00", "00:00:00:00:00:00")
ALL_MAC = "ff:ff:ff:ff:ff:ff"
ALL_6 = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"


@dataclass(frozen=True)
class Case:
    """One action, or a chain of them.

    :param turns: what is done at the first miss, and at each that comes of that.
    :param sent: what goes into port 1.
    :param out: what comes out, by port.
    """

    name: str
    turns: tuple[Actions, ...]
    sent: Packet
    out: dict[int, tuple[Packet, ...]] = field(default_factory=dict)


def one(name: str, actions: Actions, sent: Packet, out: Packet) -> Case:
    """Return a case of a frame that is changed and put out of port 2."""
    return Case(name, ([*actions, OUT],), sent, {2: (out,)})


def _masked(field_name: str, position: int, value: Any, ones: Any, nothing: Any) -> Actions:
    """Return the action that sets one part of a field, and leaves the others."""
    parts, mask = list(nothing), list(nothing)
    parts[position], mask[position] = value, ones
    return [("set_masked", {field_name: tuple(parts)}, {field_name: tuple(mask)})]


def _ip4(position: int, value: Any, ones: Any) -> Actions:
    return _masked("ipv4", position, value, ones, ipv4())


def _ip6(position: int, value: Any, ones: Any) -> Actions:
    return _masked("ipv6", position, value, ones, NO_IP6)


def _without_checksum(packet: Packet) -> Packet:
    """Return a UDP packet whose checksum is none (RFC 768)."""
    packet[UDP].chksum = 0
    return packet


PORTS = (0, 0)
SET = [
    one(
        "set eth", [("set", {"eth": (THERE, ELSEWHERE)})],
        UDP4, Ether(src=THERE, dst=ELSEWHERE) / UDP4[IP],
    ),
    one(
        "set eth dst", _masked("eth", 1, ELSEWHERE, ALL_MAC, NO_MACS),
        UDP4, Ether(src=HERE, dst=ELSEWHERE) / UDP4[IP],
    ),
    one("set ipv4 src", _ip4(0, "192.0.2.1", ALL_4), UDP4, udp4(src="192.0.2.1")),
    one("set ipv4 dst", _ip4(1, "192.0.2.2", ALL_4), UDP4, udp4(dst="192.0.2.2")),
    one("set ipv4 src /16", _ip4(0, "192.0.0.0", "255.255.0.0"), UDP4, udp4(src="192.0.0.1")),
    one("set ipv4 tos", _ip4(3, 0x48, 0xFF), UDP4, udp4(tos=0x48)),
    one("set ipv4 ttl", _ip4(4, 9, 0xFF), UDP4, udp4(ttl=9)),
    one(
        "set ipv4 of tcp", _ip4(0, "192.0.2.1", ALL_4),
        TCP4, tcp4(src="192.0.2.1"),
    ),
    one(
        "set ipv6 src", _ip6(0, "2001:db8::9", ALL_6),
        UDP6, udp6(src="2001:db8::9"),
    ),
    one(
        "set ipv6 dst", _ip6(1, "2001:db8::9", ALL_6),
        UDP6, udp6(dst="2001:db8::9"),
    ),
    one(
        "set ipv6 hlimit", _ip6(5, 3, 0xFF),
        UDP6, udp6(hlim=3),
    ),
    one(
        "set ipv6 label", _ip6(2, 0x12345, 0xFFFFF),
        UDP6, udp6(fl=0x12345),
    ),
    one(
        "set udp", [("set", {"udp": (3000, 4000)})],
        UDP4, udp4(3000, 4000),
    ),
    one(
        "set udp dst", _masked("udp", 1, 4000, 0xFFFF, PORTS),
        UDP6, udp6(dport=4000),
    ),
    one(
        "set tcp", [("set", {"tcp": (3000, 4000)})],
        TCP4, tcp4(3000, 4000),
    ),
    one(
        "set sctp", [("set", {"sctp": (3000, 4000)})],
        SCTP4, ETHER / IP(src="10.0.0.1", dst="10.0.1.1") / SCTP(sport=3000, dport=4000) / DATA,
    ),
    one("set mpls", [("set", {"mpls": (101 << 12) | (2 << 9) | (1 << 8) | 9})], LABEL,
        MPLS_ETHER / MPLS(label=101, cos=2, s=1, ttl=9) / UDP4[IP]),
    one("set ipv6 tclass", _ip6(4, 0x48, 0xFF), UDP6, udp6(tc=0x48)),
    one("set ipv6 src of tcp", _ip6(0, "2001:db8::9", ALL_6), tcp6(), tcp6(src="2001:db8::9")),
    one("set tcp src over ipv6", _masked("tcp", 0, 3000, 0xFFFF, PORTS), tcp6(), tcp6(3000)),
    one("set sctp dst", _masked("sctp", 1, 4000, 0xFFFF, PORTS), SCTP4,
        ETHER / IP(src="10.0.0.1", dst="10.0.1.1") / SCTP(sport=1000, dport=4000) / DATA),
    one("set ipv4 src without a checksum", _ip4(0, "192.0.2.1", ALL_4),
        _without_checksum(udp4()), _without_checksum(udp4(src="192.0.2.1"))),
    one("set ipv4 src of a later fragment", _ip4(0, "192.0.2.1", ALL_4),
        ETHER / IP(src="10.0.0.1", dst="10.0.1.1", frag=3, proto=17) / DATA,
        ETHER / IP(src="192.0.2.1", dst="10.0.1.1", frag=3, proto=17) / DATA),
]  # fmt: skip

TAGS = [
    one("push vlan", [("push_vlan", 0x8100, PRESENT | 3 << 13 | 100)], UDP4, TAGGED),
    one(
        "push 802.1ad", [("push_vlan", 0x88A8, PRESENT | 7)],
        ETHER / Dot1Q(vlan=100) / UDP4[IP], DOUBLE_TAGGED,
    ),
    one("pop vlan", [("pop_vlan",)], TAGGED, UDP4),
    one("pop 802.1ad", [("pop_vlan",)], DOUBLE_TAGGED, ETHER / Dot1Q(vlan=100) / UDP4[IP]),
    one(
        "pop and push vlan", [("pop_vlan",), ("push_vlan", 0x8100, PRESENT | 200)],
        TAGGED, ETHER / Dot1Q(vlan=200) / UDP4[IP],
    ),
    one("push mpls", [("push_mpls", LSE, 0x8847)], UDP4, LABEL),
    one("pop mpls", [("pop_mpls", 0x0800)], LABEL, UDP4),
    one(
        "push two labels", [("push_mpls", LSE, 0x8847), ("push_mpls", 200 << 12 | 64, 0x8847)],
        UDP4, MPLS_ETHER / MPLS(label=200, s=0, ttl=64) / LABEL[MPLS],
    ),
    one(
        "pop vlan under ad", [("pop_vlan",), ("pop_vlan",)],
        ETHER / Dot1AD(vlan=7) / Dot1Q(vlan=100) / UDP4[IP], UDP4,
    ),
]  # fmt: skip

WAYS = [
    Case("output", ([OUT],), UDP4, {2: (UDP4,)}),
    Case("output twice", ([OUT, ("output", 3)],), UDP4, {2: (UDP4,), 3: (UDP4,)}),
    Case("output to where it came from", ([("output", 1)],), UDP4, {1: (UDP4,)}),
    Case("drop", ([],), UDP4),
    Case("hash and recirc", ([("hash", 0, 0), ("recirc", 1)], [OUT]), UDP4, {2: (UDP4,)}),
    Case(
        "recirc after a change", ([*_ip4(4, 9, 0xFF), ("recirc", 1)], [OUT]),
        UDP4, {2: (udp4(ttl=9),)},
    ),
    Case("sample always", ([("sample", ALWAYS, [("output", 3)]), OUT],), UDP4,
         {2: (UDP4,), 3: (UDP4,)}),
    Case("sample never", ([("sample", NEVER, [("output", 3)]), OUT],), UDP4, {2: (UDP4,)}),
    Case(
        "clone", ([("clone", [*_ip4(4, 9, 0xFF), ("output", 3)]), OUT],),
        UDP4, {2: (UDP4,), 3: (udp4(ttl=9),)},
    ),
    Case(
        "check_pkt_len greater", ([("check_pkt_len", len(UDP4) - 1, [OUT], [("output", 3)])],),
        UDP4, {2: (UDP4,)},
    ),
    Case(
        "check_pkt_len less", ([("check_pkt_len", len(UDP4) + 1, [OUT], [("output", 3)])],),
        UDP4, {3: (UDP4,)},
    ),
    Case(
        "check_pkt_len equal", ([("check_pkt_len", len(UDP4), [OUT], [("output", 3)])],),
        UDP4, {3: (UDP4,)},
    ),
    one("dec_ttl", [("dec_ttl", [])], UDP4, udp4(ttl=63)),
    one(
        "dec_ttl of ipv6", [("dec_ttl", [])], UDP6,
        udp6(hlim=63),
    ),
    Case("dec_ttl of ipv6 at the end", ([("dec_ttl", [("output", 3)]), OUT],), udp6(hlim=1),
         {3: (udp6(hlim=1),)}),
    Case("dec_ttl at the end", ([("dec_ttl", [("output", 3)]), OUT],), udp4(ttl=1),
         {3: (udp4(ttl=1),)}),
    Case(
        "trunc", ([("trunc", 40), ("output", 3), OUT],),
        UDP4, {2: (UDP4,), 3: (Ether(bytes(UDP4)[:40]),)},
    ),
    Case("meter that lets through", ([("meter", 1), OUT],), UDP4, {2: (UDP4,)}),
]  # fmt: skip

ACTIONS = [*SET, *TAGS, *WAYS]
