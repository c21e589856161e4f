# SPDX-License-Identifier: GPL-2.0-or-later
"""A numbered batch of frames at either end: a packet socket, or the driver's tx ring."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ksuite.dut.vhostnet import HEADER_BYTES

if TYPE_CHECKING:
    from ksuite.dut.frames import FrameBatch, Verifier
    from ksuite.dut.packet import PacketRing
    from ksuite.dut.vring import Virtqueue


def send(source: PacketRing, batch: FrameBatch) -> None:
    """Number the frames of a batch, and send them from a packet socket."""
    source.fill(batch.stamp(), batch.lengths)
    source.send(batch.count)


def post(queue: Virtqueue, batch: FrameBatch) -> None:
    """Number the frames of a batch, post them on a tx ring, and kick."""
    heads = np.arange(queue.posted, queue.posted + batch.count) & (queue.size - 1)
    queue.buffers[heads, HEADER_BYTES : HEADER_BYTES + batch.width] = batch.stamp()
    queue.desc["len"][heads] = HEADER_BYTES + batch.lengths
    queue.post(heads)
    queue.kick()


def take(sink: PacketRing, verifier: Verifier) -> None:
    """Check what a packet socket has received so far; waits for nothing."""
    slots = sink.received()
    verifier.check(sink.frames[slots], sink.headers["len"][slots])
    sink.release(slots)
