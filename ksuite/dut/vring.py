# SPDX-License-Identifier: GPL-2.0-or-later
"""The driver's side of a virtio 1.x split virtqueue, over memory that the device reads directly.

Layout and rules: VIRTIO 1.2, section 2.7 (split virtqueues), 2.7.7 (used buffer notification
suppression), 2.7.10 (available buffer notification suppression).

The ring arrays are numpy views over one mapping, so that a batch of a thousand buffers costs a few
calls, and waiting is always on an eventfd: a driver that polled would *be* the time on the
instruction clock.
"""

from __future__ import annotations

import mmap
import os
import select
import threading

import numpy as np
import numpy.typing as npt

DESC_F_NEXT = 1
DESC_F_WRITE = 2
AVAIL_F_NO_INTERRUPT = 1
USED_F_NO_NOTIFY = 1

DESC = np.dtype([("addr", "<u8"), ("len", "<u4"), ("flags", "<u2"), ("next", "<u2")])
USED_ELEM_BYTES = 8

Indices = npt.NDArray[np.intp]
_PAGE = mmap.PAGESIZE


class LostWakeupError(TimeoutError):
    """The device used buffers, or should have, and the driver was not told: the kernel's fault."""


class Memory:
    """One anonymous mapping that is the whole "guest physical memory" of a device.

    Guest addresses are the mapping's own virtual addresses, so nothing is ever translated.

    :param size: bytes.
    """

    def __init__(self, size: int) -> None:
        self._map = mmap.mmap(-1, size, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
        self.bytes: npt.NDArray[np.uint8] = np.frombuffer(self._map, dtype=np.uint8)
        self.address: int = self.bytes.ctypes.data
        self.size = size
        self._used = 0

    def take(self, size: int) -> npt.NDArray[np.uint8]:
        """Hand out the next `size` bytes, page-aligned."""
        start = self._used
        if start + size > self.size:
            raise MemoryError(f"guest memory of {self.size} bytes is too small for {size} more")
        self._used = start + (size + _PAGE - 1) // _PAGE * _PAGE
        return self.bytes[start : start + size]


class Virtqueue:
    """A split virtqueue as its driver sees it.

    :param memory: where ring and buffers live.
    :param size: entries, a power of two up to 32768.
    :param buffer_bytes: size of the buffer behind each descriptor.
    :param writable: the device writes the buffers (a receive queue).
    :param event_idx: VIRTIO_F_EVENT_IDX was negotiated.
    """

    def __init__(
        self, memory: Memory, size: int, buffer_bytes: int, *, writable: bool, event_idx: bool
    ) -> None:
        self.size = size
        self.event_idx = event_idx
        self.desc_bytes = memory.take(DESC.itemsize * size)
        self.avail_bytes = memory.take(4 + 2 * size + 2)
        self.used_bytes = memory.take(4 + USED_ELEM_BYTES * size + 2)
        self.desc = self.desc_bytes.view(DESC)
        self._avail_flags = self.avail_bytes[0:2].view("<u2")
        self._avail_idx = self.avail_bytes[2:4].view("<u2")
        self._avail_ring = self.avail_bytes[4 : 4 + 2 * size].view("<u2")
        self._used_event = self.avail_bytes[4 + 2 * size :].view("<u2")
        self._used_flags = self.used_bytes[0:2].view("<u2")
        self._used_idx = self.used_bytes[2:4].view("<u2")
        self._used_ring = self.used_bytes[4 : 4 + USED_ELEM_BYTES * size].view("<u4").reshape(-1, 2)
        self._avail_event = self.used_bytes[4 + USED_ELEM_BYTES * size :].view("<u2")

        self.buffers = memory.take(size * buffer_bytes).reshape(size, buffer_bytes)
        self.desc["addr"] = self.buffers.ctypes.data + np.arange(size, dtype="<u8") * buffer_bytes
        self.desc["len"] = buffer_bytes
        self.desc["flags"] = DESC_F_WRITE if writable else 0

        self.kick_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.call_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.err_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self.call_fd, select.POLLIN)
        self._fence = threading.Lock()
        self.posted = 0
        self._kicked_at = 0
        self.taken = 0
        self.kicks = 0
        self.wakeups = 0
        if not event_idx:
            self._avail_flags[0] = AVAIL_F_NO_INTERRUPT

    def close(self) -> None:
        """Close the eventfds."""
        for fd in (self.kick_fd, self.call_fd, self.err_fd):
            os.close(fd)

    def _full_barrier(self) -> None:
        # A store followed by a load of the device's word must not be reordered (2.7.13.4.1). Taking
        # a lock is the atomic read-modify-write that Python can offer.
        with self._fence:
            pass

    def post(self, heads: npt.ArrayLike) -> None:
        """Make descriptor chains available, given their head indices; does not kick."""
        ids = np.asarray(heads, dtype="<u2")
        slots = np.arange(self.posted, self.posted + len(ids)) & (self.size - 1)
        self._avail_ring[slots] = ids
        self.posted += len(ids)
        self._avail_idx[0] = self.posted & 0xFFFF

    def publish_raw_avail_idx(self, value: int) -> None:
        """Write any number into the available index: for devices that must survive a liar."""
        self._avail_idx[0] = value & 0xFFFF

    def kick(self) -> None:
        """Tell the device about everything posted, unless it asked not to be told."""
        old, new = self._kicked_at, self.posted & 0xFFFF
        self._full_barrier()
        if self.event_idx:
            event = int(self._avail_event[0])
            wanted = (new - event - 1) & 0xFFFF < (new - old) & 0xFFFF
        else:
            wanted = not int(self._used_flags[0]) & USED_F_NO_NOTIFY
        self._kicked_at = new
        if wanted:
            self.kick_always()

    def kick_always(self) -> None:
        """Kick whatever the device asked for."""
        self.kicks += 1
        os.eventfd_write(self.kick_fd, 1)

    def used_count(self) -> int:
        """Return how many chains the device has returned since the start."""
        return self.taken + ((int(self._used_idx[0]) - self.taken) & 0xFFFF)

    def take_used(self) -> tuple[Indices, npt.NDArray[np.uint32]]:
        """Take what the device returned: head indices and written lengths, in its order."""
        count = self.used_count() - self.taken
        if self.taken + count > self.posted:
            raise OSError(f"the device used {self.taken + count} chains of {self.posted} posted")
        entries = self._used_ring[np.arange(self.taken, self.taken + count) & (self.size - 1)]
        if (entries[:, 0] >= self.size).any():
            raise OSError(f"the device used head {entries[:, 0].max()} of a ring of {self.size}")
        self.taken += count
        return entries[:, 0].astype(np.intp), entries[:, 1]

    def wait_used(self, total: int, timeout_seconds: float = 5.0) -> None:
        """Sleep until the device has returned `total` chains since the start.

        :raises LostWakeupError: no notification within the time limit. On the instruction clock
            an idle guest's time leaps, so this costs the host nothing.
        """
        while self.used_count() < total:
            self._arm(total)
            if self.used_count() >= total:
                break
            if not self._poll.poll(timeout_seconds * 1000):
                state = f"{self.used_count()} of {total} used, {self.posted} posted"
                raise LostWakeupError(f"no notification in {timeout_seconds:g} s: {state}")
            os.eventfd_read(self.call_fd)
            self.wakeups += 1
        if not self.event_idx:
            self._avail_flags[0] = AVAIL_F_NO_INTERRUPT

    def _arm(self, total: int) -> None:
        if self.event_idx:
            self._used_event[0] = (total - 1) & 0xFFFF
        else:
            self._avail_flags[0] = 0
        self._full_barrier()

    def error_signalled(self, timeout_seconds: float = 1.0) -> bool:
        """Whether the device reported a broken ring on its error eventfd."""
        poll = select.poll()
        poll.register(self.err_fd, select.POLLIN)
        if not poll.poll(timeout_seconds * 1000):
            return False
        os.eventfd_read(self.err_fd)
        return True
