# SPDX-License-Identifier: GPL-2.0-or-later
"""Thousands of netlink messages that differ in some fields, made in columns and sent together.

A part of a message is either bytes, the same in all, or an array with a row for each message. So a
rule takes what the kernel takes for it, and not ten times as much for one that is made in Python.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ksuite.dut.netlink import (
    ATTRIBUTE,
    HEADER,
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REQUEST,
    must_be_acknowledged,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    Bytes2D = npt.NDArray[np.uint8]
    Part = bytes | Bytes2D

NEW = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL
FLAGS = slice(6, 8)
TOGETHER_BYTES = 1 << 16
"""What is sent at once: well below what a socket's send buffer takes."""


def attribute(number: int, *parts: Part) -> list[Part]:
    """Return the parts of an attribute, padded to four bytes."""
    size = _size(parts)
    return [ATTRIBUTE.pack(ATTRIBUTE.size + size, number), *parts, bytes(-size % 4)]


def send(what: str, protocol: int, kind: int, count: int, parts: Sequence[Part]) -> None:
    """Have the kernel make `count` new things.

    :param what: they are, should the kernel refuse one.
    :param protocol: NETLINK_*.
    :param kind: of the messages.
    :param parts: what they hold behind their header.
    :raises OSError: it refused one; those before it stay.
    """
    header = HEADER.pack(HEADER.size + _size(parts), kind, NEW, 0, 0)
    messages = np.hstack([_column(part, count) for part in (header, *parts)])
    together = max(1, TOGETHER_BYTES // messages.shape[1])
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as netlink:
        for first in range(0, count, together):
            some = messages[first : first + together]
            # The kernel answers what it refuses, and the last one in any case.
            some[-1, FLAGS] = np.frombuffer(struct.pack("=H", NEW | NLM_F_ACK), dtype=np.uint8)
            netlink.send(some.tobytes())
            must_be_acknowledged(netlink.recv(TOGETHER_BYTES), what)


def _size(parts: Sequence[Part]) -> int:
    return sum(len(part) if isinstance(part, bytes) else part.shape[1] for part in parts)


def _column(part: Part, count: int) -> Bytes2D:
    if isinstance(part, bytes):
        return np.tile(np.frombuffer(part, dtype=np.uint8), (count, 1))
    return part
