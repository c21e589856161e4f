# SPDX-License-Identifier: GPL-2.0-or-later
"""The matrix of actions behind a flower rule, as data: what goes in, and what must come out."""

from __future__ import annotations

from dataclasses import dataclass

from scapy.contrib.mpls import MPLS
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.packet import Packet

from tests.packets import DATA, ELSEWHERE, ETHER, HERE, IP4, IP6, THERE

OUT = "action mirred egress redirect dev out"
UNWANTED = Ether(src=HERE, dst=THERE, type=0x88B5) / DATA
"""What the stack counts when it gets past TC."""


@dataclass(frozen=True)
class Action:
    """One action, or a chain of them.

    :param actions: in tc's words.
    :param sent: what goes in, one after the other.
    :param out: what comes out of the link ``out`` for each.
    :param passed: how many of them the stack gets.
    :param protocol: what the filter is for.
    :param keys: flower's.
    :param before: other rules.
    :param kinds: of the actions as they are dumped.
    """

    name: str
    actions: str
    sent: tuple[Packet, ...]
    out: tuple[Packet | None, ...]
    kinds: tuple[str, ...]
    passed: int = 0
    protocol: str = "all"
    keys: str = f"dst_mac {THERE}"
    before: tuple[str, ...] = ()


def _one(
    name: str, action: str, sent: Packet, out: Packet, *kinds: str, protocol: str = "all"
) -> Action:
    """Return a case of one frame that is changed and redirected."""
    return Action(
        name, f"{action} pipe {OUT}", (sent,), (out,), (*kinds, "mirred"), protocol=protocol
    )


def _ether(destination: str) -> Packet:
    return Ether(src=HERE, dst=destination)


UDP4 = IP4 / UDP(sport=1000, dport=2000) / DATA
UDP6 = IP6 / UDP(sport=1000, dport=2000) / DATA
TCP4 = IP4 / TCP(sport=1000, dport=2000, seq=7) / DATA
WRONG = ETHER / IP(src="10.0.0.1", dst="10.0.1.1", chksum=1) / UDP(chksum=2) / DATA
RIGHT = ETHER / IP(src="10.0.0.1", dst="10.0.1.1") / UDP() / DATA
UNTRACKED = "pref 1 protocol ip flower ct_state -trk"
MPLS_ETHER = Ether(src=HERE, dst=THERE, type=0x8847)

ACTIONS = [
    Action("drop", "action drop", (UNWANTED,), (None,), ("gact",)),
    Action("ok", "action ok", (UNWANTED,), (None,), ("gact",), passed=1),
    Action(
        "continue", "action continue", (UNWANTED,), (UNWANTED,), ("gact",),
        before=(f"pref 20 protocol all matchall {OUT}",),
    ),
    Action("redirect", OUT, (UDP4,), (UDP4,), ("mirred",)),
    _one(
        "vlan push", "action vlan push id 100 priority 3",
        UDP4, ETHER / Dot1Q(vlan=100, prio=3) / UDP4[IP], "vlan",
    ),
    _one(
        "vlan push 802.1ad", "action vlan push protocol 802.1ad id 100",
        UDP4, ETHER / Dot1AD(vlan=100) / UDP4[IP], "vlan",
    ),
    _one(
        "vlan pop", "action vlan pop",
        ETHER / Dot1Q(vlan=100) / UDP4[IP], UDP4, "vlan", protocol="802.1q",
    ),
    _one(
        "vlan modify", "action vlan modify id 200 priority 5",
        ETHER / Dot1Q(vlan=100) / UDP4[IP], ETHER / Dot1Q(vlan=200, prio=5) / UDP4[IP],
        "vlan", protocol="802.1q",
    ),
    _one(
        "pedit ethernet", f"action pedit ex munge eth dst set {ELSEWHERE}",
        UDP4, _ether(ELSEWHERE) / UDP4[IP], "pedit",
    ),
    _one(
        "pedit ttl", "action pedit ex munge ip ttl set 10 pipe action csum ip4h",
        UDP4, ETHER / IP(src="10.0.0.1", dst="10.0.1.1", ttl=10) / UDP4[UDP],
        "pedit", "csum", protocol="ip",
    ),
    _one(
        "pedit ttl by one", "action pedit ex munge ip ttl dec pipe action csum ip4h",
        UDP4, ETHER / IP(src="10.0.0.1", dst="10.0.1.1", ttl=63) / UDP4[UDP],
        "pedit", "csum", protocol="ip",
    ),
    _one(
        "pedit ipv4", "action pedit ex munge ip src set 10.9.9.9 pipe action csum ip4h and udp",
        UDP4, ETHER / IP(src="10.9.9.9", dst="10.0.1.1") / UDP(sport=1000, dport=2000) / DATA,
        "pedit", "csum", protocol="ip",
    ),
    _one(
        "pedit ipv6", "action pedit ex munge ip6 dst set 2001:db8:9::9 pipe action csum udp",
        UDP6,
        ETHER / IPv6(src="2001:db8::1", dst="2001:db8:9::9") / UDP(sport=1000, dport=2000) / DATA,
        "pedit", "csum", protocol="ipv6",
    ),
    _one(
        "pedit tcp", "action pedit ex munge tcp dport set 53 pipe action csum tcp",
        TCP4, IP4 / TCP(sport=1000, dport=53, seq=7) / DATA,
        "pedit", "csum", protocol="ip",
    ),
    _one("csum", "action csum ip4h and udp", WRONG, RIGHT, "csum", protocol="ip"),
    Action(
        "skbedit mark", "action skbedit mark 7 continue", (UNWANTED,), (UNWANTED,), ("skbedit",),
        before=(f"pref 20 protocol all handle 7 fw {OUT}",),
    ),
    Action(
        "ct", OUT, (UDP4,), (UDP4,), ("mirred",),
        protocol="ip chain 1", keys="ct_state +trk+new ct_zone 5",
        before=(f"{UNTRACKED} action ct zone 5 pipe action goto chain 1",),
    ),
    Action(
        "ct mark", OUT, (UDP4,), (UDP4,), ("mirred",),
        protocol="ip chain 1", keys="ct_state +trk ct_mark 9",
        before=(f"{UNTRACKED} action ct commit mark 9 pipe action goto chain 1",),
    ),
    Action(
        "police", f"action police rate 80bit burst 100 conform-exceed drop/pipe {OUT}",
        (UDP4, UDP4), (UDP4, None), ("police", "mirred"), protocol="ip",
    ),
    _one(
        "mpls push", "action mpls push protocol mpls_uc label 100 tc 3 ttl 64",
        UDP4, MPLS_ETHER / MPLS(label=100, cos=3, s=1, ttl=64) / UDP4[IP],
        "mpls", protocol="ip",
    ),
    _one(
        "mpls pop", "action mpls pop protocol ipv4",
        MPLS_ETHER / MPLS(label=100, s=1, ttl=64) / UDP4[IP], UDP4, "mpls", protocol="mpls_uc",
    ),
    _one(
        "mpls modify", "action mpls modify label 200 tc 1 ttl 9",
        MPLS_ETHER / MPLS(label=100, s=1, ttl=64) / UDP4[IP],
        MPLS_ETHER / MPLS(label=200, cos=1, s=1, ttl=9) / UDP4[IP],
        "mpls", protocol="mpls_uc",
    ),
    _one(
        "bpf", "action bpf bytecode '1,6 0 0 4294967295'", UDP4, UDP4, "bpf",
    ),
]  # fmt: skip
