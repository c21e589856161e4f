# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbered frames through vhost-net, one direction at a time, every byte checked.

::

    to_host    driver --tx ring--> vhost worker --> tap0 --> packet socket

    to_guest   packet socket --> tap0 queue --> vhost worker --rx ring--> driver
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from ksuite.dut import batches
from ksuite.dut.cpu import real_time
from ksuite.dut.frames import FrameBatch, Verifier
from ksuite.dut.packet import PacketRing
from ksuite.dut.tap import tap
from ksuite.dut.vhostnet import HEADER_BYTES, RingShape, VhostNet
from ksuite.dut.vring import Indices, LostWakeupError, Virtqueue

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

Observation = dict[str, Any]
GIVE_UP_AFTER = 5
"""Failed waits after which a transfer ends: what is wrong has been seen."""
WAIT_SECONDS = 0.5
CHECKED_FRAMES = 512
"""Frames that are checked at once: a check of a few costs as much as their way through vhost."""
NUM_BUFFERS = slice(10, 12)
"""num_buffers in struct virtio_net_hdr_v1."""


class Patience:
    """Waits for used buffers and tells lost packets from lost wake-ups."""

    def __init__(self, queue: Virtqueue) -> None:
        self._queue = queue
        self.expected = 0
        self.lost_wakeups = 0
        self.timeouts = 0

    def wait(self, more: int) -> bool:
        """Wait for `more` buffers; False when it is time to give up."""
        self.expected += more
        try:
            self._queue.wait_used(self.expected, WAIT_SECONDS)
        except LostWakeupError:
            self.timeouts += 1
            there = self._queue.used_count()
            # All there and nobody told us: that is the lost wake-up. Less than all: lost packets.
            self.lost_wakeups += there >= self.expected
            self.expected = there
        return self.timeouts < GIVE_UP_AFTER


def to_host(
    templates: Sequence[bytes], rounds: int, *, entries: int = 1024, event_idx: bool = True
) -> Observation:
    """Send the batch of frames `rounds` times from the driver and check what tap0 receives."""
    batch = FrameBatch(templates)
    _must_fit(batch.count, entries)
    buffer_bytes = _power_of_two(HEADER_BYTES + batch.width)
    shape = RingShape(entries, tx_buffer_bytes=buffer_bytes, event_idx=event_idx)
    with ExitStack() as stack:
        link = stack.enter_context(tap(mtu=_mtu(batch)))
        device = stack.enter_context(VhostNet(shape))
        slot_bytes = _power_of_two(128 + batch.width)
        together = max(1, min(CHECKED_FRAMES, entries // 2) // batch.count)
        slots = (together + 1) * batch.count
        sink = stack.enter_context(PacketRing("tap0", slots, slot_bytes, send=False))
        stack.enter_context(real_time())
        device.attach(link.fds[0])
        queue, verifier = device.tx, Verifier(batch)
        patience = Patience(queue)
        for number in range(1, rounds + 1):
            batches.post(queue, batch)
            going_on = patience.wait(batch.count)
            if number % together == 0 or number == rounds or not going_on:
                queue.take_used()
                batches.take(sink, verifier)
            if not going_on:
                break
        return _observation(verifier, patience, queue, link.counters())


def to_guest(
    templates: Sequence[bytes],
    rounds: int,
    *,
    entries: int = 1024,
    event_idx: bool = True,
    mergeable: bool = True,
    rx_buffer_bytes: int = 2048,
) -> Observation:
    """Send the batch of frames `rounds` times into tap0 and check what the driver receives."""
    batch = FrameBatch(templates)
    buffers = -(-(batch.lengths.astype(np.int64) + HEADER_BYTES) // rx_buffer_bytes)
    _must_fit(int(buffers.sum()), entries)
    shape = RingShape(entries, rx_buffer_bytes, event_idx=event_idx, mergeable=mergeable)
    with ExitStack() as stack:
        link = stack.enter_context(tap(mtu=_mtu(batch)))
        device = stack.enter_context(VhostNet(shape))
        slot_bytes = _power_of_two(64 + batch.width)
        source = stack.enter_context(PacketRing("tap0", batch.count, slot_bytes, send=True))
        stack.enter_context(real_time())
        device.attach(link.fds[0])
        queue, verifier = device.rx, Verifier(batch)
        patience = Patience(queue)
        queue.post(np.arange(entries))
        queue.kick_always()
        wanted = int(buffers.sum())
        together = max(1, min(CHECKED_FRAMES, entries // 2) // wanted)
        used: list[tuple[Indices, npt.NDArray[np.uint32]]] = []
        for number in range(1, rounds + 1):
            batches.send(source, batch)
            going_on = patience.wait(wanted)
            used.append(queue.take_used())
            if number % together == 0 or number == rounds or not going_on:
                ids, lengths = (np.concatenate(parts) for parts in zip(*used, strict=True))
                used.clear()
                verifier.check(*_frames(queue, ids, lengths, batch.width))
                queue.post(ids)
                queue.kick()
            if not going_on:
                break
        return _observation(verifier, patience, queue, link.counters())


def _must_fit(buffers: int, entries: int) -> None:
    if buffers > entries:
        raise ValueError(f"a batch of {buffers} buffers in a ring of {entries}")


def _frames(
    queue: Virtqueue, ids: npt.NDArray[np.intp], lengths: npt.NDArray[np.uint32], width: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
    """Put received buffers together into frames: rows of `width` bytes, and their lengths."""
    counts = np.ascontiguousarray(queue.buffers[ids][:, NUM_BUFFERS]).view("<u2")[:, 0]
    if (counts <= 1).all():
        row_bytes = queue.buffers.shape[1] - HEADER_BYTES
        rows = queue.buffers[ids, HEADER_BYTES : HEADER_BYTES + min(width, row_bytes)]
        return _padded(rows, width), lengths - HEADER_BYTES
    frames = []
    at = 0
    while at < len(ids):
        count = max(1, int(counts[at]))
        parts = [queue.buffers[i, :n] for i, n in zip(ids[at:][:count], lengths[at:], strict=False)]
        frames.append(np.concatenate(parts)[HEADER_BYTES:])
        at += count
    rows = np.zeros((len(frames), width), dtype=np.uint8)
    for row, frame in zip(rows, frames, strict=True):
        row[: len(frame)] = frame[:width]
    return rows, np.array([len(frame) for frame in frames], dtype=np.uint32)


def _padded(rows: npt.NDArray[np.uint8], width: int) -> npt.NDArray[np.uint8]:
    short = width - rows.shape[1]
    return np.pad(rows, ((0, 0), (0, short))) if short > 0 else rows


def _observation(
    verifier: Verifier, patience: Patience, queue: Virtqueue, counters: dict[str, int]
) -> Observation:
    return {
        **verifier.finish().as_dict(),
        "lost_wakeups": patience.lost_wakeups,
        "wakeups": queue.wakeups,
        "kicks": queue.kicks,
        "posted": queue.posted,
        "counters": counters,
    }


def _power_of_two(size: int) -> int:
    return max(128, 1 << (size - 1).bit_length())


def _mtu(batch: FrameBatch) -> int:
    return max(1500, batch.width - 14)
