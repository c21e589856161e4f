# SPDX-License-Identifier: GPL-2.0-or-later
"""What the datapath's tunnel ports wrap is right to the byte, and comes back unwrapped.

::

    packet socket --> port 1 -- datapath -- tunnel port -- host stack -- under ==veth== far
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from scapy.contrib.geneve import GENEVE
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import GRE, Ether
from scapy.layers.vxlan import VXLAN

from ksuite.dut import ovs_tunnel
from tests.ovs.packets import UDP4, only

if TYPE_CHECKING:
    from scapy.packet import Packet

    from ksuite.campaigns.dut import Dut

pytestmark = pytest.mark.ks_scenario("ovs_function")

KEY = 0x123456
BRIDGED = 0x6558
"""Transparent Ethernet bridging, RFC 1701."""


def inside(kind: str, inner: Packet) -> Packet:
    """Return the tunnel's header with what it wraps."""
    if kind == "gre":
        return GRE(key_present=1, key=KEY, proto=BRIDGED) / inner
    if kind == "vxlan":
        return VXLAN(vni=KEY, flags="Instance") / inner
    return GENEVE(vni=KEY, proto=BRIDGED) / inner


@pytest.mark.parametrize("kind", ["gre", "vxlan", "geneve"])
@pytest.mark.parametrize("fields", [{}, {"tos": 0x20, "ttl": 9, "df": True}], ids=["plain", "set"])
def test_tunnel(ks_dut: Dut, kind: str, fields: dict[str, Any]) -> None:
    frame = bytes(UDP4)
    tunnel = {"id": KEY, "tos": 0, "ttl": 64} | fields
    seen = ks_dut.call(ovs_tunnel.there_and_back, kind, frame, tunnel)
    outer = Ether(only(seen["outer"]))
    assert outer.haslayer(IP)
    assert kind == "gre" or outer.haslayer(UDP)
    ip = IP(src=ovs_tunnel.NEAR, dst=ovs_tunnel.FAR, tos=tunnel["tos"], ttl=tunnel["ttl"])
    ip.flags, ip.id = ("DF" if "df" in fields else 0), outer[IP].id
    ip.proto = 47 if kind == "gre" else 17
    header = ip
    if kind != "gre":
        # The source port is a hash of the flow, and the checksum is none (RFC 7348).
        assert outer[UDP].sport
        header = ip / UDP(sport=outer[UDP].sport, dport=ovs_tunnel.UDP_PORTS[kind], chksum=0)
    wanted = Ether(src=outer.src, dst=ovs_tunnel.HARDWARE_FAR) / header / inside(kind, UDP4)
    assert bytes(outer) == bytes(wanted)
    assert seen["inner"] == frame
    assert seen["key"]["in_port"] == ovs_tunnel.TUNNEL_PORT
    ends = {"src": ovs_tunnel.FAR, "dst": ovs_tunnel.NEAR}
    returned = {"tos": 0} | seen["key"].get("tunnel", {})
    told = {name: tunnel[name] for name in ("id", "tos", "ttl")}
    assert returned == returned | ends | told
    assert seen["back"] == [frame]
    assert seen["flows"] == [1, 1]
