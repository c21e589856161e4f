# SPDX-License-Identifier: GPL-2.0-or-later
"""Locks on what stays in a store: who uses something keeps others from removing it.

A lock is a flock(2) on the directory itself, so that it goes with its process, even after
``kill -9``, and needs no file of its own. The time of the directory says when it was last used.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def share(path: Path) -> int | None:
    """Lock a directory that others may use, too, and return the descriptor that has the lock.

    There is none where there is no such directory.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    if not is_at(descriptor, path):
        os.close(descriptor)
        return None
    _note_use(descriptor)
    return descriptor


@contextmanager
def shared(path: Path) -> Iterator[bool]:
    """Yield whether a directory is there; it stays for so long."""
    descriptor = share(path)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


@contextmanager
def held_alone(place: Path, progress: Callable[[str], None]) -> Iterator[None]:
    """Have a directory that stays to ourselves, made if there is none; wait for who has it now."""
    descriptor = _alone(place, progress)
    try:
        _note_use(descriptor)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def unused(path: Path) -> Iterator[bool]:
    """Yield whether nobody has a file or directory locked; nobody gets a lock on it meanwhile."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        free = is_at(descriptor, path)
    except BlockingIOError:
        free = False
    try:
        yield free
    finally:
        os.close(descriptor)


def is_at(descriptor: int, path: Path) -> bool:
    """Whether a path still leads to what was opened there: it may be gone, or another one."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _alone(place: Path, progress: Callable[[str], None]) -> int:
    while True:
        place.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"waiting for another ksuite that builds in {place}")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if is_at(descriptor, place):
            return descriptor
        os.close(descriptor)


def _note_use(descriptor: int) -> None:
    # A store that can only be read is never pruned.
    with suppress(OSError):
        os.utime(descriptor)
