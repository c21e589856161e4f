# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames go into PVP at a paced rate, and every one is looked at in the guest and outside.

::

    generator --> port -- datapath -- tap0 --> vhost --> driver: checked, addresses swapped
    sink: checked <-- port -- datapath -- tap0 <-- vhost <--+
"""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from ksuite.dut import batches
from ksuite.dut.cpu import real_time
from ksuite.dut.frames import FrameBatch, Verifier
from ksuite.dut.pvp import PORT, outside_ring, pvp
from ksuite.dut.vhostnet import HEADER_BYTES
from ksuite.dut.vring import LostWakeupError

if TYPE_CHECKING:
    from ksuite.dut.packet import PacketRing
    from ksuite.dut.pvp import Pvp
    from ksuite.dut.pvp_flows import Bytes2D

Observation = dict[str, Any]
TOGETHER = 100
"""Packets that are sent at once."""
TICK_NS = 20_000_000
"""And how often: 5,000 a second, a tenth of what the slowest datapath takes."""


class Transfer:
    """Sends, checks and sends back, a batch at a time.

    :param frames: one for each that is sent before the first one is sent again, to the guest.
    :param answers: the same, as they must come back.
    """

    def __init__(
        self,
        topology: Pvp,
        source: PacketRing,
        sink: PacketRing,
        frames: Bytes2D,
        answers: Bytes2D,
    ) -> None:
        self._pairs = topology.pairs
        self._source, self._sink = source, sink
        self._inward = FrameBatch([row.tobytes() for row in frames])
        self._outward = FrameBatch([row.tobytes() for row in answers])
        self.arrived, self.answered = Verifier(self._inward), Verifier(self._outward)
        self.late = 0
        self._sent = 0

    def run(self, ticks: int) -> None:
        """Send a batch a tick, and count those that are not back when the next one is due.

        :raises LostWakeupError: a packet doesn't leave the guest.
        """
        start = time.monotonic_ns() + TICK_NS
        for tick in range(ticks):
            due = start + tick * TICK_NS
            time.sleep(max(0, due - time.monotonic_ns()) / 1e9)
            self._send()
            self._turn_round()
            self._collect()
            self.late += time.monotonic_ns() > due + TICK_NS

    def _send(self) -> None:
        if self._sent % self._inward.count == 0:
            self._source.fill(self._inward.stamp(), self._inward.lengths)
            self._outward.stamp()
        self._source.send(TOGETHER)
        self._sent += TOGETHER

    def _turn_round(self) -> None:
        for pair in self._pairs:
            try:
                pair.receive(TOGETHER // len(self._pairs))
            except LostWakeupError:
                # What is missing shows in what has arrived.
                pair.give_up()
            ids, lengths = pair.take()
            self.arrived.check(pair.frames(ids, self._inward.width), lengths - HEADER_BYTES)
            pair.answer(ids, lengths)
        for pair in self._pairs:
            pair.flush()
            pair.offer()

    def _collect(self) -> None:
        while self.answered.tally.arrived < self._sent and self._sink.wait(0.5):
            batches.take(self._sink, self.answered)


def deliver(
    datapath: str, frame_bytes: int, *, flows: int = 1, pairs: int = 1, ticks: int = 20
) -> Observation:
    """Send batches of frames in from outside, which the guest sends back.

    :param datapath: a key of `pvp_datapaths.DATAPATHS`.
    :param flows: as many or fewer than are sent in a tick, or a multiple of that.
    :return: what became of the frames at the guest (``arrived``) and outside (``answered``); how
        many batches were ``late``; the packets that each queue pair ``received``; what the datapath
        has ``carried`` from the port and from the guest, and what had to be ``carried_of``.
    """
    with ExitStack() as stack:
        topology = stack.enter_context(pvp(datapath, flows, pairs, frame_bytes))
        count = max(flows, TOGETHER)
        source = stack.enter_context(outside_ring(count, send=True))
        sink = stack.enter_context(outside_ring(4 * TOGETHER, send=False))
        some = np.arange(count) % flows
        frames = (
            made(frame_bytes)[some] for made in (topology.flows.inward, topology.flows.outward)
        )
        transfer = Transfer(topology, source, sink, *frames)
        with real_time(), suppress(LostWakeupError):
            transfer.run(ticks)
        arrived, answered = transfer.arrived.finish(), transfer.answered.finish()
        carried = topology.carried()
        return {
            "arrived": arrived.as_dict(),
            "answered": answered.as_dict(),
            "late": transfer.late,
            "received": [pair.received for pair in topology.pairs],
            "carried": [carried[PORT], carried[topology.link.name] - topology.greetings],
        }
