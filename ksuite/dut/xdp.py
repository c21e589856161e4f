# SPDX-License-Identifier: GPL-2.0-or-later
"""A generic XDP program of two instructions, through the bpf system call: nothing to compile."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BPF = 321
"""The system call on x86-64; libc has no function for it."""
BPF_PROG_LOAD = 5
BPF_LINK_CREATE = 28
BPF_PROG_TYPE_XDP = 6
BPF_XDP = 37
XDP_FLAGS_SKB_MODE = 2
XDP_DROP = 1
_INSTRUCTION = struct.Struct("=BBhi")
DROP = _INSTRUCTION.pack(0xB7, 0, 0, XDP_DROP) + _INSTRUCTION.pack(0x95, 0, 0, 0)
"""r0 = XDP_DROP; exit"""
_PROGRAM = struct.Struct("=IIQQ")
"""Of union bpf_attr: prog_type, insn_cnt, insns, license."""
_LINK = struct.Struct("=IIII")
"""Of union bpf_attr: prog_fd, target_ifindex, attach_type, flags."""

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def dropping(interface: str) -> Iterator[None]:
    """Drop all that an interface receives in generic XDP, while it lasts."""
    code = ctypes.create_string_buffer(DROP)
    licence = ctypes.create_string_buffer(b"GPL")
    addresses = (ctypes.addressof(code), ctypes.addressof(licence))
    count = len(DROP) // _INSTRUCTION.size
    program = _bpf(BPF_PROG_LOAD, _PROGRAM.pack(BPF_PROG_TYPE_XDP, count, *addresses))
    try:
        index = socket.if_nametoindex(interface)
        link = _bpf(BPF_LINK_CREATE, _LINK.pack(program, index, BPF_XDP, XDP_FLAGS_SKB_MODE))
    finally:
        os.close(program)
    try:
        yield
    finally:
        os.close(link)


def _bpf(command: int, attributes: bytes) -> int:
    descriptor: int = _libc.syscall(BPF, command, attributes, len(attributes))
    if descriptor < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"bpf command {command}: {os.strerror(error)}")
    return descriptor
