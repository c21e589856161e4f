# SPDX-License-Identifier: GPL-2.0-or-later
"""Closed loops whose total time per packet is the cost of vhost-net on one CPU.

::

    vhost_tx     driver --tx ring--> vhost worker --> tap0 --> host stack (no handler: freed)

    vhost_rx     packet socket --> tap0 queue --> vhost worker --rx ring--> driver

    vhost_echo   packet socket --> tap0 queue --> vhost worker --rx ring--> driver --+
                 host stack    <-- tap0       <-- vhost worker <--tx ring------------+

A round posts a batch, kicks, and sleeps until the last of the batch is done; nothing polls. All of
the loop is in the figure, the driver and the generator too: they are small, and the same for base
and candidate.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import numpy as np

from ksuite.dut.frames import frame_of
from ksuite.dut.packet import generator
from ksuite.dut.sizes import FRAME_BYTES
from ksuite.dut.tap import tap
from ksuite.dut.vhostnet import HEADER_BYTES, RingShape, VhostNet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZE = FRAME_BYTES
VERSION = 5
"""Raised whenever a change here changes a cost."""

BATCH = 500
"""Packets a round.

Not a multiple of VHOST_NET_PKT_WEIGHT (256): a batch that ends with a full burst leaves the worker
queued once more and off the tap's wait queue, so that the next batch is sent without wake-ups, 2 %
cheaper for a reason that is the batch's own.
"""
SHAPE = RingShape(entries=1024)


@contextmanager
def tx_round(frame_bytes: int) -> Iterator[Callable[[], None]]:
    """Yield a function that sends BATCH frames from the driver through vhost into tap0."""
    with tap() as link, VhostNet(SHAPE) as device:
        device.attach(link.fds[0])
        queue = device.tx
        queue.buffers[:, HEADER_BYTES : HEADER_BYTES + frame_bytes] = np.frombuffer(
            frame_of(frame_bytes), dtype=np.uint8
        )
        queue.desc["len"] = HEADER_BYTES + frame_bytes
        heads = [np.arange(BATCH), np.arange(BATCH, 2 * BATCH)]

        def run() -> None:
            queue.post(heads[queue.posted // BATCH % 2])
            queue.kick()
            queue.wait_used(queue.posted)
            queue.take_used()

        yield run
        _expect(link.counters()["rx_packets"], queue.posted)


@contextmanager
def rx_round(frame_bytes: int) -> Iterator[Callable[[], None]]:
    """Yield a function that sends BATCH frames into tap0 and takes them from the rx ring."""
    with ExitStack() as stack:
        link = stack.enter_context(tap())
        device = stack.enter_context(VhostNet(SHAPE))
        ring = stack.enter_context(generator("tap0", frame_of(frame_bytes), BATCH))
        device.attach(link.fds[0])
        queue = device.rx
        queue.post(np.arange(SHAPE.entries))
        queue.kick_always()
        received = [0]

        def run() -> None:
            received[0] += BATCH
            ring.send(BATCH)
            queue.wait_used(received[0])
            ids, _ = queue.take_used()
            queue.post(ids)
            queue.kick()

        yield run
        _expect(link.counters()["tx_packets"], received[0])


@contextmanager
def echo_round(frame_bytes: int) -> Iterator[Callable[[], None]]:
    """Yield a function that sends BATCH frames into tap0 and sends each back from the driver."""
    with ExitStack() as stack:
        link = stack.enter_context(tap())
        device = stack.enter_context(VhostNet(SHAPE))
        ring = stack.enter_context(generator("tap0", frame_of(frame_bytes), BATCH))
        device.attach(link.fds[0])
        rx, tx = device.rx, device.tx
        # Descriptor i of both rings names the same buffer: what came in goes out, uncopied.
        tx.desc["addr"] = rx.desc["addr"]
        rx.post(np.arange(SHAPE.entries))
        rx.kick_always()
        received = [0]

        def run() -> None:
            received[0] += BATCH
            ring.send(BATCH)
            rx.wait_used(received[0])
            ids, lengths = rx.take_used()
            tx.desc["len"][ids] = lengths
            tx.post(ids)
            tx.kick()
            tx.wait_used(received[0])
            tx.take_used()
            rx.post(ids)
            rx.kick()

        yield run
        counters = link.counters()
        _expect(counters["tx_packets"], received[0])
        _expect(counters["rx_packets"], received[0])


def _expect(counted: int, wanted: int) -> None:
    if counted != wanted:
        raise OSError(f"tap0 counted {counted} packets where {wanted} were sent")


LOOPS = {"vhost_tx": tx_round, "vhost_rx": rx_round, "vhost_echo": echo_round}
