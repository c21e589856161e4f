# SPDX-License-Identifier: GPL-2.0-or-later
"""Directories that go away with their process, even after ``kill -9``.

Each is flocked by its owner while it lives. One that nobody holds was left by a killed process,
and the next caller removes it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.errors import DiskFull

if TYPE_CHECKING:
    from collections.abc import Iterator

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What the operating system says where there is no room."""
SOCKET_PATH_CHARACTERS = 80
"""A directory's path must be shorter, so that a socket in it fits sockaddr_un's 108."""

_RANDOM_CHARACTERS = 8


@contextmanager
def held_directory(parent: Path, prefix: str) -> Iterator[Path]:
    """Yield a new private directory; remove it at the end, and what killed processes left.

    :param prefix: the start of its name; only directories that have it are taken for ours.
    """
    remove_abandoned(parent, prefix)
    path, descriptor = _make(parent, prefix)
    try:
        yield path
    finally:
        remove_tree(path)
        os.close(descriptor)


@contextmanager
def run_directory() -> Iterator[Path]:
    """Yield a private directory for one run, with a path short enough for sockets in it."""
    with held_directory(run_parent(), run_prefix()) as path:
        yield path


def run_parent() -> Path:
    """Return where our run directories are."""
    parent = Path(tempfile.gettempdir())
    if len(str(parent / run_prefix())) + _RANDOM_CHARACTERS >= SOCKET_PATH_CHARACTERS:
        return Path("/tmp")  # noqa: S108 - mkdtemp makes the name below it
    return parent


def run_prefix() -> str:
    """Return the start of the names of our run directories."""
    return f"ksuite-{os.geteuid()}-"


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """Yield a private directory for one job.

    :raises InfrastructureError: the disk it is on is full, as the body found out.
    """
    with run_directory() as path, disk_full_told(str(path.parent), "set TMPDIR"):
        yield path


@contextmanager
def readable_for_all() -> Iterator[None]:
    """Have what the body makes be readable for the builder, whatever the user's umask.

    It is the process's: no other thread may be making what is private.
    """
    before = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def disk_full_told(place: str, remedy: str) -> Iterator[None]:
    """Turn the body's "no space left" into an error that says where, and what helps."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise disk_full(place, remedy) from error
        raise


def disk_full(place: str, remedy: str) -> DiskFull:
    """Return the error that says that there is no space left in a place."""
    return DiskFull(
        f"disk full in {place}: nothing was kept of what was being made there; "
        f"free space or {remedy}"
    )


def _make(parent: Path, prefix: str) -> tuple[Path, int]:
    while True:
        path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Another process may have found it unlocked and removed it before our flock.
        if path.exists():
            return path, descriptor
        os.close(descriptor)


def remove_abandoned(parent: Path, prefix: str) -> None:
    """Remove the directories that killed processes left."""
    for path in abandoned(parent, prefix):
        remove_tree(path)


def remove_tree(path: Path) -> None:
    """Remove a directory with all that can be removed of it, however deep it is."""
    try:
        shutil.rmtree(path, ignore_errors=True)
    except RecursionError:
        # An archive may have any depth; rm(1) walks without a stack.
        subprocess.run(["rm", "-rf", "--", path], stderr=subprocess.DEVNULL, check=False)


def abandoned(parent: Path, prefix: str) -> Iterator[Path]:
    """Yield the directories that killed processes left; nobody else gets one meanwhile."""
    for path in parent.glob(f"{prefix}*"):
        try:
            status = path.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
                continue
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            # It went away while we were looking.
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield path
        except BlockingIOError:
            pass
        finally:
            os.close(descriptor)
