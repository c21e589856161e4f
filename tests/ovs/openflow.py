# SPDX-License-Identifier: GPL-2.0-or-later
"""OpenFlow rules as data: what goes in, what must come out, on whichever datapath they sit."""

from __future__ import annotations

from dataclasses import dataclass

from scapy.contrib.mpls import MPLS
from scapy.layers.inet import IP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet

from tests.ovs.packets import TAGGED, TCP4, UDP4, UDP6, tcp4, udp4, udp6
from tests.packets import ELSEWHERE, ETHER, HERE, THERE

Out = dict[int, tuple[Packet, ...]]


@dataclass(frozen=True)
class Rule:
    """Rules that are used together, and packets that they are for.

    :param flows: in ovs-ofctl(8)'s words.
    :param sent: what goes into port 1, one after the other.
    :param out: what comes out for each, by port.
    :param megaflows: how many flows of the datapath come of it; one for each packet if None.
    :param recirculates: its flows can only sit on TC where the kernel has CONFIG_NET_TC_SKB_EXT,
        which Debian's has not; the switch leaves them to the module.
    """

    name: str
    flows: tuple[str, ...]
    sent: tuple[Packet, ...]
    out: tuple[Out, ...]
    megaflows: int | None = None
    recirculates: bool = False

    @property
    def expected_flows(self) -> int:
        """How many flows of the datapath come of it."""
        return len(self.sent) if self.megaflows is None else self.megaflows


def one(name: str, actions: str, sent: Packet, out: Out) -> Rule:
    """Return a rule for all that comes in at port 1, and one packet."""
    return Rule(name, (f"in_port=1,actions={actions}",), (sent,), (out,))


MPLS_ETHER = Ether(src=HERE, dst=THERE, type=0x8847)
LABEL = MPLS_ETHER / MPLS(label=100, cos=0, s=1, ttl=64) / UDP4[IP]

RULES = [
    one("output", "output:2", UDP4, {2: (UDP4,)}),
    one("output of ipv6", "output:2", UDP6, {2: (UDP6,)}),
    one("output twice", "output:2,output:3", UDP4, {2: (UDP4,), 3: (UDP4,)}),
    one("flood", "flood", UDP4, {2: (UDP4,), 3: (UDP4,)}),
    one("drop", "drop", UDP4, {}),
    one(
        "set eth dst", f"mod_dl_dst:{ELSEWHERE},output:2",
        UDP4, {2: (Ether(src=HERE, dst=ELSEWHERE) / UDP4[IP],)},
    ),
    Rule(
        "set ipv4 src", ("in_port=1,ip,actions=mod_nw_src:192.0.2.1,output:2",),
        (UDP4, TCP4), ({2: (udp4(src="192.0.2.1"),)}, {2: (tcp4(src="192.0.2.1"),)}),
    ),
    Rule(
        "set ttl", ("in_port=1,ip,actions=mod_nw_ttl:9,output:2",),
        (UDP4,), ({2: (udp4(ttl=9),)},),
    ),
    Rule(
        "set udp dst", ("in_port=1,udp,actions=mod_tp_dst:4000,output:2",),
        (UDP4,), ({2: (udp4(dport=4000),)},),
    ),
    Rule(
        "set ipv6 dst", ("in_port=1,ipv6,actions=set_field:2001:db8::9->ipv6_dst,output:2",),
        (UDP6,), ({2: (udp6(dst="2001:db8::9"),)},),
    ),
    one(
        "push vlan", "push_vlan:0x8100,set_field:4196->vlan_vid,set_field:3->vlan_pcp,output:2",
        UDP4, {2: (TAGGED,)},
    ),
    Rule(
        "pop vlan", ("in_port=1,dl_vlan=100,actions=pop_vlan,output:2",),
        (TAGGED,), ({2: (UDP4,)},),
    ),
    Rule(
        "other vlan", ("in_port=1,dl_vlan=100,actions=mod_vlan_vid:200,output:2",),
        (TAGGED,), ({2: (ETHER / Dot1Q(vlan=200, prio=3) / UDP4[IP],)},),
    ),
    Rule(
        "push mpls", ("in_port=1,ip,actions=push_mpls:0x8847,set_field:100->mpls_label,output:2",),
        (UDP4,), ({2: (LABEL,)},),
    ),
    Rule(
        "one port as it is, another changed",
        ("in_port=1,ip,actions=output:3,mod_nw_ttl:9,output:2",),
        (UDP4,), ({3: (UDP4,), 2: (udp4(ttl=9),)},),
    ),
    Rule(
        "priorities", (
            "priority=10,in_port=1,udp,tp_dst=2000,actions=output:3",
            "priority=1,in_port=1,actions=output:2",
        ),
        (UDP4, udp4(dport=2001), TCP4), ({3: (UDP4,)}, {2: (udp4(dport=2001),)}, {2: (TCP4,)}),
    ),
    Rule(
        "resubmit", (
            "table=0,in_port=1,actions=resubmit(,1)",
            "table=1,ip,nw_dst=10.0.1.0/24,actions=output:3",
            "table=1,priority=1,actions=output:2",
        ),
        (UDP4, udp4(dst="10.0.2.1")), ({3: (UDP4,)}, {2: (udp4(dst="10.0.2.1"),)}),
    ),
    Rule(
        "what no rule looks at shares a flow", ("in_port=1,actions=output:2",),
        (UDP4, udp4(7, 8, src="192.0.2.1"), TCP4),
        ({2: (UDP4,)}, {2: (udp4(7, 8, src="192.0.2.1"),)}, {2: (TCP4,)}),
        megaflows=1,
    ),
    Rule(
        "what a rule looks at does not", ("in_port=1,udp,tp_src=0/0x8000,actions=output:2",),
        (UDP4, udp4(7, 2000), udp4(0x8001, 2000)),
        ({2: (UDP4,)}, {2: (udp4(7, 2000),)}, {}),
        megaflows=2,
    ),
    Rule(
        "connection", (
            "table=0,in_port=1,ip,ct_state=-trk,actions=ct(table=1,zone=5)",
            "table=1,ip,ct_state=+trk+new,actions=ct(commit,zone=5),output:2",
        ),
        (UDP4,), ({2: (UDP4,)},), megaflows=2, recirculates=True,
    ),
]  # fmt: skip
