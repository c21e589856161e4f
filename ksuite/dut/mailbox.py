# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent's connection on a DUT that runs from images: memory, and a way to stop the world.

A message is written into persistent memory that the controller sees too. Then the DUT writes to
QEMU's pvpanic port, and QEMU stops it between two instructions (`-action panic=pause`); it goes on
when the next message is there. So the DUT never waits for the host, no time of its clock goes by
meanwhile, and nothing that the host does can be noticed: this is what makes costs exact.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from execnet import gateway_base

from ksuite.dut import agent

if TYPE_CHECKING:
    from collections.abc import Iterator

MAILBOX_BYTES = 32 << 20
HEADER = struct.Struct("<QQ")
"""Number of the message, and its length in bytes."""
PVPANIC_PORT = 0x505
PVPANIC_PANICKED = 1
"""docs/specs/pvpanic.txt of QEMU."""
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
        self._buffer[: HEADER.size] = HEADER.pack(self._number, len(data))
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
        os.pwrite(self._port, bytes([PVPANIC_PANICKED]), PVPANIC_PORT)


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
