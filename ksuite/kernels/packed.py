# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules as they are when nobody has packed them; many distributions do, as xz, gzip or zstd."""

from __future__ import annotations

import gzip
import lzma
import re
import zlib
from typing import TYPE_CHECKING

from ksuite.errors import InfrastructureError
from ksuite.processes import run, tool

if TYPE_CHECKING:
    from pathlib import Path

MODULE = re.compile(r"(?P<name>.+)\.ko(?P<packed>\.\w+)?")
"""The file name of a module, and how it is packed, if it is."""
PACKED = (".gz", ".xz", ".zst")
"""What depmod(8) knows."""
_DEPENDS = re.compile(rb"(?:^|\0)depends=([^\0]*)")
_VERMAGIC = re.compile(rb"(?:^|\0)vermagic=([^ \0]+)")


def unpacked(module: Path) -> tuple[str, bytes]:
    """Return a module's file name and content without what packs it.

    The DUT's tools are the same for all kernels, and need not know how each has its modules.

    :raises InfrastructureError: it is damaged, or packed in a way that is not known.
    """
    match = MODULE.fullmatch(module.name)
    packed = match and match["packed"]
    if not packed:
        return module.name, module.read_bytes()
    if packed not in PACKED:
        known = ", ".join(PACKED)
        raise InfrastructureError(f"{module} is packed as {packed}, and only {known} are known")
    try:
        return module.stem, _unpack(module.read_bytes(), packed)
    except (lzma.LZMAError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InfrastructureError(f"{module} can't be unpacked: {error}") from error


def vermagic(module: Path) -> str:
    """Return the release that a module says it was built for; empty if it does not say.

    :raises InfrastructureError: it can't be unpacked.
    """
    # Not by modinfo(8): which packers it knows is its distribution's choice.
    match = _VERMAGIC.search(unpacked(module)[1])
    return match[1].decode(errors="replace") if match else ""


def depends(module: Path) -> tuple[str, ...]:
    """Return the names of the modules that a module says it needs.

    :raises InfrastructureError: it can't be unpacked.
    """
    match = _DEPENDS.search(unpacked(module)[1])
    names = match[1].decode(errors="replace") if match else ""
    return tuple(filter(None, names.split(",")))


def _unpack(data: bytes, packed: str) -> bytes:
    if packed == ".xz":
        return lzma.decompress(data)
    if packed == ".gz":
        return gzip.decompress(data)
    done = run([tool("zstd", "zstd"), "-dcq"], stdin=data)
    if done.returncode:
        raise EOFError(done.stderr.decode(errors="replace").strip()[-300:])
    return done.stdout
