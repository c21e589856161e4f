# SPDX-License-Identifier: GPL-2.0-or-later
"""A /dev/vhost-net device: one queue pair between our virtqueues and one tap queue.

Interface: include/uapi/linux/vhost.h and vhost_types.h.
"""

from __future__ import annotations

import fcntl
import os
import struct
from dataclasses import dataclass
from typing import Self

from ksuite.dut.vring import Memory, Virtqueue

GET_FEATURES = 0x8008AF00
SET_FEATURES = 0x4008AF00
SET_OWNER = 0xAF01
SET_MEM_TABLE = 0x4008AF03
SET_VRING_NUM = 0x4008AF10
SET_VRING_ADDR = 0x4028AF11
SET_VRING_BASE = 0x4008AF12
SET_VRING_KICK = 0x4008AF20
SET_VRING_CALL = 0x4008AF21
SET_VRING_ERR = 0x4008AF22
NET_SET_BACKEND = 0x4008AF30

F_MRG_RXBUF = 1 << 15
F_EVENT_IDX = 1 << 29
F_VERSION_1 = 1 << 32

RX, TX = 0, 1
HEADER_BYTES = 12
"""struct virtio_net_hdr_v1: VERSION_1 and MRG_RXBUF both make it 12 bytes."""


@dataclass(frozen=True)
class RingShape:
    """How a device's rings are laid out.

    :param entries: descriptors in each ring.
    :param rx_buffer_bytes: size of one receive buffer, header included.
    :param tx_buffer_bytes: size of one transmit buffer, header included.
    """

    entries: int = 1024
    rx_buffer_bytes: int = 2048
    tx_buffer_bytes: int = 2048
    event_idx: bool = True
    mergeable: bool = True

    @property
    def features(self) -> int:
        """The virtio feature bits that this shape negotiates."""
        mergeable = F_MRG_RXBUF if self.mergeable else 0
        return F_VERSION_1 | mergeable | (F_EVENT_IDX if self.event_idx else 0)


class VhostNet:
    """An open vhost-net device with an rx and a tx virtqueue; a context manager.

    The header of every tx buffer is zero: no offload is asked for.
    """

    def __init__(self, shape: RingShape = RingShape()) -> None:
        self.shape = shape
        rings = 2 * (shape.entries * (16 + 2 + 8) + 16 * 4096)
        buffers = shape.entries * (shape.rx_buffer_bytes + shape.tx_buffer_bytes) + 2 * 4096
        self.memory = Memory(rings + buffers)
        event_idx = shape.event_idx
        self.rx = Virtqueue(
            self.memory, shape.entries, shape.rx_buffer_bytes, writable=True, event_idx=event_idx
        )
        self.tx = Virtqueue(
            self.memory, shape.entries, shape.tx_buffer_bytes, writable=False, event_idx=event_idx
        )
        self.fd = os.open("/dev/vhost-net", os.O_RDWR | os.O_CLOEXEC)
        try:
            self._negotiate()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the device: its worker ends, its rings are released."""
        os.close(self.fd)
        self.rx.close()
        self.tx.close()

    def _negotiate(self) -> None:
        fcntl.ioctl(self.fd, SET_OWNER)
        offered = struct.unpack("<Q", fcntl.ioctl(self.fd, GET_FEATURES, bytes(8)))[0]
        missing = self.shape.features & ~offered
        if missing:
            raise OSError(f"vhost-net offers features {offered:#x}, not {missing:#x}")
        fcntl.ioctl(self.fd, SET_FEATURES, struct.pack("<Q", self.shape.features))
        region = struct.pack("<QQQQ", self.memory.address, self.memory.size, self.memory.address, 0)
        fcntl.ioctl(self.fd, SET_MEM_TABLE, struct.pack("<II", 1, 0) + region)
        for index, queue in ((RX, self.rx), (TX, self.tx)):
            self._set_up(index, queue)

    def _set_up(self, index: int, queue: Virtqueue) -> None:
        state = struct.pack("<II", index, queue.size)
        fcntl.ioctl(self.fd, SET_VRING_NUM, state)
        fcntl.ioctl(self.fd, SET_VRING_BASE, struct.pack("<II", index, 0))
        desc = queue.desc_bytes.ctypes.data
        used = queue.used_bytes.ctypes.data
        avail = queue.avail_bytes.ctypes.data
        address = struct.pack("<IIQQQQ", index, 0, desc, used, avail, 0)
        fcntl.ioctl(self.fd, SET_VRING_ADDR, address)
        for request, fd in (
            (SET_VRING_KICK, queue.kick_fd),
            (SET_VRING_CALL, queue.call_fd),
            (SET_VRING_ERR, queue.err_fd),
        ):
            fcntl.ioctl(self.fd, request, struct.pack("<Ii", index, fd))

    def attach(self, tap_fd: int, queues: tuple[int, ...] = (RX, TX)) -> None:
        """Connect queues to a tap queue, in this order: from now on packets flow."""
        for index in queues:
            fcntl.ioctl(self.fd, NET_SET_BACKEND, struct.pack("<Ii", index, tap_fd))
