# SPDX-License-Identifier: GPL-2.0-or-later
"""Loops whose total time per packet is the cost of the Open vSwitch datapath on one CPU.

::

    packet socket --> gen ==veth== port 1 -- datapath: a flow or two --> port 2: out (a dummy)

ovs_output puts the packet out, and each other loop does one thing more first: what an action costs
is its loop's cost less that of ovs_output. ovs_masks finds the flow under the last of MASKS masks.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from ksuite.dut.agent import CannotObserveError
from ksuite.dut.cpu import prompt_softirqs
from ksuite.dut.frames import udp_frame
from ksuite.dut.links import dummy, sent_packets, veth
from ksuite.dut.ovs_attributes import unpack_key
from ksuite.dut.ovs_datapath import Datapath
from ksuite.dut.ovs_lookup import install
from ksuite.dut.packet import generator
from ksuite.dut.sizes import FRAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ksuite.dut.ovs_attributes import Action
    from ksuite.dut.packet import PacketRing

    Changed = Callable[[dict[str, Any]], bool]
    """Whether a packet's key tells that the action before recirculation was done."""

SIZE = FRAME_BYTES
VERSION = 1
"""Raised whenever a change here changes a cost."""
BATCH = 500
"""Packets a round."""
MASKS = 64
TRACKED = 0x20
"""OVS_CS_F_TRACKED."""
OUT = ("output", 2)
TO_OTHER_ADDRESS: tuple[Any, ...] = (
    "set_masked",
    {"ipv4": ("192.0.2.1", bytes(4), 0, 0, 0, 0)},
    {"ipv4": ("255.255.255.255", bytes(4), 0, 0, 0, 0)},
)


class _Loop:
    """What sends a batch through a datapath, and knows how many packets it has sent."""

    def __init__(self, datapath: Datapath, ring: PacketRing) -> None:
        self.datapath = datapath
        self.sent = 0
        self._ring = ring
        self._before: dict[str, int] = {}
        self._out = 0

    def run(self) -> None:
        """Send a batch."""
        self.sent += BATCH
        self._ring.send(BATCH)

    def begin(self) -> None:
        """Count from now on."""
        self._before = self.datapath.statistics()
        self._out = sent_packets("out")
        self.sent = 0

    def must_have_passed(self, look_ups: int) -> dict[str, int]:
        """Return what the datapath has counted.

        :param look_ups: of each packet.
        :raises OSError: not all that was sent went through its flows and came out.
        """
        now = self.datapath.statistics()
        counted = {name: now[name] - before for name, before in self._before.items()}
        _must_be("missed", counted["missed"], 0)
        _must_be("found a flow", counted["hit"], look_ups * self.sent)
        _must_be("came out", sent_packets("out") - self._out, self.sent)
        return counted


@contextmanager
def _through(
    turns: Sequence[Sequence[Action]], frame_bytes: int, changed: Changed | None = None
) -> Iterator[Callable[[], None]]:
    """Yield a function that sends BATCH frames into a datapath with one exact flow a turn.

    :param turns: what is done at the first miss, and at each that comes of that.
    """
    with _ports(frame_bytes) as loop:
        for actions in turns:
            # One batch of misses, of which the first tells the key.
            loop.run()
            key = loop.datapath.miss().key
            loop.datapath.add_flow(key, actions)
        if changed is not None and not changed(unpack_key(key)):
            raise OSError(f"the action left no trace in {unpack_key(key)}")
        for flow in loop.datapath.flows():
            loop.datapath.clear_flow(flow.key)
        loop.begin()
        yield loop.run
        loop.must_have_passed(len(turns))
        for flow in loop.datapath.flows():
            _must_be("went through a flow", flow.packets, loop.sent)


@contextmanager
def _among_masks(frame_bytes: int) -> Iterator[Callable[[], None]]:
    """Yield a function that sends BATCH frames whose flow is under the last of MASKS masks."""
    with _ports(frame_bytes) as loop:
        install(loop.datapath, MASKS, [OUT])
        loop.begin()
        yield loop.run
        look_ups = loop.must_have_passed(1)["mask_hit"]
        # Every four seconds the kernel sorts its masks by use (DP_MASKS_REBALANCE_INTERVAL).
        if look_ups not in {MASKS * loop.sent, MASKS + loop.sent - 1}:
            raise CannotObserveError(f"{look_ups} look-ups for {loop.sent} packets: masks moved")


@contextmanager
def _ports(frame_bytes: int) -> Iterator[_Loop]:
    with ExitStack() as stack:
        stack.enter_context(veth("gen", "port"))
        stack.enter_context(dummy("out"))
        datapath = stack.enter_context(Datapath("dp"))
        datapath.add_port(1, "port")
        datapath.add_port(2, "out")
        ring = stack.enter_context(generator("gen", udp_frame(frame_bytes), BATCH))
        stack.enter_context(prompt_softirqs())
        yield _Loop(datapath, ring)


def _must_be(what: str, counted: int, wanted: int) -> None:
    if counted != wanted:
        raise OSError(f"{counted} packets {what} where {wanted} were due")


def _hashed(key: dict[str, Any]) -> bool:
    return bool(key.get("dp_hash"))


def _tracked(key: dict[str, Any]) -> bool:
    return bool(key.get("ct_state", 0) & TRACKED)


HASH: Sequence[Action] = [("hash", 0, 0), ("recirc", 1)]
TRACK: Sequence[Action] = [("ct", {"zone": 1}), ("recirc", 1)]
LOOPS = {
    "ovs_output": partial(_through, [[OUT]]),
    "ovs_set": partial(_through, [[TO_OTHER_ADDRESS, OUT]]),
    "ovs_push_vlan": partial(_through, [[("push_vlan", 0x8100, 0x1064), OUT]]),
    "ovs_recirc": partial(_through, [HASH, [OUT]], changed=_hashed),
    "ovs_ct": partial(_through, [TRACK, [OUT]], changed=_tracked),
    "ovs_masks": _among_masks,
}
