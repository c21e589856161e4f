# SPDX-License-Identifier: GPL-2.0-or-later
"""Files in a directory that somebody else filled, opened so that no link leads out of it.

A link anywhere on the way to a file would have root read what it was never asked for, or a device
that has no end. So the kernel itself is told not to follow any (openat2(2)).
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

SYS_OPENAT2 = 437
"""The same on all architectures."""
RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH = 0x02, 0x04, 0x08
"""linux/openat2.h"""


def open_beneath(top: Path, name: str, *, links: bool = False) -> BinaryIO:
    """Open a file below a directory for reading.

    :param top: how to get there is trusted.
    :param links: follow those that lead to somewhere below the directory, too.
    :raises OSError: there is none, it is no regular file, or a link leads there.
    """
    resolve = RESOLVE_BENEATH | (RESOLVE_NO_MAGICLINKS if links else RESOLVE_NO_SYMLINKS)
    # It must not wait for who writes into a FIFO.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    how = struct.pack("<QQQ", flags, 0, resolve)
    directory = os.open(top, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        descriptor = ctypes.CDLL(None, use_errno=True).syscall(
            SYS_OPENAT2, directory, os.fsencode(name), how, ctypes.c_size_t(len(how))
        )
        if descriptor < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), f"{top}/{name}")
    finally:
        os.close(directory)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", f"{top}/{name}")
    return os.fdopen(descriptor, "rb")


def read_beneath(top: Path, name: str, most_bytes: int, *, links: bool = False) -> bytes:
    """Return the content of a file below a directory; see `open_beneath`.

    :raises OSError: it can't be opened, or is larger.
    """
    with open_beneath(top, name, links=links) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"it is larger than {most_bytes} bytes", f"{top}/{name}")
    return content


def is_linked(top: Path, name: str) -> bool:
    """Say whether a name below a directory is a link, or leads through one."""
    place = top
    for part in name.split("/"):
        place /= part
        if place.is_symlink():
            return True
    return False
