# SPDX-License-Identifier: GPL-2.0-or-later
"""What can stand between two links in PVP, each a context manager that connects them.

Each takes the two links and the flows, and yields a function that tells, by the link where they
came in, how many packets it has counted itself: the proof that they went through it.
"""

from __future__ import annotations

import mmap
import socket
import struct
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ksuite.dut import netlink_bulk, pvp_flows, tc
from ksuite.dut.links import bridge, received_packets
from ksuite.dut.netlink_bulk import attribute
from ksuite.dut.ovs_datapath import Datapath

Carried = Callable[[], dict[str, int]]

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from ksuite.dut.pvp_flows import Flows

    Connected = Callable[[str, str, Flows], AbstractContextManager[Carried]]

BRIDGE = "br0"
FDB_ENTRY = np.dtype(
    [("address", "V6"), ("port", "u1"), ("local", "u1"), ("age", "<u4"), ("rest", "V4")]
)
"""struct __fdb_entry, include/uapi/linux/if_bridge.h."""
RTM_NEWTFILTER = 44
ETH_P_IP = 0x0800
INGRESS = 0xFFFFFFF2
"""TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)."""
_TCMSG = struct.Struct("=BxHiIII")
KIND, OPTIONS = 1, 2
FLOWER_ACT, FLOWER_ETH_TYPE, FLOWER_IP_PROTO = 3, 8, 9
FLOWER_KEYS = (
    (pvp_flows.SOURCE, 10, 11),
    (pvp_flows.DESTINATION, 12, 13),
    (pvp_flows.SOURCE_PORT, 20, 37),
    (pvp_flows.DESTINATION_PORT, 21, 38),
)
"""TCA_FLOWER_KEY_*: of the addresses and the UDP ports, with their masks."""
OVS_KEY, OVS_ACTIONS, OVS_MASK = 1, 2, 7
OVS_IN_PORT, OVS_ETHERNET, OVS_ETH_TYPE, OVS_IPV4, OVS_UDP = 3, 4, 6, 7, 10
OVS_OUTPUT = 1


@contextmanager
def tc_datapath(near: str, far: str, flows: Flows) -> Iterator[Carried]:
    """Connect two links by flower rules, one for each flow and direction, with the same mask.

    The rules of a direction share one mirred action, whose counter is all that they took.
    """
    ways = {near: (1, far), far: (2, near)}
    with ExitStack() as stack:
        for link, (index, target) in ways.items():
            action = (index, "egress", "redirect", "stolen", target)
            stack.enter_context(tc.mirred(*action))
            stack.enter_context(tc.clsact(link))
            _add_rules(link, tc.mirred_action(*action), flows)

        def carried() -> dict[str, int]:
            counted = tc.mirred_packets()
            return {link: counted[index] for link, (index, _) in ways.items()}

        yield carried


def _add_rules(link: str, action: bytes, flows: Flows) -> None:
    """Give each flow's packets that come in on a link to an action that is there."""
    index = socket.if_nametoindex(link)
    head = _TCMSG.pack(0, 0, index, 0, INGRESS, 1 << 16 | socket.htons(ETH_P_IP))
    keys = [
        *attribute(FLOWER_ETH_TYPE, struct.pack("!H", ETH_P_IP)),
        *attribute(FLOWER_IP_PROTO, bytes([socket.IPPROTO_UDP])),
    ]
    for where, key, mask in FLOWER_KEYS:
        keys += attribute(key, flows.field(where))
        keys += attribute(mask, b"\xff" * (where.stop - where.start))
    actions = attribute(FLOWER_ACT, *attribute(1, action))
    options = attribute(OPTIONS, *keys, *actions)
    parts = [head, *attribute(KIND, b"flower\0"), *options]
    netlink_bulk.send("flower rules", socket.NETLINK_ROUTE, RTM_NEWTFILTER, flows.count, parts)


@contextmanager
def bridge_datapath(near: str, far: str, flows: Flows) -> Iterator[Carried]:
    """Connect two links by a learning bridge.

    It has no counter of what it forwards. So a port's packets count where the bridge has learned
    all addresses behind it from them.
    """
    outside, guest = (
        {mac.tobytes() for mac in flows.field(where)} for where in (pvp_flows.FROM, pvp_flows.TO)
    )
    with bridge(BRIDGE, near, far):

        def carried() -> dict[str, int]:
            return {
                link: received_packets(link) if _learned(link) >= macs else 0
                for link, macs in ((near, outside), (far, guest))
            }

        yield carried


def _learned(link: str) -> set[bytes]:
    """Return the addresses that the bridge has learned behind a port."""
    links = Path("/sys/class/net")
    port = int((links / link / "brport" / "port_no").read_text(), 16)
    with (links / BRIDGE / "brforward").open("rb", buffering=0) as file:
        # It ends early for who asks for less than an entry, as read_bytes() comes to do.
        table = b"".join(iter(lambda: file.read(mmap.PAGESIZE), b""))
    entries = np.frombuffer(table, dtype=FDB_ENTRY)
    behind = entries[(entries["port"] == port) & (entries["local"] == 0)]
    return {bytes(entry["address"]) for entry in behind}


@contextmanager
def ovs_datapath(near: str, far: str, flows: Flows) -> Iterator[Carried]:
    """Connect two links by the Open vSwitch datapath, a flow for each and direction, one mask.

    It counts hits, but not by port: those of one are all that did not come in at the other.
    """
    with Datapath("dp") as datapath:
        for port, link in ((1, near), (2, far)):
            datapath.add_port(port, link)
        for port, to in ((1, 2), (2, 1)):
            _add_flows(datapath, port, to, flows)

        def carried() -> dict[str, int]:
            hits = datapath.statistics()["hit"]
            return {near: hits - received_packets(far), far: hits - received_packets(near)}

        yield carried


def _add_flows(datapath: Datapath, port: int, to: int, flows: Flows) -> None:
    addresses = (flows.field(pvp_flows.SOURCE), flows.field(pvp_flows.DESTINATION))
    ports = (flows.field(pvp_flows.SOURCE_PORT), flows.field(pvp_flows.DESTINATION_PORT))
    key = [
        *attribute(OVS_IN_PORT, struct.pack("=I", port)),
        *attribute(OVS_ETHERNET, flows.field(pvp_flows.FROM), flows.field(pvp_flows.TO)),
        *attribute(OVS_ETH_TYPE, struct.pack("!H", ETH_P_IP)),
        *attribute(OVS_IPV4, *addresses, bytes([socket.IPPROTO_UDP, 0, 0, 0])),
        *attribute(OVS_UDP, *ports),
    ]
    mask = [
        *attribute(OVS_IN_PORT, b"\xff" * 4),
        *attribute(OVS_ETHERNET, bytes(12)),
        *attribute(OVS_ETH_TYPE, b"\xff" * 2),
        *attribute(OVS_IPV4, b"\xff" * 9 + bytes(3)),
        *attribute(OVS_UDP, b"\xff" * 4),
    ]
    actions = attribute(OVS_ACTIONS, *attribute(OVS_OUTPUT, struct.pack("=I", to)))
    datapath.add_flows(
        flows.count, [*attribute(OVS_KEY, *key), *actions, *attribute(OVS_MASK, *mask)]
    )


DATAPATHS: dict[str, Connected] = {
    "tc": tc_datapath,
    "ovs": ovs_datapath,
    "bridge": bridge_datapath,
}
