# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent's connection on a DUT that runs from images: memory, and a way to stop the world.

A message is written into persistent memory that the controller sees too. Then the DUT writes to
QEMU's pvpanic port, and QEMU stops it between two instructions (`-action panic=pause`); it goes on
when the next message is there. So the DUT never waits for the host, and its clock shows nothing of
what the host does: this is what makes costs exact.

A stopped DUT's clock leaps to its next timer, or doesn't, as the host's threads happen to run:
QEMU's vCPU thread stops first, then its main thread stops the machine. Where that looks in between,
it finds an idle vCPU in a running machine (`icount_start_warp_timer()`, softmmu/icount.c); where it
comes before the vCPU's thread, it doesn't. So the DUT stops until the next tick of its kernel has
come, which a leap has brought, for it was milliseconds away::

    answer ready ...tick | stop (no leap) stop (no leap) stop (leap) tick | next message
                         ^ here the next tick is far                      ^ the same time

A controller tells a DUT to go on at once that stops and has not answered.
"""

from __future__ import annotations

import mmap
import operator
import os
import struct
import time
from functools import partial
from itertools import dropwhile, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from execnet import gateway_base

from ksuite.dut import agent

if TYPE_CHECKING:
    from collections.abc import Iterator

MAILBOX_BYTES = 32 << 20
HEADER = struct.Struct("<QQ")
"""Number of the message, and its length in bytes. What the agent says first is 1; calls have even
numbers, from 2, and an answer that of its calls and one more."""
DELAY_PORT = 0x80
"""arch/x86/include/asm/io.h of Linux: what is written there only takes its time."""
PVPANIC_PORT = 0x505
_PANICKED = b"\1"
"""docs/specs/pvpanic.txt of QEMU."""
CLOCK_MONOTONIC_COARSE = 6
"""include/uapi/linux/time.h: goes on with each tick of the kernel, and only then."""
_SECTOR_BYTES = 512
_BLOCK_BYTES = 4096


class Mailbox:
    """A channel as `agent.serve` wants it, over a block device that is the controller's memory.

    The block device is read and written directly: a pmem device copies at once, in the caller.
    """

    def __init__(self, device: Path) -> None:
        self._memory = os.open(device, os.O_RDWR | os.O_DIRECT)
        self._port = os.open("/dev/port", os.O_WRONLY)
        # O_DIRECT wants aligned memory, and a mapping is.
        self._buffer = mmap.mmap(-1, MAILBOX_BYTES)
        self._number = 0

    def __iter__(self) -> Iterator[Any]:
        while True:
            self._stop_the_world()
            yield self._receive()

    def send(self, message: Any) -> None:
        """Leave a message for the controller; it is read when the DUT stops."""
        data: bytes = gateway_base.dumps_internal(message)
        end = HEADER.size + len(data)
        if end > MAILBOX_BYTES:
            data = gateway_base.dumps_internal([("error", "bug", f"{end} bytes of answer", "")])
            end = HEADER.size + len(data)
        self._buffer[: HEADER.size] = HEADER.pack(self._number + 1, len(data))
        self._buffer[HEADER.size : end] = data
        os.pwritev(self._memory, [self._blocks(end)], 0)

    def _receive(self) -> Any:
        os.preadv(self._memory, [self._blocks(HEADER.size)], 0)
        self._number, length = HEADER.unpack(self._buffer[: HEADER.size])
        end = HEADER.size + length
        os.preadv(self._memory, [self._blocks(end)], 0)
        return gateway_base.loads_internal(self._buffer[HEADER.size : end])

    def _blocks(self, size: int) -> memoryview:
        return memoryview(self._buffer)[: -(-size // _BLOCK_BYTES) * _BLOCK_BYTES]

    def _stop_the_world(self) -> None:
        """Stop until there was a leap, from where the next tick is far."""
        for port in (DELAY_PORT, PVPANIC_PORT):
            _until_tick(map(os.pwrite, repeat(self._port), repeat(_PANICKED), repeat(port)))


def _until_tick(writes: Iterator[int]) -> None:
    """Write until the kernel's clock ticks.

    No instruction afterwards may depend on how many writes it took. An interpreter that specialises
    its bytecode (CPython 3.11, PEP 659) counts how often it ran, so a round is its library's
    iterators alone; and it leaves no object behind, or its allocator would hand out others.
    """
    now = time.clock_gettime_ns(CLOCK_MONOTONIC_COARSE)
    times = map(time.clock_gettime_ns, repeat(CLOCK_MONOTONIC_COARSE))
    rounds = zip(writes, map(partial(operator.ne, now), times), strict=False)
    next(dropwhile(partial(operator.eq, (1, False)), rounds))


def find() -> Path:
    """Return the block device that is the mailbox: the persistent memory of its size.

    :raises OSError: there is none.
    """
    for disk in Path("/sys/block").glob("pmem*"):
        if int((disk / "size").read_text()) * _SECTOR_BYTES == MAILBOX_BYTES:
            return Path("/dev") / disk.name
    raise OSError("no persistent memory has the size of the mailbox")


if __name__ == "__main__":
    agent.serve(Mailbox(find()))
