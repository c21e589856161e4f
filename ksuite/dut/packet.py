# SPDX-License-Identifier: GPL-2.0-or-later
"""Packet sockets with memory-mapped rings: a batch of frames in or out for one system call.

Layout: Documentation/networking/packet_mmap.rst, TPACKET_V2.
"""

from __future__ import annotations

import mmap
import select
import socket
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator

SOL_PACKET = 263
PACKET_RX_RING = 5
PACKET_STATISTICS = 6
PACKET_VERSION = 10
PACKET_TX_RING = 13
PACKET_QDISC_BYPASS = 20
PACKET_IGNORE_OUTGOING = 23
TPACKET_V2 = 1
SO_SNDBUFFORCE = 32
SO_RCVBUFFORCE = 33
SEND_BUFFER_BYTES = 64 << 20
"""More than a ring takes, even when nothing of it has been freed yet."""
ETH_P_ALL = 0x0003

STATUS_AVAILABLE = 0
STATUS_SEND_REQUEST = 1
STATUS_KERNEL = 0
STATUS_USER = 1
STATUS_VLAN_VALID = 1 << 4
VLAN_TAG_AT = 12

HEADER = np.dtype(
    [
        ("status", "<u4"),
        ("len", "<u4"),
        ("snaplen", "<u4"),
        ("mac", "<u2"),
        ("net", "<u2"),
        ("seconds", "<u4"),
        ("nanoseconds", "<u4"),
        ("vlan_tci", "<u2"),
        ("vlan_tpid", "<u2"),
        ("padding", "V4"),
    ]
)
"""struct tpacket2_hdr."""
TX_DATA_OFFSET = HEADER.itemsize
RX_DATA_OFFSET = 66
"""Where the kernel puts an untagged frame's Ethernet header (tpacket_rcv(): tp_mac)."""

Bytes2D = npt.NDArray[np.uint8]


class PacketRing:
    """One direction of a packet socket bound to an interface; a context manager.

    :param slots: frames in the ring, at least.
    :param slot_bytes: bytes of a slot, a power of two, frame header included.
    :param bypass: send past the qdisc, and so past TC's egress hook.
    """

    def __init__(
        self, interface: str, slots: int, slot_bytes: int, *, send: bool, bypass: bool = True
    ) -> None:
        block = max(slot_bytes, mmap.PAGESIZE)
        blocks = -(-slots * slot_bytes // block)
        # The kernel uses all that fit into whole blocks.
        self.slots = slots = blocks * block // slot_bytes
        self._send = send
        self._next = 0
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V2)
        if send:
            self._socket.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, int(bypass))
            self._socket.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER_BYTES)
        else:
            self._socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        request = struct.pack("IIII", block, blocks, slot_bytes, slots)
        self._socket.setsockopt(SOL_PACKET, PACKET_TX_RING if send else PACKET_RX_RING, request)
        self._map = mmap.mmap(self._socket.fileno(), blocks * block, flags=mmap.MAP_SHARED)
        ring = np.frombuffer(self._map, dtype=np.uint8)[: slots * slot_bytes]
        self.slots_bytes: Bytes2D = ring.reshape(slots, slot_bytes)
        self.headers = self.slots_bytes[:, : HEADER.itemsize].view(HEADER)[:, 0]
        self._socket.bind((interface, 0 if send else ETH_P_ALL))
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @property
    def frames(self) -> Bytes2D:
        """The frame part of every slot, a view: (slots, bytes)."""
        offset = TX_DATA_OFFSET if self._send else RX_DATA_OFFSET
        return self.slots_bytes[:, offset:]

    def fill(self, rows: Bytes2D, lengths: npt.NDArray[np.uint32]) -> None:
        """Put frames into the slots that are sent next; rows may be longer than their frames."""
        slots = np.arange(self._next, self._next + len(rows)) % self.slots
        self.frames[slots, : rows.shape[1]] = rows
        self.headers["len"][slots] = lengths

    def send(self, count: int) -> None:
        """Send the frames of the next `count` slots; their lengths are in `headers["len"]`.

        The slots' contents must stay as they are until the receiver has read them: the kernel
        sends from the ring itself.
        """
        slots = self._take(count)
        self.headers["status"][slots] = STATUS_SEND_REQUEST
        self._socket.send(b"", socket.MSG_DONTWAIT)

    def received(self) -> npt.NDArray[np.intp]:
        """Return the slots that hold frames not yet taken, oldest first, without waiting."""
        order = np.arange(self._next, self._next + self.slots) % self.slots
        full = self.headers["status"][order] & STATUS_USER
        return order if full.all() else order[: int(np.argmin(full))]

    def release(self, slots: npt.NDArray[np.intp]) -> None:
        """Give slots back to the kernel."""
        self.headers["status"][slots] = STATUS_KERNEL
        self._next = (self._next + len(slots)) % self.slots

    def take(self) -> list[bytes]:
        """Take what has been received so far, without waiting, as it was on the wire."""
        slots = self.received()
        taken = [self._frame(slot) for slot in slots]
        self.release(slots)
        return taken

    def _frame(self, slot: np.intp) -> bytes:
        header = self.headers[slot]
        start = int(header["mac"])
        data = bytes(self.slots_bytes[slot, start : start + int(header["len"])])
        if not header["status"] & STATUS_VLAN_VALID:
            return data
        # The kernel keeps the outer tag beside the packet.
        tag = struct.pack("!HH", header["vlan_tpid"], header["vlan_tci"])
        return data[:VLAN_TAG_AT] + tag + data[VLAN_TAG_AT:]

    def wait(self, timeout_seconds: float) -> bool:
        """Sleep until a frame is there; False when none came in time."""
        return bool(self._poll.poll(timeout_seconds * 1000))

    def _take(self, count: int) -> npt.NDArray[np.intp]:
        slots = np.arange(self._next, self._next + count) % self.slots
        self._next = (self._next + count) % self.slots
        return slots


@contextmanager
def generator(interface: str, frame: bytes, count: int) -> Iterator[PacketRing]:
    """Yield a ring whose `count` slots all hold the same frame, ready to be sent."""
    with PacketRing(interface, count, 2048, send=True) as ring:
        ring.frames[:, : len(frame)] = np.frombuffer(frame, dtype=np.uint8)
        ring.headers["len"] = len(frame)
        yield ring
