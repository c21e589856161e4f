# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets that the OVS suite sends, made by scapy on the controller."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.layers.sctp import SCTP

from tests.packets import DATA, ETHER, HERE, IP4, IP6

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scapy.packet import Packet

UDP4 = IP4 / UDP(sport=1000, dport=2000) / DATA
UDP6 = IP6 / UDP(sport=1000, dport=2000) / DATA
TCP4 = IP4 / TCP(sport=1000, dport=2000, seq=7) / DATA
SCTP4 = IP4 / SCTP(sport=1000, dport=2000) / DATA
ICMP4 = IP4 / ICMP(id=7) / DATA
WHO_HAS = Ether(src=HERE, dst="ff:ff:ff:ff:ff:ff") / ARP(
    hwsrc=HERE, psrc="10.0.0.1", pdst="10.0.1.1", hwdst="00:00:00:00:00:00"
)
TAGGED = ETHER / Dot1Q(vlan=100, prio=3) / UDP4[IP]
DOUBLE_TAGGED = ETHER / Dot1AD(vlan=7) / Dot1Q(vlan=100) / UDP4[IP]


def only(found: Sequence[Any]) -> Any:
    """Return the one thing that there must be."""
    assert len(found) == 1, found
    return found[0]


NO_IP4 = str(ipaddress.IPv4Address(0))


def _ip4(fields: dict[str, str | int]) -> Packet:
    return ETHER / IP(**{"src": "10.0.0.1", "dst": "10.0.1.1"} | fields)


def udp4(sport: int = 1000, dport: int = 2000, **fields: str | int) -> Packet:
    """Return the UDP packet with fields of its IPv4 header set, and right checksums."""
    return _ip4(fields) / UDP(sport=sport, dport=dport) / DATA


def tcp4(sport: int = 1000, dport: int = 2000, **fields: str | int) -> Packet:
    """Return the TCP packet likewise."""
    return _ip4(fields) / TCP(sport=sport, dport=dport, seq=7) / DATA


def tcp6(sport: int = 1000, dport: int = 2000, **fields: str | int) -> Packet:
    """Return the TCP packet over IPv6 likewise."""
    header = IPv6(**{"src": "2001:db8::1", "dst": "2001:db8:1::1"} | fields)
    return ETHER / header / TCP(sport=sport, dport=dport, seq=7) / DATA


def udp6(sport: int = 1000, dport: int = 2000, **fields: str | int) -> Packet:
    """Return the UDP packet over IPv6 likewise."""
    header = IPv6(**{"src": "2001:db8::1", "dst": "2001:db8:1::1"} | fields)
    return ETHER / header / UDP(sport=sport, dport=dport) / DATA


def ipv4(
    src: str = NO_IP4, dst: str = NO_IP4, proto: int = 0, tos: int = 0, ttl: int = 0, frag: int = 0
) -> tuple[str | int, ...]:
    """Return the IPv4 field of a key or a mask."""
    return src, dst, proto, tos, ttl, frag
