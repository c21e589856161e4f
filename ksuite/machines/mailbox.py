# SPDX-License-Identifier: GPL-2.0-or-later
"""The controller's end of a mailbox; what the DUT left in it is data, and bounded."""

from __future__ import annotations

import mmap
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from execnet import gateway_base

from ksuite.dut.mailbox import HEADER, MAILBOX_BYTES
from ksuite.errors import UserError
from ksuite.kernels.held import disk_full_told
from ksuite.machines.agent import as_message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ksuite.machines.machine import Call


class Mailbox:
    """A file that is the DUT's memory; the DUT must be stopped whenever it is looked at.

    :param directory: where to make the file.
    """

    def __init__(self, directory: Path) -> None:
        with disk_full_told(str(directory), "set TMPDIR"):
            descriptor, name = tempfile.mkstemp(prefix="mailbox-", dir=directory)
        self.path = Path(name)
        try:
            # Memory that has no room on the disk would kill whoever writes to it.
            with disk_full_told(str(directory), "set TMPDIR"):
                os.posix_fallocate(descriptor, 0, MAILBOX_BYTES)
            self._memory = mmap.mmap(descriptor, MAILBOX_BYTES)
        finally:
            os.close(descriptor)
        self._number = 0

    def post(self, calls: Sequence[Call]) -> None:
        """Leave calls for the DUT.

        :raises UserError: they are larger than the mailbox.
        """
        data: bytes = gateway_base.dumps_internal(as_message(calls))
        end = HEADER.size + len(data)
        if end > MAILBOX_BYTES:
            raise UserError(f"{end} bytes for the DUT; its mailbox holds {MAILBOX_BYTES}")
        self._number += 2
        self._memory[: HEADER.size] = HEADER.pack(self._number, len(data))
        self._memory[HEADER.size : end] = data

    @property
    def answered(self) -> bool:
        """Whether anything but the last calls is there.

        A DUT that stops where they still are has not taken them yet, or has not answered.
        """
        number, _ = HEADER.unpack(self._memory[: HEADER.size])
        return bool(number != self._number)

    def take(self) -> Any:
        """Return the DUT's message that answers the last one posted.

        :raises ValueError: there is none, or it is garbage.
        """
        number, length = HEADER.unpack(self._memory[: HEADER.size])
        end = HEADER.size + length
        due = self._number + 1
        if number != due or end > MAILBOX_BYTES:
            raise ValueError(f"message {number} of {length} bytes, where {due} is due")
        try:
            return gateway_base.loads_internal(self._memory[HEADER.size : end])
        except Exception as error:  # execnet's reader fails in any way on what no writer wrote
            raise ValueError(f"no message: {type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Let go of the memory, and remove the file."""
        self._memory.close()
        self.path.unlink(missing_ok=True)
