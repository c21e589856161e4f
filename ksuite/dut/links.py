# SPDX-License-Identifier: GPL-2.0-or-later
"""Links without hardware, through pyroute2: veth pairs, bridges, dummies; all up, all silent."""

from __future__ import annotations

import fcntl
import socket
import struct
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from pyroute2 import IPRoute

from ksuite.dut.netns import inside

if TYPE_CHECKING:
    from collections.abc import Iterator

SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
IFF_UP = 1
_FLAGS = struct.Struct("=16sH22x")
"""struct ifreq: name, flags."""


def bring_up(name: str) -> int:
    """Bring a link up without letting IPv6 chatter on it; return its index."""
    Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
    set_state(name, up=True)
    return socket.if_nametoindex(name)


def set_state(name: str, *, up: bool) -> None:
    """Bring a link up or down as netdevice(7) has it: a tenth of the time that pyroute2 takes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = _FLAGS.pack(name.encode(), 0)
        _, flags = _FLAGS.unpack(fcntl.ioctl(any_socket, SIOCGIFFLAGS, asked))
        flags = flags | IFF_UP if up else flags & ~IFF_UP
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, _FLAGS.pack(name.encode(), flags))


@contextmanager
def veth(near: str, far: str, far_namespace: str = "") -> Iterator[None]:
    """Create a veth pair whose far end is in another namespace, if one is named."""
    with IPRoute() as routes:
        routes.link("add", ifname=near, kind="veth", peer={"ifname": far})
        index = socket.if_nametoindex(near)
        try:
            if far_namespace:
                routes.link("set", index=socket.if_nametoindex(far), net_ns_fd=far_namespace)
            with inside(far_namespace) if far_namespace else nullcontext():
                bring_up(far)
            bring_up(near)
            yield
        finally:
            routes.link("del", index=index)


@contextmanager
def dummy(name: str) -> Iterator[None]:
    """Create a link that counts and frees what is sent on it."""
    with IPRoute() as routes:
        routes.link("add", ifname=name, kind="dummy")
        try:
            bring_up(name)
            yield
        finally:
            routes.link("del", index=socket.if_nametoindex(name))


def sent_packets(name: str) -> int:
    """Return how many packets were sent on a link."""
    return _statistic(name, "tx_packets")


def received_packets(name: str) -> int:
    """Return how many packets came in on a link of this thread's namespace."""
    # /sys shows the links of the namespace that it was mounted in.
    lines = Path("/proc/thread-self/net/dev").read_text(encoding="ascii").splitlines()
    (counters,) = (line.partition(":")[2] for line in lines if line.split(":")[0].strip() == name)
    return int(counters.split()[1])


def dropped_packets(name: str) -> int:
    """Return how many packets came in on a link for nobody: no protocol knows their type."""
    return _statistic(name, "rx_dropped")


def _statistic(name: str, which: str) -> int:
    return int(Path(f"/sys/class/net/{name}/statistics/{which}").read_text())


@contextmanager
def bridge(name: str, *ports: str) -> Iterator[None]:
    """Create a bridge without spanning tree, and put links into it."""
    with IPRoute() as routes:
        # Snooping would make the bridge ask its ports for multicast groups: packets nobody sent.
        routes.link("add", ifname=name, kind="bridge", br_mcast_snooping=0)
        try:
            index = bring_up(name)
            for port in ports:
                routes.link("set", index=socket.if_nametoindex(port), master=index)
            yield
        finally:
            routes.link("del", index=socket.if_nametoindex(name))
