# SPDX-License-Identifier: GPL-2.0-or-later
"""What a redirected packet costs; runs on the DUT.

::

    packet socket --> gen ==veth== port, ks_redirect --> out (a dummy)
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.dut.cpu import prompt_softirqs
from ksuite.dut.links import dummy, sent_packets, veth
from ksuite.dut.packet import generator
from ksuite.dut.sizes import FRAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZE = FRAME_BYTES
VERSION = 1
BATCH = 500
"""Packets a round."""
PAIR = Path("/sys/module/ks_redirect/parameters/pair")
HEADERS = bytes.fromhex(
    "020000000002 020000000001 0800"
    "4500 0000 0000 0000 4011 0000 0a000001 0a000002"
    "0035 0035 0000 0000"
)
"""Ethernet, IPv4 and UDP; nobody reads the lengths and sums that are left out."""


@contextmanager
def redirected(frame_bytes: int) -> Iterator[Callable[[], None]]:
    """Yield what sends BATCH frames through the module."""
    with ExitStack() as stack:
        stack.enter_context(veth("gen", "port"))
        stack.enter_context(dummy("out"))
        PAIR.write_text("port out")
        frame = HEADERS.ljust(frame_bytes, b"\0")
        ring = stack.enter_context(generator("gen", frame, BATCH))
        stack.enter_context(prompt_softirqs())
        sent = [0]

        def run() -> None:
            sent[0] += BATCH
            ring.send(BATCH)

        yield run
        if sent_packets("out") != sent[0]:
            raise OSError(f"{sent[0]} frames were sent, and {sent_packets('out')} went out")


LOOPS = {"redirect": redirected}
