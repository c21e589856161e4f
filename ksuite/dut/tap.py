# SPDX-License-Identifier: GPL-2.0-or-later
"""Tap devices with virtio-net headers (include/uapi/linux/if_tun.h)."""

from __future__ import annotations

import fcntl
import os
import struct
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pyroute2 import IPRoute

from ksuite.dut.vhostnet import HEADER_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

TUNSETIFF = 0x400454CA
TUNSETVNETHDRSZ = 0x400454D8
IFF_TAP = 0x0002
IFF_MULTI_QUEUE = 0x0100
IFF_NO_PI = 0x1000
IFF_VNET_HDR = 0x4000

COUNTERS = ("rx_packets", "rx_bytes", "rx_dropped", "tx_packets", "tx_bytes", "tx_dropped")


class Tap:
    """An open tap device.

    :param fds: one file descriptor a queue.
    """

    def __init__(self, name: str, fds: tuple[int, ...]) -> None:
        self.name = name
        self.fds = fds

    def counters(self) -> dict[str, int]:
        """Return the device's packet and byte counters, seen from the host's stack."""
        statistics = Path("/sys/class/net") / self.name / "statistics"
        return {name: int((statistics / name).read_text()) for name in COUNTERS}


def open_queue(name: str, flags: int) -> int:
    """Return the file descriptor of a tap device's queue, which is not waited for.

    :param flags: ``IFF_*``; where there is no such device, it is created.
    """
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    except BaseException:
        os.close(fd)
        raise
    return fd


@contextmanager
def tap(
    name: str = "tap0", *, queues: int = 1, mtu: int = 1500, queue_packets: int = 1000
) -> Iterator[Tap]:
    """Create a tap device that is up and silent, and remove it at the end.

    :param mtu: bytes.
    :param queue_packets: how many packets wait for the reader before the next is dropped.
    """
    flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (IFF_MULTI_QUEUE if queues > 1 else 0)
    with ExitStack() as stack:
        fds = []
        for _ in range(queues):
            fd = open_queue(name, flags)
            stack.callback(os.close, fd)
            fcntl.ioctl(fd, TUNSETVNETHDRSZ, struct.pack("<i", HEADER_BYTES))
            fds.append(fd)
        # IPv6's own chatter would be counted as packets.
        Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
        with IPRoute() as routes:
            index = routes.link_lookup(ifname=name)[0]
            routes.link("set", index=index, mtu=mtu, txqlen=queue_packets, state="up")
        yield Tap(name, tuple(fds))
