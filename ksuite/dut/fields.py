# SPDX-License-Identifier: GPL-2.0-or-later
"""Fields of binary structures, by the names of their types."""

from __future__ import annotations

import errno
import ipaddress
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Field = int | str | bytes

_NUMBERS = {
    "u8": "=B",
    "u16": "=H",
    "u32": "=I",
    "u64": "=Q",
    "be16": "!H",
    "be32": "!I",
    "be64": "!Q",
}
_TEXT_BYTES = {"mac": 6, "ip4": 4, "ip6": 16}


def pack(types: str, fields: Iterable[Field]) -> bytes:
    """Return fields as bytes.

    :param types: their types, such as ``mac be16``; ``pad2`` is two bytes of nothing.
    """
    values = iter(fields)
    packed = b""
    for kind in types.split():
        packed += bytes(int(kind[3:])) if kind.startswith("pad") else _packed(kind, next(values))
    return packed


def _packed(kind: str, value: Field) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, int):
        return struct.pack(_NUMBERS[kind], value)
    if kind == "mac":
        return bytes.fromhex(value.replace(":", ""))
    return ipaddress.ip_address(value).packed


def unpack(types: str, data: bytes) -> tuple[Field, ...]:
    """Return what `pack` was given, addresses as text.

    :raises OSError: it is longer or shorter than these fields.
    """
    if len(data) != sum(map(_size, types.split())):
        raise OSError(errno.EBADMSG, f"{len(data)} bytes are not {types}")
    fields: list[Field] = []
    at = 0
    for kind in types.split():
        size = _size(kind)
        part = data[at : at + size]
        at += size
        if not kind.startswith("pad"):
            fields.append(_unpacked(kind, part))
    return tuple(fields)


def _size(kind: str) -> int:
    if kind.startswith("pad"):
        return int(kind[3:])
    return _TEXT_BYTES.get(kind) or struct.calcsize(_NUMBERS[kind])


def _unpacked(kind: str, part: bytes) -> Field:
    if kind == "mac":
        return part.hex(":")
    if kind in _TEXT_BYTES:
        return str(ipaddress.ip_address(part))
    number: int = struct.unpack(_NUMBERS[kind], part)[0]
    return number
