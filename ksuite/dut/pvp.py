# SPDX-License-Identifier: GPL-2.0-or-later
"""PVP: from a port of the host through a datapath into a guest, and back the same way.

::

    netns ks-outside            the DUT's own netns
    generator --> gen ===veth=== port --+          +-- tap0 --> vhost --rx ring--> driver --+
                                        | datapath |                             swaps MACs |
    sink      <-- gen ===veth=== port --+          +-- tap0 <-- vhost <--tx ring------------+

With several queue pairs, tap0 has as many queues, and each is one vhost device with a worker of its
own. A flow stays on a pair: the guest speaks first, and tun sends answers to the queue that a flow
came from. From that the bridge learns the guest's addresses, too.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ksuite.dut.cpu import prompt_softirqs
from ksuite.dut.links import veth
from ksuite.dut.netns import inside, namespace
from ksuite.dut.packet import PacketRing
from ksuite.dut.pvp_datapaths import DATAPATHS, Carried
from ksuite.dut.pvp_flows import Flows
from ksuite.dut.tap import Tap, tap
from ksuite.dut.vhostnet import HEADER_BYTES, RingShape, VhostNet

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from ksuite.dut.pvp_flows import Bytes2D
    from ksuite.dut.vring import Indices

    Received = tuple[Indices, npt.NDArray[np.uint32]]

OUTSIDE = "ks-outside"
GENERATOR, PORT = "gen", "port"
SHAPE = RingShape(entries=1024)
SLOT_BYTES = 2048
GREETED_TOGETHER = 256
ADDRESSES = slice(HEADER_BYTES, HEADER_BYTES + 12)
"""Where a frame's MAC addresses are in a buffer."""
MAC = np.dtype("V6")


class Pair:
    """One of the guest's queue pairs, whose rings share their buffers: what came in goes out.

    :param device: attached to its tap queue already.
    """

    def __init__(self, device: VhostNet) -> None:
        self.rx, self.tx = device.rx, device.tx
        self._addresses = self.rx.buffers[:, ADDRESSES].view(MAC)
        self.received = 0

    def start(self) -> None:
        """Offer all buffers; from now on what is sent comes back, and nothing else is sent."""
        self.tx.desc["addr"] = self.rx.desc["addr"]
        self.rx.post(np.arange(SHAPE.entries))
        self.rx.kick_always()

    def greet(self, frames: Bytes2D) -> None:
        """Send frames of the guest's own, before it starts."""
        for first in range(0, len(frames), GREETED_TOGETHER):
            some = frames[first : first + GREETED_TOGETHER]
            heads = np.arange(len(some))
            self.tx.buffers[heads, HEADER_BYTES : HEADER_BYTES + some.shape[1]] = some
            self.tx.desc["len"][heads] = HEADER_BYTES + some.shape[1]
            self.tx.post(heads)
            self.tx.kick()
            self.tx.wait_used(self.tx.posted)
            self.tx.take_used()

    def receive(self, packets: int) -> None:
        """Sleep until so many packets more are there.

        :raises LostWakeupError: they don't come.
        """
        self.received += packets
        self.rx.wait_used(self.received)

    def give_up(self) -> None:
        """Wait no longer for what has not come."""
        self.received = self.rx.used_count()

    def take(self) -> Received:
        """Return the buffers in which something has come in, and how much with its header."""
        return self.rx.take_used()

    def frames(self, ids: Indices, width: int) -> Bytes2D:
        """Return what has come in: rows of `width` bytes."""
        return self.rx.buffers[ids, HEADER_BYTES : HEADER_BYTES + width]

    def answer(self, ids: Indices, lengths: npt.NDArray[np.uint32]) -> None:
        """Send what has come in back, its addresses swapped."""
        self._addresses[ids] = self._addresses[ids, ::-1]
        self.tx.desc["len"][ids] = lengths
        self.tx.post(ids)
        self.tx.kick()

    def flush(self) -> None:
        """Sleep until all answers have left."""
        self.tx.wait_used(self.tx.posted)

    def offer(self) -> None:
        """Give the buffers of answers that have left back to the rx ring."""
        ids, _ = self.tx.take_used()
        self.rx.post(ids)
        self.rx.kick()


@dataclass(frozen=True)
class Pvp:
    """The topology, with a guest that has started.

    :param pairs: the guest's; flow i is on pair i modulo their number.
    :param carried: what the datapath itself has counted so far, by link.
    :param greetings: packets that the guest has sent outside, one a flow.
    """

    link: Tap
    flows: Flows
    pairs: tuple[Pair, ...]
    carried: Carried
    greetings: int


@contextmanager
def pvp(datapath: str, flows: int, pairs: int, frame_bytes: int) -> Iterator[Pvp]:
    """Build the topology, let the guest greet the outside on each flow, and start it.

    :param datapath: a key of DATAPATHS.
    :param pairs: queue pairs; with more than one, a multiple of them in flows.
    """
    if flows % pairs:
        raise ValueError(f"{flows} flows can't be shared evenly by {pairs} queue pairs")
    with ExitStack() as stack:
        stack.enter_context(namespace(OUTSIDE))
        link = stack.enter_context(tap(queues=pairs))
        stack.enter_context(veth(PORT, GENERATOR, OUTSIDE))
        known = Flows(flows)
        carried = stack.enter_context(DATAPATHS[datapath](PORT, link.name, known))
        stack.enter_context(prompt_softirqs())
        guest = []
        for fd in link.fds:
            device = stack.enter_context(VhostNet(SHAPE))
            device.attach(fd)
            guest.append(Pair(device))
        greetings = known.outward(frame_bytes)
        for number, pair in enumerate(guest):
            pair.greet(greetings[number::pairs])
            pair.start()
        yield Pvp(link, known, tuple(guest), carried, flows)


@contextmanager
def outside_ring(slots: int, *, send: bool) -> Iterator[PacketRing]:
    """Yield one direction of a packet socket on the far end of the port's veth."""
    with ExitStack() as stack:
        with inside(OUTSIDE):
            ring = stack.enter_context(PacketRing(GENERATOR, slots, SLOT_BYTES, send=send))
        yield ring
