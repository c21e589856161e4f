# SPDX-License-Identifier: GPL-2.0-or-later
"""Closed loops whose time per packet is the cost of PVP on one CPU, as a whole and by hop.

::

    generator --> gen ==veth== port -- datapath -- tap0 |  vhost --rx ring--> | driver
    |<------------------------ in --------------------->|<------- rx -------->|<- echo ->|

    host stack <-- gen ==veth== port -- datapath -- tap0 <-- vhost <--tx ring |
    |<------------------------------- out --------------------------------->  |

A round sends a batch from outside, and ends when the host stack of the other namespace has freed
the last packet of what the guest sent back: one CPU does all that one after the other, and nothing
polls. The driver is a real-time process, so the workers run only while it sleeps; hence each hop of
a batch is done when the next begins, and a hop's cost is the time between two readings of the clock
in the same round, nothing subtracted. What a worker still does after it has told the driver counts
to the next hop in which the driver sleeps. All hops add up to the whole but for the clock's
readings and Python's loop.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ksuite.dut.cpu import real_time
from ksuite.dut.links import received_packets
from ksuite.dut.netns import inside
from ksuite.dut.pvp import GENERATOR, OUTSIDE, PORT, outside_ring, pvp
from ksuite.dut.pvp_datapaths import DATAPATHS
from ksuite.dut.sizes import FRAME_BYTES
from ksuite.dut.windows import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ksuite.dut.loops import Loop
    from ksuite.dut.packet import PacketRing
    from ksuite.dut.pvp import Pvp
    from ksuite.dut.windows import Watch

SIZE = FRAME_BYTES
VERSION = 1
"""Raised whenever a change here changes a cost."""
BATCH = 300
"""Packets a round: more than a burst of vhost (VHOST_NET_PKT_WEIGHT, 256)."""
SETTLE_SECONDS = 1.5
"""So long after it was loaded nf_conntrack, which openvswitch needs, has swept its table once."""
HOPS = ("1_in", "2_rx", "3_echo", "4_out")


@dataclass(frozen=True)
class Load:
    """What goes through the loop.

    :param pairs: the guest's queue pairs.
    """

    datapath: str
    flows: int = 1
    pairs: int = 1

    @property
    def scenario(self) -> str:
        """Its name."""
        name = f"pvp_{self.datapath}"
        name += f"_{self.flows}_flows" if self.flows > 1 else ""
        return name + (f"_{self.pairs}_pairs" if self.pairs > 1 else "")


class Rounds:
    """Rounds of one batch each, that goes to the guest and back.

    :param source: has frames of all flows, ready to be sent.
    """

    def __init__(self, topology: Pvp, source: PacketRing) -> None:
        self._topology = topology
        self._pairs = topology.pairs
        self._source = source
        self._share = BATCH // len(topology.pairs)
        self._sent = 0
        self._steps = (
            ("1_in", self._send),
            ("2_rx", self._receive),
            ("3_echo", self._answer),
            ("4_out", self._deliver),
            ("3_echo", self._offer),
        )

    def run(self) -> None:
        """Run one round."""
        for _, step in self._steps:
            step()

    def run_timed(self, hop: str, watch: Watch) -> None:
        """Run one round, and have the watch count one of HOPS."""
        for name, step in self._steps:
            if name == hop:
                watch.begin()
                step()
                watch.end()
            else:
                step()

    def _send(self) -> None:
        self._sent += BATCH
        self._source.send(BATCH)

    def _receive(self) -> None:
        for pair in self._pairs:
            pair.receive(self._share)

    def _answer(self) -> None:
        for pair in self._pairs:
            pair.answer(*pair.take())

    def _deliver(self) -> None:
        for pair in self._pairs:
            pair.flush()

    def _offer(self) -> None:
        for pair in self._pairs:
            pair.offer()

    def must_be_delivered(self) -> None:
        """Refuse a loop of which a packet was lost, or came past the datapath.

        :raises OSError: with what was counted where.
        """
        back = self._sent + self._topology.greetings
        with inside(OUTSIDE):
            seen = {GENERATOR: received_packets(GENERATOR)}
        seen |= self._topology.carried()
        wanted = {GENERATOR: back, PORT: self._sent, self._topology.link.name: back}
        if seen != wanted:
            raise OSError(f"counted {seen} packets where {wanted} were due")


@contextmanager
def _loop(load: Load, frame_bytes: int) -> Iterator[Rounds]:
    """Yield a loop whose every flow has been to the guest and back once."""
    time.sleep(SETTLE_SECONDS)
    with ExitStack() as stack:
        topology = stack.enter_context(pvp(load.datapath, load.flows, load.pairs, frame_bytes))
        frames = topology.flows.inward(frame_bytes)
        source = stack.enter_context(outside_ring(max(BATCH, load.flows), send=True))
        source.frames[:, :frame_bytes] = frames[np.arange(source.slots) % load.flows]
        source.headers["len"] = frame_bytes
        loop = Rounds(topology, source)
        with real_time():
            for _ in range(-(-load.flows // BATCH)):
                loop.run()
        yield loop
        loop.must_be_delivered()


@contextmanager
def _whole(load: Load, frame_bytes: int) -> Iterator[Callable[[], None]]:
    with _loop(load, frame_bytes) as loop:
        yield loop.run


@contextmanager
def _hop(load: Load, hop: str, frame_bytes: int) -> Iterator[Part]:
    with _loop(load, frame_bytes) as loop:
        yield Part(partial(loop.run_timed, hop))


LOADS = [
    Load(datapath, flows, pairs)
    for datapath in DATAPATHS
    for flows, pairs in ((1, 1), (100, 1), (100, 4), (10_000, 1))
]
LOOPS: dict[str, Loop] = {load.scenario: partial(_whole, load) for load in LOADS}
LOOPS |= {
    f"{load.scenario}_hop_{hop}": partial(_hop, load, hop)
    for load in map(Load, DATAPATHS)
    for hop in HOPS
}
