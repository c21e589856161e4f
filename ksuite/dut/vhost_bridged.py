# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest behind a bridge: numbered frames in from another namespace, and numbered answers out.

::

    netns ks-outside                     the DUT's own netns
    packet socket --> veth-out ====== veth-in --+
                                                +-- br0 -- tap0 <--> vhost <--> ring driver
    packet socket <-- veth-out ====== veth-in --+
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from ksuite.dut import batches
from ksuite.dut.cpu import real_time
from ksuite.dut.frames import FrameBatch, Verifier
from ksuite.dut.links import bridge, veth
from ksuite.dut.netns import inside, namespace
from ksuite.dut.packet import PacketRing
from ksuite.dut.tap import tap
from ksuite.dut.vhostnet import HEADER_BYTES, RingShape, VhostNet

if TYPE_CHECKING:
    from collections.abc import Sequence

OUTSIDE = "ks-outside"
SLOT_BYTES = 2048
SHAPE = RingShape(256)


def request_and_answer(
    requests: Sequence[bytes], answers: Sequence[bytes], rounds: int
) -> dict[str, dict[str, Any]]:
    """Send batches of requests in from outside, and after each the answers out of the guest.

    :return: what became of the ``requests`` at the driver and of the ``answers`` outside.
    """
    inward, outward = FrameBatch(requests), FrameBatch(answers)
    arrived, answered = Verifier(inward), Verifier(outward)
    with ExitStack() as stack:
        stack.enter_context(namespace(OUTSIDE))
        link = stack.enter_context(tap())
        stack.enter_context(veth("veth-in", "veth-out", OUTSIDE))
        stack.enter_context(bridge("br0", "veth-in", link.name))
        with inside(OUTSIDE):
            source = stack.enter_context(
                PacketRing("veth-out", inward.count, SLOT_BYTES, send=True)
            )
            sink = stack.enter_context(
                PacketRing("veth-out", 2 * outward.count, SLOT_BYTES, send=False)
            )
        device = stack.enter_context(VhostNet(SHAPE))
        stack.enter_context(real_time())
        device.attach(link.fds[0])
        device.rx.post(np.arange(SHAPE.entries))
        device.rx.kick_always()
        for number in range(1, rounds + 1):
            batches.send(source, inward)
            device.rx.wait_used(number * inward.count)
            ids, lengths = device.rx.take_used()
            rows = device.rx.buffers[ids, HEADER_BYTES : HEADER_BYTES + inward.width]
            arrived.check(rows, lengths - HEADER_BYTES)
            device.rx.post(ids)
            device.rx.kick()
            batches.post(device.tx, outward)
            device.tx.wait_used(device.tx.posted)
            device.tx.take_used()
            _collect(sink, answered, number * outward.count)
    return {"requests": arrived.finish().as_dict(), "answers": answered.finish().as_dict()}


def _collect(sink: PacketRing, verifier: Verifier, total: int) -> None:
    """Take frames until all that were sent so far are there, or none comes any more."""
    while verifier.tally.arrived < total and sink.wait(0.5):
        batches.take(sink, verifier)
