# SPDX-License-Identifier: GPL-2.0-or-later
"""How the datapath finds a packet's flow: under one of many masks, or not any more."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from ksuite.dut.ovs_bare import Bench

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ksuite.dut.ovs_attributes import Action, Key
    from ksuite.dut.ovs_datapath import Datapath

PREFIXES = 32
SOURCE, DESTINATION = "10.0.0.1", "10.0.1.1"
HARDWARE = "02:00:00:00:00:02"
"""Where the packet that is to be found comes from, and goes to."""


def masks(count: int) -> Iterator[Key]:
    """Yield different masks for IPv4 packets of a port: prefixes of both addresses."""
    for number in range(count):
        source, destination = divmod(number, PREFIXES)
        prefixes = (_netmask(source + 1), _netmask(destination + 1))
        yield {
            "in_port": 0xFFFFFFFF,
            "eth": ("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"),
            "eth_type": 0xFFFF,
            "ipv4": (*prefixes, 0, 0, 0, 0),
        }


def _netmask(length: int) -> str:
    return str(ipaddress.ip_network(f"0.0.0.0/{length}").netmask)


def install(datapath: Datapath, count: int, actions: Sequence[Action], port: int = 1) -> None:
    """Install a flow under each of some masks, the last for the packet that is to be found."""
    for number, mask in enumerate(masks(count), 1):
        # No two may overlap: the datapath knows no priorities.
        last = number == count
        key = {
            "in_port": port,
            "eth": ("00:00:00:00:00:00", HARDWARE if last else f"06:00:00:00:{number:04x}"),
            "eth_type": 0x0800,
            "ipv4": (SOURCE, DESTINATION, 0, 0, 0, 0),
        }
        datapath.add_flow(key, actions if last else [], mask)


def among_masks(frame: bytes, count: int, times: int) -> list[dict[str, int]]:
    """Send a frame whose flow is under the last of many masks, and tell what each time counts.

    :param frame: from SOURCE to DESTINATION, and to HARDWARE.
    :return: for each time: ``mask_hit`` look-ups, ``cache_hit`` hits in the mask cache, ``masks``.
    """
    told = []
    with Bench(2) as bench:
        install(bench.datapath, count, [("output", 2)])
        before = bench.datapath.statistics()
        for _ in range(times):
            bench.send(1, frame)
            after = bench.datapath.statistics()
            counted = {name: after[name] - before[name] for name in ("mask_hit", "cache_hit")}
            told.append(counted | {"masks": after["masks"]})
            before = after
    return told


def come_and_go(frame: bytes) -> dict[str, Any]:
    """Send a frame before its flow is there, while it is, and when it is gone again.

    :return: for each: ``missed`` upcalls, ``out`` frames, and whether the flow is ``used``.
    """
    told = {}
    with Bench(2) as bench:
        datapath = bench.datapath
        key = b""
        for moment in ("before", "installed", "removed"):
            if moment == "installed":
                datapath.add_flow(key, [("output", 2)])
            elif moment == "removed":
                datapath.remove_flow(key)
            bench.send(1, frame)
            missed = datapath.upcalls()
            if moment == "before" and not missed:
                raise OSError("no upcall came for a packet that has no flow")
            key = missed[0].key if missed else key
            told[moment] = {
                "missed": len(missed),
                "out": len(bench.taken().get(2, [])),
                "used": any(flow.used_ms is not None for flow in datapath.flows()),
            }
    return told
