# SPDX-License-Identifier: GPL-2.0-or-later
"""What a bzImage says of itself in its boot header: Documentation/arch/x86/boot.rst."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ksuite.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

MAGIC_AT, MAGIC = 0x202, b"HdrS"
PROTOCOL_AT, PROTOCOL = 0x206, 0x20C
"""The first one that has xloadflags."""
VERSION_AT, VERSION_FROM = 0x20E, 0x200
FLAGS_AT, KERNEL_64 = 0x236, 1
"""xloadflags, and XLF_KERNEL_64 of them."""
BOOT_SECTORS_BYTES = 64 << 10
_RELEASE = re.compile(rb"[0-9][\w.+~-]*")


def release_of_image(image: Path) -> str:
    """Return the release that a bzImage says it is.

    :raises UserError: it is none, or not for x86-64.
    """
    with image.open("rb") as file:
        head = file.read(BOOT_SECTORS_BYTES)
    if head[MAGIC_AT : MAGIC_AT + len(MAGIC)] != MAGIC:
        raise UserError(f"{image} is no bzImage for x86: it has no boot header")
    if _number(head, PROTOCOL_AT) < PROTOCOL or not _number(head, FLAGS_AT) & KERNEL_64:
        raise UserError(f"{image} is for 32-bit x86: a DUT is x86-64")
    match = _RELEASE.match(head, _number(head, VERSION_AT) + VERSION_FROM)
    if match is None:
        raise UserError(f"{image} does not say which release it is")
    return match[0].decode()


def _number(head: bytes, at: int) -> int:
    return int.from_bytes(head[at : at + 2], "little")
