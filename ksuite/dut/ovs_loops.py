# SPDX-License-Identifier: GPL-2.0-or-later
"""Loops whose total time per packet is the cost of the Open vSwitch datapath on one CPU.

::

    packet socket --> gen ==veth== port 1 -- datapath: one flow --> port 2: out (a dummy)

ovs_output puts the packet out, and each other loop does one thing more first: what an action costs
is its loop's cost less that of ovs_output. ovs_masks finds the flow under the last of MASKS masks.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from ksuite.dut.cpu import prompt_softirqs
from ksuite.dut.frames import udp_frame
from ksuite.dut.links import dummy, sent_packets, veth
from ksuite.dut.ovs_datapath import Datapath
from ksuite.dut.ovs_lookup import install
from ksuite.dut.packet import generator
from ksuite.dut.sizes import FRAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ksuite.dut.ovs_attributes import Action

SIZE = FRAME_BYTES
VERSION = 1
"""Raised whenever a change here changes a cost."""
BATCH = 500
"""Packets a round."""
MASKS = 64
OUT = ("output", 2)
TO_OTHER_ADDRESS: tuple[Any, ...] = (
    "set_masked",
    {"ipv4": ("192.0.2.1", bytes(4), 0, 0, 0, 0)},
    {"ipv4": ("255.255.255.255", bytes(4), 0, 0, 0, 0)},
)


@contextmanager
def _through(turns: Sequence[Sequence[Action]], frame_bytes: int) -> Iterator[Callable[[], None]]:
    """Yield a function that sends BATCH frames into a datapath with one exact flow a turn.

    :param turns: what is done at the first miss, and at each that comes of that.
    """
    with _ports(frame_bytes) as (datapath, run):
        keys = []
        for actions in turns:
            # One batch of misses, of which the first tells the key.
            run()
            keys.append(datapath.upcalls()[0].key)
            datapath.add_flow(keys[-1], actions)
        missed = datapath.statistics()["missed"]
        yield run
        _must_be("missed", datapath.statistics()["missed"], missed)
        counted = {flow.key: flow.packets for flow in datapath.flows()}
        _must_be("the last flow", counted[keys[-1]], sent_packets("out"))


@contextmanager
def _among_masks(frame_bytes: int) -> Iterator[Callable[[], None]]:
    """Yield a function that sends BATCH frames whose flow is under the last of MASKS masks."""
    with _ports(frame_bytes) as (datapath, run):
        install(datapath, MASKS, [OUT])
        yield run
        told = datapath.statistics()
        _must_be("missed", told["missed"], 0)
        _must_be("masks", told["masks"], MASKS)
        _must_be("hits", told["hit"], sent_packets("out"))


@contextmanager
def _ports(frame_bytes: int) -> Iterator[tuple[Datapath, Callable[[], None]]]:
    with ExitStack() as stack:
        stack.enter_context(veth("gen", "port"))
        stack.enter_context(dummy("out"))
        datapath = stack.enter_context(Datapath("dp"))
        datapath.add_port(1, "port")
        datapath.add_port(2, "out")
        ring = stack.enter_context(generator("gen", udp_frame(frame_bytes), BATCH))
        stack.enter_context(prompt_softirqs())
        yield datapath, partial(ring.send, BATCH)


def _must_be(what: str, counted: int, wanted: int) -> None:
    if counted != wanted:
        raise OSError(f"{what}: {counted} were counted where {wanted} were due")


LOOPS = {
    "ovs_output": partial(_through, [[OUT]]),
    "ovs_set": partial(_through, [[TO_OTHER_ADDRESS, OUT]]),
    "ovs_push_vlan": partial(_through, [[("push_vlan", 0x8100, 0x1064), OUT]]),
    "ovs_recirc": partial(_through, [[("hash", 0, 0), ("recirc", 1)], [OUT]]),
    "ovs_ct": partial(_through, [[("ct", {"zone": 1}), ("recirc", 1)], [OUT]]),
    "ovs_masks": _among_masks,
}
