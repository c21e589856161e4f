# SPDX-License-Identifier: GPL-2.0-or-later
"""A tunnel port of the datapath: what it wraps, and what it makes of that when it comes back.

::

    packet socket --> port 1 -- datapath -- port 9: gre | vxlan | geneve
                                                       |
                        host stack: under, 192.168.7.1/24 ==veth== far --> packet socket
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from pyroute2 import IPRoute

from ksuite.dut.links import veth
from ksuite.dut.ovs_attributes import unpack_key
from ksuite.dut.ovs_bare import SLOT_BYTES, SLOTS, Bench
from ksuite.dut.packet import PacketRing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NEAR, FAR = "192.168.7.1", "192.168.7.2"
HARDWARE_FAR = "02:00:00:00:07:02"
TUNNEL_PORT = 9
UDP_PORTS = {"gre": 0, "vxlan": 4789, "geneve": 6081}
ADDRESSES = slice(0, 12)
IP_SOURCE, IP_DESTINATION = slice(26, 30), slice(30, 34)


def there_and_back(kind: str, frame: bytes, tunnel: Mapping[str, Any]) -> dict[str, Any]:
    """Send a frame into a tunnel, and what came out of it back to where it was sent from.

    :param kind: a key of UDP_PORTS.
    :param tunnel: the tunnel key of what is sent, without addresses.
    :return: ``outer`` frames on the wire; ``key`` of what came back; ``inner`` packet that came
        up; ``back`` frames at port 1; ``flows`` packets of both flows.
    """
    with Bench(1) as bench, _underlay(), PacketRing("far", SLOTS, SLOT_BYTES, send=False) as far:
        datapath = bench.datapath
        datapath.add_port(TUNNEL_PORT, "tunnel", kind, UDP_PORTS[kind])
        ends = {"src": NEAR, "dst": FAR}
        into = [("set", {"tunnel": {**tunnel, **ends}}), ("output", TUNNEL_PORT)]
        (out_key,) = bench.learn((1, frame), [into])
        outer = far.take()
        if not outer:
            raise OSError(f"nothing came out of the {kind} tunnel")
        with PacketRing("far", SLOTS, SLOT_BYTES, send=True) as wire:
            _send(wire, _returned(outer[0]))
            missed = datapath.miss()
            datapath.add_flow(missed.key, [("output", 1)])
            _send(wire, _returned(outer[0]))
        counted = {flow.key: flow.packets for flow in datapath.flows()}
        return {
            "outer": outer,
            "key": unpack_key(missed.key),
            "inner": missed.packet,
            "back": bench.taken().get(1, []),
            "flows": [counted.get(key, 0) for key in (out_key, missed.key)],
        }


@contextmanager
def _underlay() -> Iterator[None]:
    with veth("under", "far"), IPRoute() as routes:
        index = routes.link_lookup(ifname="under")[0]
        routes.addr("add", index=index, address=NEAR, prefixlen=24)
        routes.neigh("replace", dst=FAR, lladdr=HARDWARE_FAR, ifindex=index, state="permanent")
        yield


def _send(wire: PacketRing, frame: bytes) -> None:
    row = np.frombuffer(frame, dtype=np.uint8)[None]
    wire.fill(row, np.array([len(frame)], dtype=np.uint32))
    wire.send(1)


def _returned(outer: bytes) -> bytes:
    """Return a frame as the other end of the tunnel would send it back: all addresses swapped."""
    swapped = bytearray(outer)
    swapped[ADDRESSES] = outer[6:12] + outer[0:6]
    swapped[IP_SOURCE], swapped[IP_DESTINATION] = outer[IP_DESTINATION], outer[IP_SOURCE]
    return bytes(swapped)
