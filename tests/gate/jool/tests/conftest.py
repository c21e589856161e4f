# SPDX-License-Identifier: GPL-2.0-or-later
"""A translator between two neighbours.

::

    v6/a ==veth== to6  the guest, translating  to4 ==veth== v4/b
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from scapy.layers.l2 import Ether

PREFIX = IPv6Address("2001:db8:64::")
"""A /96: an IPv4 address is the rest of it (RFC 6052)."""
ALICE, BOB = "198.51.100.8", "192.0.2.33"
MACS = {"v6/a": "02:00:00:00:00:06", "v4/b": "02:00:00:00:00:04"}
SIDES = {"v6/a": "to6", "v4/b": "to4"}


def six(address: str) -> str:
    """Return the IPv6 address that stands for one of IPv4."""
    return str(IPv6Address(int(PREFIX) | int(IPv4Address(address))))


@dataclass
class Translator:
    """Sends packets in at one side, and tells what comes out of the other."""

    machine: Any
    traffic: Any
    macs: dict[str, str]

    def out(self, packet: Any, into: str, out: str) -> list[bytes]:
        """Return the packets that come out, without Ethernet."""
        frame = Ether(src=MACS[into], dst=self.macs[into]) / packet
        heard = self.traffic.through(frame, into=into, out=out)
        back = [Ether(one) for one in heard]
        assert all(one.dst == MACS[out] for one in back)
        return [bytes(one.payload) for one in back]

    def to_four(self, packet: Any) -> list[bytes]:
        return self.out(packet, "v6/a", "v4/b")

    def to_six(self, packet: Any) -> list[bytes]:
        return self.out(packet, "v4/b", "v6/a")

    def back_to_six(self, packet: Any) -> list[bytes]:
        return self.out(packet, "v6/a", "v6/a")

    def back_to_four(self, packet: Any) -> list[bytes]:
        return self.out(packet, "v4/b", "v4/b")


@pytest.fixture
def neighbours(machine, veth, traffic):
    """Return what is between two neighbours, and forwards."""
    for outer, inner in SIDES.items():
        veth(outer, inner)
    run = machine.run
    run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    run("ip", "address", "add", "2001:db8:6::1/64", "dev", "to6", "nodad")
    run("ip", "address", "add", "192.0.2.1/24", "dev", "to4")
    run("ip", "route", "add", "198.51.100.0/24", "via", BOB, "dev", "to4")
    run("ip", "neighbour", "add", BOB, "lladdr", MACS["v4/b"], "dev", "to4")
    run("ip", "neighbour", "add", "2001:db8:6::a", "lladdr", MACS["v6/a"], "dev", "to6")
    run("ip", "-6", "route", "add", f"{PREFIX}/96", "via", "2001:db8:6::a", "dev", "to6")
    return Translator(machine, traffic, {outer: machine.mac(SIDES[outer]) for outer in SIDES})
