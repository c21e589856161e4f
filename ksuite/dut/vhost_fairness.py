# SPDX-License-Identifier: GPL-2.0-or-later
"""One vhost worker between two backlogs: how long it serves one before it turns to the other.

::

    packet socket --> tap0 queue (backlog) --+--> vhost worker --rx ring--> driver
    driver --tx ring (backlog)---------------+                 --> tap0 --> host stack

Both backlogs are complete before the worker starts, so that neither side can run dry for want of a
driver that keeps up.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from ksuite.dut.agent import CannotObserveError
from ksuite.dut.cpu import real_time
from ksuite.dut.frames import frame_of
from ksuite.dut.packet import PacketRing
from ksuite.dut.probes import vhost_bursts
from ksuite.dut.tap import tap
from ksuite.dut.vhostnet import HEADER_BYTES, RX, TX, RingShape, VhostNet

if TYPE_CHECKING:
    from ksuite.dut.probes import BurstLog

ENTRIES = 8192
SEND_BATCH = 1024
PATIENCE_SECONDS = 60.0
"""Of guest time: for a packet that is too large the worker looks through 1,024 buffers (UIO_MAXIOV)
first, and hundreds of packets have their turn, on a kernel with KASAN and lockdep.
"""
LOOK_SECONDS = 0.1


def serve_backlogs(
    rx_packets: int,
    tx_packets: int,
    frame_bytes: int,
    *,
    first: str = "rx",
    tiny_buffers: bool = False,
) -> dict[str, Any]:
    """Let one worker serve both backlogs and log its bursts.

    :param rx_packets: packets that wait in the tap's queue, at most ENTRIES.
    :param tx_packets: descriptors that wait in the tx ring, at most ENTRIES.
    :param first: the side that the worker finds first in its list of work.
    :param tiny_buffers: the rx ring holds buffers of one byte, into which no packet fits.
    :return: ``bursts`` as [queue, packets] where queue is "rx" or "tx", and how many packets were
        ``received`` and ``transmitted``.
    """
    shape = RingShape(ENTRIES, rx_buffer_bytes=2048, tx_buffer_bytes=2048)
    with ExitStack() as stack:
        link = stack.enter_context(tap(queue_packets=ENTRIES))
        device = stack.enter_context(VhostNet(shape))
        source = stack.enter_context(PacketRing("tap0", SEND_BATCH, 2048, send=True))
        log = stack.enter_context(vhost_bursts())
        stack.enter_context(real_time())
        _fill_tap_queue(source, rx_packets, frame_bytes)
        rx, tx = device.rx, device.tx
        if tiny_buffers:
            rx.desc["len"] = 1
        rx.post(np.arange(ENTRIES))
        tx.desc["len"] = HEADER_BYTES + frame_bytes
        tx.post(np.arange(tx_packets))
        # Attaching a queue gives the worker work, and so does a kick; it begins once we sleep.
        # Attached first, kicked later, both sides take turns in its list from the start.
        queues = ((RX, rx), (TX, tx)) if first == "rx" else ((TX, tx), (RX, rx))
        device.attach(link.fds[0], tuple(index for index, _ in queues))
        for _, queue in queues:
            queue.kick_always()
        tx.wait_used(tx_packets, PATIENCE_SECONDS)
        if tiny_buffers:
            _wait_for_packets(log, rx_packets + tx_packets)
        else:
            rx.wait_used(rx_packets, PATIENCE_SECONDS)
        counters = link.counters()
        bursts = log.read()
        rx_queue = _rx_queue(rx_packets, tx_packets, {burst.queue for burst in bursts})
        return {
            "bursts": [["rx" if b.queue == rx_queue else "tx", b.packets] for b in bursts],
            "received": rx.used_count(),
            "transmitted": counters["rx_packets"],
        }


def _fill_tap_queue(source: PacketRing, packets: int, frame_bytes: int) -> None:
    source.frames[:, :frame_bytes] = np.frombuffer(frame_of(frame_bytes), dtype=np.uint8)
    source.headers["len"] = frame_bytes
    for start in range(0, packets, SEND_BATCH):
        source.send(min(SEND_BATCH, packets - start))


def _wait_for_packets(log: BurstLog, packets: int) -> None:
    """Wait until the worker has seen so many packets: what it throws away, nobody is told of."""
    for _ in range(round(PATIENCE_SECONDS / LOOK_SECONDS)):
        if sum(burst.packets for burst in log.read()) >= packets:
            return
        time.sleep(LOOK_SECONDS)


def _rx_queue(rx_packets: int, tx_packets: int, seen: set[int]) -> int:
    """Tell the rx queue's address: it is the first of struct vhost_net's vqs[]."""
    expected = (rx_packets > 0) + (tx_packets > 0)
    if len(seen) != expected:
        raise CannotObserveError(f"{len(seen)} virtqueues served packets, {expected} expected")
    return min(seen) if rx_packets else 0
