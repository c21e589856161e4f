# SPDX-License-Identifier: GPL-2.0-or-later
"""The matrix of flower's tunnel keys, as data: each with a packet that just doesn't match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scapy.contrib.geneve import GENEVE, GeneveOptions
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet

from ksuite.dut.tunnels import FAR_IP, FAR_MAC, NEAR_IP, NEAR_MAC, PORTS
from tests.tc.frames import unknown

INNER = unknown(100)
KEY = 42
OPTION = GeneveOptions(classid=0x0102, type=0x80, data=bytes.fromhex("00880022"))
OTHER_OPTION = GeneveOptions(classid=0x0102, type=0x80, data=bytes.fromhex("00880023"))


def arriving(
    kind: str, *, key: int = KEY, src: str = FAR_IP, options: Packet | None = None, **ip: Any
) -> Packet:
    """Return a frame that comes out of a tunnel port as INNER.

    :param ip: further fields of the outer IP header.
    """
    outer = Ether(src=FAR_MAC, dst=NEAR_MAC) / IP(src=src, dst=NEAR_IP, **ip)
    outer /= UDP(sport=5000, dport=PORTS[kind], chksum=0)
    if kind == "vxlan":
        return outer / VXLAN(vni=key) / INNER
    return outer / GENEVE(vni=key, proto=0x6558, options=options or []) / INNER


def leaving(kind: str, seen: bytes, *, port: int, **ip: Any) -> bytes:
    """Return INNER as it goes into a tunnel port.

    :param seen: what came out: flow hash and IP's numbering, which are random, are taken from it.
    :param port: the UDP port that it is sent to.
    :param ip: further fields of the outer IP header.
    """
    like = Ether(seen)
    outer = Ether(src=NEAR_MAC, dst=FAR_MAC) / IP(src=NEAR_IP, dst=FAR_IP, id=like[IP].id, **ip)
    outer /= UDP(sport=like[UDP].sport, dport=port, chksum=0)
    head = VXLAN(vni=KEY) if kind == "vxlan" else GENEVE(vni=KEY, proto=0x6558)
    return bytes(outer / head / INNER)


@dataclass(frozen=True)
class TunnelKey:
    """A key of the tunnel's, or some that belong together.

    :param keys: in tc's words.
    :param hit: a packet that matches.
    :param miss: one that differs in one field.
    :param dumped: the keys as ``tc -j filter show`` has them.
    """

    kind: str
    keys: str
    hit: Packet
    miss: Packet
    dumped: dict[str, Any]

    @property
    def name(self) -> str:
        """How the check is called."""
        return f"{self.kind} {self.keys.partition(' ')[0]}"


def _of(kind: str) -> list[TunnelKey]:
    """Return what flower can say of a packet that came out of a tunnel port."""
    hit = arriving(kind)
    return [
        TunnelKey(
            kind, f"enc_key_id {KEY}", hit, arriving(kind, key=KEY + 1), {"enc_key_id": KEY}
        ),
        TunnelKey(
            kind, f"enc_src_ip {FAR_IP} enc_dst_ip {NEAR_IP}", hit, arriving(kind, src="10.1.0.3"),
            {"enc_src_ip": FAR_IP, "enc_dst_ip": NEAR_IP},
        ),
        TunnelKey(
            kind, f"enc_dst_port {PORTS[kind]} enc_key_id {KEY}", hit, arriving(kind, key=KEY - 1),
            {"enc_dst_port": PORTS[kind], "enc_key_id": KEY},
        ),
        TunnelKey(
            kind, "enc_tos 0x10", arriving(kind, tos=0x10), arriving(kind, tos=0x11),
            {"enc_tos": 0x10},
        ),
        TunnelKey(
            kind, "enc_ttl 9", arriving(kind, ttl=9), arriving(kind, ttl=10), {"enc_ttl": 9},
        ),
    ]  # fmt: skip


TUNNEL_KEYS = [
    *_of("vxlan"),
    *_of("geneve"),
    TunnelKey(
        "geneve", "geneve_opts 0102:80:00880022",
        arriving("geneve", options=OPTION), arriving("geneve", options=OTHER_OPTION),
        {
            "geneve_opt_key": [{"class": 0x102, "type": 0x80, "data": [0, 0x88, 0, 0x22]}],
            "geneve_opt_mask": [{"class": 0xFFFF, "type": 0xFF, "data": [0xFF] * 4}],
        },
    ),
]  # fmt: skip
