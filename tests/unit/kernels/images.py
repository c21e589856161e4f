# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel images that nothing could boot, and trees of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksuite.kernels import bzimage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def image_of(release: str, protocol: int = bzimage.PROTOCOL, flags: int = 0x3F) -> bytes:
    """Return the boot header of an image that says it is a release."""
    head = bytearray(0x1000)
    head[bzimage.MAGIC_AT : bzimage.MAGIC_AT + 4] = bzimage.MAGIC
    for at, number in (
        (bzimage.PROTOCOL_AT, protocol),
        (bzimage.VERSION_AT, 0x400),
        (bzimage.FLAGS_AT, flags),
    ):
        head[at : at + 2] = number.to_bytes(2, "little")
    text = f"{release} (x@y) #1 SMP\0".encode()
    head[0x600 : 0x600 + len(text)] = text
    return bytes(head)


def write(top: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files below a directory, by name."""
    for name, content in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(content if isinstance(content, bytes) else content.encode())
