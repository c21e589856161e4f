# SPDX-License-Identifier: GPL-2.0-or-later
"""Tunnel ports that take addresses and key from each packet's metadata, and tell them there."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyroute2 import IPRoute

from ksuite.dut.links import bring_up

if TYPE_CHECKING:
    from collections.abc import Iterator

PORTS = {"vxlan": 4789, "geneve": 6081}
"""UDP ports by kind, as IANA has them."""
NEAR_MAC, NEAR_IP = "02:00:00:00:00:02", "10.1.0.2"
FAR_MAC, FAR_IP = "02:00:00:00:00:01", "10.1.0.1"
PREFIX_BITS = 24


@contextmanager
def tunnel(name: str, kind: str, under: str) -> Iterator[None]:
    """Create a tunnel port over a link, which gets the near addresses; the far ones are known.

    :param kind: a key of PORTS.
    """
    with IPRoute() as routes:
        index = routes.link_lookup(ifname=under)[0]
        routes.link("set", index=index, address=NEAR_MAC)
        routes.addr("add", index=index, address=NEAR_IP, prefixlen=PREFIX_BITS)
        routes.neigh("add", ifindex=index, dst=FAR_IP, lladdr=FAR_MAC, state="permanent")
        how = {f"{kind}_collect_metadata": True, f"{kind}_port": PORTS[kind]}
        routes.link("add", ifname=name, kind=kind, **how)
        try:
            bring_up(name)
            yield
        finally:
            routes.link("del", index=routes.link_lookup(ifname=name)[0])
