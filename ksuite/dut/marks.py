# SPDX-License-Identifier: GPL-2.0-or-later
"""Marks around what is measured, for whoever counts instructions outside of the DUT.

A mark is an instruction that does nothing and is found nowhere else; a QEMU plugin
(machines/data/count_plugin.c) sees it run. Without the plugin it costs the same.
"""

from __future__ import annotations

import ctypes
import mmap

BEGIN = bytes.fromhex("0f1f8001736b00")
"""nopl 0x6b7301(%rax)"""
END = bytes.fromhex("0f1f8002736b00")
RETURN = b"\xc3"
END_OFFSET = 64


class Marks:
    """Functions in machine code that set the marks."""

    def __init__(self) -> None:
        # Kept as long as the functions are.
        self._code = mmap.mmap(
            -1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
        )
        self._code[: len(BEGIN) + 1] = BEGIN + RETURN
        self._code[END_OFFSET : END_OFFSET + len(END) + 1] = END + RETURN
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._code))
        function = ctypes.CFUNCTYPE(None)
        self.begin = function(address)
        self.end = function(address + END_OFFSET)


class NoMarks:
    """Sets none: nobody is to count."""

    def begin(self) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""
