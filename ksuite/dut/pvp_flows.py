# SPDX-License-Identifier: GPL-2.0-or-later
"""The frames of PVP: UDP over IPv4, of any number of flows, made in columns.

A flow has a pair of MAC addresses, a pair of IPv4 addresses and a pair of ports of its own, so that
it is another one to whoever looks at any of these: a bridge at the MACs, a classifier at the rest.
The guest swaps the MAC addresses, and nothing else.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Bytes2D = npt.NDArray[np.uint8]

TO, FROM = slice(0, 6), slice(6, 12)
HEADERS = bytes.fromhex(
    "020200000000 020100000000 0800"  # destination and source, IPv4
    "4500 0000 0000 0000 4011 0000 0a010000 0a020000"  # UDP, time to live 64
    "0000 0000 0000 0000"  # ports, length; no checksum
)
IPV4 = slice(14, 34)
IPV4_LENGTH, IPV4_CHECKSUM, UDP_LENGTH = slice(16, 18), slice(24, 26), slice(38, 40)
SOURCE, DESTINATION = slice(26, 30), slice(30, 34)
SOURCE_PORT, DESTINATION_PORT = slice(34, 36), slice(36, 38)
NUMBERED = (4, 10, 28, 32)
"""Where a flow's number is: the last two bytes of each address."""
FIRST_PORTS = {34: 1024, 36: 33792}
"""And what is added to it for a port."""
MOST = 16384
"""Flows: no port may pass 65,535."""


class Flows:
    """Flows 0 to count - 1.

    :param count: at most MOST.
    """

    def __init__(self, count: int) -> None:
        if not 0 < count <= MOST:
            raise ValueError(f"{count} flows; from 1 to {MOST} are possible")
        self.count = count
        self.headers: Bytes2D = np.tile(np.frombuffer(HEADERS, dtype=np.uint8), (count, 1))
        numbers = np.arange(count)
        for at in NUMBERED:
            self.headers[:, at : at + 2] = _in_bytes(numbers)
        for at, first in FIRST_PORTS.items():
            self.headers[:, at : at + 2] = _in_bytes(first + numbers)

    def inward(self, size: int) -> Bytes2D:
        """Return a frame of `size` bytes to the guest for each flow, with a payload of its own."""
        rows = np.empty((self.count, size), dtype=np.uint8)
        rows[:, : len(HEADERS)] = self.headers
        at = np.arange(size - len(HEADERS))
        rows[:, len(HEADERS) :] = 37 * np.arange(self.count)[:, None] + 7 * at & 0xFF
        rows[:, IPV4_LENGTH] = _in_bytes(np.array([size - IPV4.start]))
        rows[:, UDP_LENGTH] = _in_bytes(np.array([size - IPV4.stop]))
        rows[:, IPV4_CHECKSUM] = _in_bytes(_checksums(rows[:, IPV4]))
        return rows

    def outward(self, size: int) -> Bytes2D:
        """Return what the guest makes of them."""
        rows = self.inward(size)
        rows[:, TO], rows[:, FROM] = self.field(FROM), self.field(TO)
        return rows

    def field(self, where: slice) -> Bytes2D:
        """Return a field of the headers of all flows: (count, bytes)."""
        return self.headers[:, where]


def _in_bytes(numbers: npt.NDArray[np.integer]) -> Bytes2D:
    """Return numbers of 16 bits in the network's order: (count, 2)."""
    return numbers.astype(">u2").view(np.uint8).reshape(-1, 2)


def _checksums(headers: Bytes2D) -> npt.NDArray[np.integer]:
    words = np.ascontiguousarray(headers).view(">u2").astype(np.int64).sum(axis=1)
    for _ in range(2):
        words = (words & 0xFFFF) + (words >> 16)
    checksums: npt.NDArray[np.integer] = ~words & 0xFFFF
    return checksums
