# SPDX-License-Identifier: GPL-2.0-or-later
"""The matrix of flower's keys, as data: what matches, what just doesn't, what the dump says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scapy.contrib.mpls import MPLS
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.layers.sctp import SCTP
from scapy.packet import Packet

from tests.packets import DATA, ELSEWHERE, ETHER, HERE, IP4, IP6, THERE

NEARLY_THERE = tuple(
    Ether(src=HERE, dst=f"{int(THERE.replace(':', ''), 16) ^ 1 << 8 * byte:012x}") / DATA
    for byte in range(6)
)
"""Each differs from THERE in one bit."""
FIRST_FRAGMENT = ETHER / IP(flags="MF") / DATA
LATER_FRAGMENT = ETHER / IP(frag=10) / DATA
ETHERNET_BYTES, TAG_BYTES = 14, 4


@dataclass(frozen=True)
class Key:
    """A key, or some that belong together.

    :param keys: in tc's words.
    :param hit: a packet that matches.
    :param miss: one that differs in one field.
    :param dumped: the keys as ``tc -j filter show`` has them.
    :param more_hits: other packets that match.
    :param more_misses: others that don't: one for each field, or for each end of a range.
    """

    name: str
    protocol: str
    keys: str
    hit: Packet
    miss: Packet
    dumped: dict[str, Any]
    more_hits: tuple[Packet, ...] = ()
    more_misses: tuple[Packet, ...] = ()

    @property
    def hits(self) -> list[bytes]:
        """All frames that match."""
        return [bytes(packet) for packet in (self.hit, *self.more_hits)]

    @property
    def misses(self) -> list[bytes]:
        """All frames that don't."""
        return [bytes(packet) for packet in (self.miss, *self.more_misses)]

    @property
    def counted_bytes(self) -> int:
        """What the hits count at ingress: no Ethernet header, and no tag that was taken off.

        qdisc_skb_cb(skb)->pkt_len = skb->len in sch_handle_ingress(), net/core/dev.c.
        """
        header = ETHERNET_BYTES + TAG_BYTES * self.protocol.startswith("802.1")
        return sum(len(frame) - header for frame in self.hits)


def _ports(kind: str, layer: type[Packet]) -> list[Key]:
    """Return what flower can say of the ports of a transport protocol."""
    v4 = {"eth_type": "ipv4", "ip_proto": kind}
    ip = f"ip_proto {kind}"
    return [
        Key(
            f"{kind} ports",
            "ip",
            f"{ip} src_port 1000 dst_port 2000",
            IP4 / layer(sport=1000, dport=2000) / DATA,
            IP4 / layer(sport=1000, dport=2001) / DATA,
            {**v4, "src_port": 1000, "dst_port": 2000},
            more_misses=(IP4 / layer(sport=1001, dport=2000) / DATA,),
        ),
        Key(
            f"{kind} port range",
            "ip",
            f"{ip} dst_port 2000-2009",
            IP4 / layer(sport=1, dport=2009) / DATA,
            IP4 / layer(sport=1, dport=2010) / DATA,
            {**v4, "dst_port": {"start": 2000, "end": 2009}},
            more_hits=(IP4 / layer(sport=1, dport=2000) / DATA,),
            more_misses=(IP4 / layer(sport=1, dport=1999) / DATA,),
        ),
        Key(
            f"{kind} source port range",
            "ip",
            f"{ip} src_port 1000-1001",
            IP4 / layer(sport=1000, dport=7) / DATA,
            IP4 / layer(sport=999, dport=7) / DATA,
            {**v4, "src_port": {"start": 1000, "end": 1001}},
            more_hits=(IP4 / layer(sport=1001, dport=7) / DATA,),
            more_misses=(IP4 / layer(sport=1002, dport=7) / DATA,),
        ),
        Key(
            f"{kind} over ipv6",
            "ipv6",
            f"{ip} src_port 1000",
            IP6 / layer(sport=1000, dport=2000) / DATA,
            IP6 / layer(sport=1001, dport=2000) / DATA,
            {"eth_type": "ipv6", "ip_proto": kind, "src_port": 1000},
        ),
    ]


def _labelled(**changed: int) -> Packet:
    label = {"label": 1000, "cos": 5, "s": 1, "ttl": 63} | changed
    return Ether(src=HERE, dst=THERE, type=0x8847) / MPLS(**label) / DATA


KEYS = [
    Key(
        "dst_mac", "all", f"dst_mac {THERE}", IP4 / DATA, Ether(src=HERE, dst=ELSEWHERE) / DATA,
        {"dst_mac": THERE}, more_misses=NEARLY_THERE,
    ),
    Key(
        "src_mac masked", "all", f"src_mac {HERE}/ff:ff:ff:ff:ff:fd",
        Ether(src=ELSEWHERE, dst=THERE) / DATA, Ether(src=THERE, dst=THERE) / DATA,
        {"src_mac": f"{HERE}/ff:ff:ff:ff:ff:fd"},
        more_hits=(Ether(src=HERE, dst=THERE) / DATA,),
    ),
    Key(
        "vlan id", "802.1q", "vlan_id 100",
        ETHER / Dot1Q(vlan=100) / DATA, ETHER / Dot1Q(vlan=101) / DATA, {"vlan_id": 100},
    ),
    Key(
        "vlan prio", "802.1q", "vlan_prio 3",
        ETHER / Dot1Q(vlan=7, prio=3) / DATA, ETHER / Dot1Q(vlan=7, prio=2) / DATA,
        {"vlan_prio": 3},
    ),
    Key(
        "vlan ethtype", "802.1q", "vlan_id 5 vlan_ethtype ipv4",
        ETHER / Dot1Q(vlan=5) / IP4[IP] / DATA, ETHER / Dot1Q(vlan=5) / IP6[IPv6] / DATA,
        {"vlan_id": 5, "vlan_ethtype": "ip", "eth_type": "ipv4"},
        more_misses=(ETHER / Dot1Q(vlan=6) / IP4[IP] / DATA,),
    ),
    Key(
        "qinq", "802.1ad", "vlan_id 100 vlan_ethtype 802.1q cvlan_id 200",
        ETHER / Dot1AD(vlan=100) / Dot1Q(vlan=200) / DATA,
        ETHER / Dot1AD(vlan=100) / Dot1Q(vlan=201) / DATA,
        {"vlan_id": 100, "vlan_ethtype": "802.1Q", "cvlan_id": 200},
        more_misses=(ETHER / Dot1AD(vlan=101) / Dot1Q(vlan=200) / DATA,),
    ),
    Key(
        "arp request", "arp", "arp_op request arp_tip 10.0.1.1 arp_sip 10.0.0.1",
        ETHER / ARP(op="who-has", psrc="10.0.0.1", pdst="10.0.1.1"),
        ETHER / ARP(op="is-at", psrc="10.0.0.1", pdst="10.0.1.1"),
        {"eth_type": "arp", "arp_op": "request", "arp_tip": "10.0.1.1", "arp_sip": "10.0.0.1"},
        more_misses=(
            ETHER / ARP(op="who-has", psrc="10.0.0.2", pdst="10.0.1.1"),
            ETHER / ARP(op="who-has", psrc="10.0.0.1", pdst="10.0.1.0"),
        ),
    ),
    Key(
        "arp target", "arp", "arp_tip 10.0.1.1",
        ETHER / ARP(pdst="10.0.1.1"), ETHER / ARP(pdst="10.0.1.2"),
        {"eth_type": "arp", "arp_tip": "10.0.1.1"},
    ),
    Key(
        "ipv4 addresses", "ip", "src_ip 10.0.0.1 dst_ip 10.0.1.1",
        IP4 / DATA, ETHER / IP(src="10.0.0.1", dst="10.0.1.2") / DATA,
        {"eth_type": "ipv4", "src_ip": "10.0.0.1", "dst_ip": "10.0.1.1"},
        more_misses=(ETHER / IP(src="11.0.0.1", dst="10.0.1.1") / DATA,),
    ),
    Key(
        "ipv4 prefix", "ip", "dst_ip 10.0.0.0/23",
        IP4 / DATA, ETHER / IP(src="10.0.0.1", dst="10.0.2.1") / DATA,
        {"eth_type": "ipv4", "dst_ip": "10.0.0.0/23"},
        more_hits=(ETHER / IP(src="10.0.0.1", dst="10.0.0.255") / DATA,),
        more_misses=(ETHER / IP(src="10.0.0.1", dst="9.255.255.255") / DATA,),
    ),
    Key(
        "ipv6 addresses", "ipv6", "src_ip 2001:db8::1 dst_ip 2001:db8:1::1",
        IP6 / DATA, ETHER / IPv6(src="2001:db8::1", dst="2001:db8:1::2") / DATA,
        {"eth_type": "ipv6", "src_ip": "2001:db8::1", "dst_ip": "2001:db8:1::1"},
        more_misses=(ETHER / IPv6(src="2001:db8::", dst="2001:db8:1::1") / DATA,),
    ),
    Key(
        "ipv6 prefix", "ipv6", "dst_ip 2001:db8:1::/48",
        IP6 / DATA, ETHER / IPv6(src="2001:db8::1", dst="2001:db8:2::1") / DATA,
        {"eth_type": "ipv6", "dst_ip": "2001:db8:1::/48"},
    ),
    *_ports("tcp", TCP),
    *_ports("udp", UDP),
    *_ports("sctp", SCTP),
    Key(
        "tcp flags", "ip", "ip_proto tcp tcp_flags 0x2/0x17",
        IP4 / TCP(flags="S") / DATA, IP4 / TCP(flags="SA") / DATA,
        {"eth_type": "ipv4", "ip_proto": "tcp", "tcp_flags": "0x2/17"},
        more_hits=(IP4 / TCP(flags="SP") / DATA,),
        more_misses=(IP4 / TCP(flags="SF") / DATA,),
    ),
    Key(
        "icmp type and code", "ip", "ip_proto icmp type 3 code 1",
        IP4 / ICMP(type=3, code=1) / DATA, IP4 / ICMP(type=3, code=2) / DATA,
        {"eth_type": "ipv4", "ip_proto": "icmp", "icmp_type": "3", "icmp_code": "1"},
        more_misses=(IP4 / ICMP(type=5, code=1) / DATA,),
    ),
    Key(
        "icmpv6 type", "ipv6", "ip_proto icmpv6 type 128",
        IP6 / ICMPv6EchoRequest() / DATA, IP6 / ICMPv6EchoReply() / DATA,
        {"eth_type": "ipv6", "ip_proto": "icmpv6", "icmp_type": "128"},
    ),
    Key(
        "tos", "ip", "ip_tos 0x10/0xfc",
        ETHER / IP(tos=0x11) / DATA, ETHER / IP(tos=0x14) / DATA,
        {"eth_type": "ipv4", "ip_tos": 0x10, "ip_tos_mask": "fc"},
        more_misses=(ETHER / IP(tos=0x30) / DATA,),
    ),
    Key(
        "ttl", "ip", "ip_ttl 64",
        ETHER / IP(ttl=64) / DATA, ETHER / IP(ttl=63) / DATA,
        {"eth_type": "ipv4", "ip_ttl": 64},
    ),
    Key(
        "fragment", "ip", "ip_flags frag",
        LATER_FRAGMENT, IP4 / DATA, {"eth_type": "ipv4", "ip_flags": {"frag": True}},
        more_hits=(FIRST_FRAGMENT,),
    ),
    Key(
        "first fragment", "ip", "ip_flags frag/firstfrag",
        FIRST_FRAGMENT, LATER_FRAGMENT,
        {"eth_type": "ipv4", "ip_flags": {"frag": True, "firstfrag": True}},
        more_misses=(IP4 / DATA,),
    ),
    Key(
        "later fragment", "ip", "ip_flags frag/nofirstfrag",
        LATER_FRAGMENT, FIRST_FRAGMENT,
        {"eth_type": "ipv4", "ip_flags": {"frag": True, "firstfrag": False}},
        more_misses=(IP4 / DATA,),
    ),
    Key(
        "no fragment", "ip", "ip_flags nofrag",
        IP4 / DATA, LATER_FRAGMENT, {"eth_type": "ipv4", "ip_flags": {"frag": False}},
        more_misses=(FIRST_FRAGMENT,),
    ),
    Key(
        "mpls", "mpls_uc", "mpls_label 1000 mpls_tc 5 mpls_bos 1 mpls_ttl 63",
        _labelled(), _labelled(label=1001),
        {
            "eth_type": "8847", "mpls_label": 1000,
            "mpls_tc": "5", "mpls_bos": "1", "mpls_ttl": "63",
        },
        more_misses=(_labelled(cos=4), _labelled(s=0), _labelled(ttl=62)),
    ),
]  # fmt: skip
