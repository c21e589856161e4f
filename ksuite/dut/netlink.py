# SPDX-License-Identifier: GPL-2.0-or-later
"""The few words of netlink that are spoken without a library."""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER = struct.Struct("=IHHII")
"""struct nlmsghdr: length, type, flags, sequence, port."""
ATTRIBUTE = struct.Struct("=HH")
ERROR = struct.Struct("=i")
NLMSG_ERROR = 2
NLM_F_REQUEST, NLM_F_ACK, NLM_F_EXCL, NLM_F_CREATE = 0x1, 0x4, 0x200, 0x400
SOL_NETLINK = 270
NETLINK_NO_ENOBUFS, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 5, 10, 11
NLMSGERR_ATTR_MSG = 1
NLA_TYPE_MASK = 0x3FFF
"""The two bits above say that an attribute is nested, or in network byte order."""


def routing() -> socket.socket:
    """Return a socket to ask for links, rules and actions with; it is told why one is refused.

    Of more refusals than fit into its buffer, it is told the first.
    """
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    for option in (NETLINK_NO_ENOBUFS, NETLINK_CAP_ACK, NETLINK_EXT_ACK):
        opened.setsockopt(SOL_NETLINK, option, 1)
    return opened


def attribute(number: int, value: bytes) -> bytes:
    """Return an attribute, padded."""
    length = ATTRIBUTE.size + len(value)
    return ATTRIBUTE.pack(length, number) + value + bytes(-length % 4)


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and value of attributes that stand one after the other.

    :raises OSError: the kernel sent something else.
    """
    at = 0
    while at < len(data):
        left = len(data) - at
        length, number = ATTRIBUTE.unpack_from(data, at) if left >= ATTRIBUTE.size else (0, 0)
        if not ATTRIBUTE.size <= length <= left:
            raise OSError(errno.EBADMSG, f"an attribute of {length} bytes where {left} are left")
        yield number & NLA_TYPE_MASK, data[at + ATTRIBUTE.size : at + length]
        at += length + -length % 4


def message(kind: int, flags: int, body: bytes) -> bytes:
    """Return a message that asks for something."""
    return HEADER.pack(HEADER.size + len(body), kind, NLM_F_REQUEST | flags, 0, 0) + body


def must_be_acknowledged(answer: bytes, what: str) -> None:
    """Refuse an answer that says no.

    :param what: was asked for.
    :raises OSError: with the kernel's reason, where it gives one.
    """
    kind = HEADER.unpack_from(answer)[1]
    (error,) = ERROR.unpack_from(answer, HEADER.size)
    if kind != NLMSG_ERROR:
        raise OSError(f"{what}: netlink answered with a message of type {kind}")
    if error:
        raise OSError(-error, f"{what}: {os.strerror(-error)}{_reason(answer)}")


def _reason(answer: bytes) -> str:
    # Behind the error comes the header of what was asked.
    reasons = dict(attributes(answer[2 * HEADER.size + ERROR.size :]))
    text = reasons.get(NLMSGERR_ATTR_MSG, b"").rstrip(b"\0")
    return f" ({text.decode()})" if text else ""
