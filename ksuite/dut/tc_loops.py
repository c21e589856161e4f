# SPDX-License-Identifier: GPL-2.0-or-later
"""Loops whose total time per packet is the cost of TC's software datapath on one CPU.

::

    packet socket --> gen ==veth== port, clsact ingress: flower --> tc_redirect: out (a dummy)
                                                                    tc_mirror:   out, then drop
                                                                    tc_drop:     drop

All happens in the sender: a veth hands a packet to its peer's softirq, which runs when the sender
enables softirqs again, before the next packet. When the batch is sent it has arrived, too.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from ksuite.dut import tc
from ksuite.dut.cpu import prompt_softirqs
from ksuite.dut.frames import ETHERTYPE_EXPERIMENTAL, frame_of
from ksuite.dut.links import dummy, sent_packets, veth
from ksuite.dut.packet import generator
from ksuite.dut.sizes import FRAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZE = FRAME_BYTES
VERSION = 1
"""Raised whenever a change here changes a cost."""
BATCH = 500
"""Packets a round."""
MATCH = f"protocol {ETHERTYPE_EXPERIMENTAL:#x} pref 1 flower skip_hw dst_mac 02:00:00:00:00:02"


@contextmanager
def _ingress(actions: str, copies: int, frame_bytes: int) -> Iterator[Callable[[], None]]:
    """Yield a function that sends BATCH frames into a port with one rule.

    :param copies: packets that leave for each one that is sent.
    """
    with ExitStack() as stack:
        stack.enter_context(veth("gen", "port"))
        stack.enter_context(dummy("out"))
        stack.enter_context(tc.clsact("port"))
        tc.run([f"filter add dev port ingress {MATCH} {actions}"])
        ring = stack.enter_context(generator("gen", frame_of(frame_bytes), BATCH))
        stack.enter_context(prompt_softirqs())
        sent = [0]

        def run() -> None:
            sent[0] += BATCH
            ring.send(BATCH)

        yield run
        _expect("out", sent_packets("out"), copies * sent[0])
        counted = tc.actions("port")
        if not counted:
            raise OSError("tc shows no action of the rule")
        for action in counted:
            _expect(action["kind"], action["stats"]["packets"], sent[0])


def _expect(what: str, counted: int, wanted: int) -> None:
    if counted != wanted:
        raise OSError(f"{what} counted {counted} packets where {wanted} were due")


REDIRECT = "action mirred egress redirect dev out"
MIRROR = "action mirred egress mirror dev out action drop"

LOOPS = {
    "tc_redirect": partial(_ingress, REDIRECT, 1),
    "tc_mirror": partial(_ingress, MIRROR, 1),
    "tc_drop": partial(_ingress, "action drop", 0),
}
