# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a command that can write nothing but what it is given; a script of its own.

It is run as the first process of new namespaces by who may mount there, see `processes.contained`.
All that the host has mounted becomes read-only, what is the user's or anybody's is hidden by empty
directories, and what was asked for is put in its place; then this process becomes the command.
Nothing of it is seen by others, and it goes with the namespace.

System calls are made as they are: mount(8) of Debian 12 can't do it for all mounts at once, and a
path in a mount's options must not have a comma in it; a descriptor's number never has. Little is
imported, which takes longer than all the rest.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

MOUNTS = "/mnt"
"""Below it a build finds what it is given: the same paths on every machine."""
BUILD_PLACE = "/build"
"""Where a build root has room for what is to be built."""
SHARED = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 (empty ones of its own)
"""What all may write on the host, and a confined command has for itself."""
PRIVATE = ("/run", "/home", "/root")
"""What is none of its business: sockets of the host's services, and what users have."""
HIDDEN_BYTES = 64 << 20
"""As much may be written to each of those."""
NODES = ("null", "zero", "full", "random", "urandom")
"""The devices that a root of its own has, where it has room for them."""

SYS_OPEN_TREE, SYS_MOVE_MOUNT, SYS_MOUNT_SETATTR = 428, 429, 442
"""The same on all architectures."""
AT_FDCWD, AT_EMPTY_PATH, AT_RECURSIVE = -100, 0x1000, 0x8000
OPEN_TREE_CLONE, MOVE_MOUNT_F_EMPTY_PATH = 1, 4
READ_ONLY, NOSUID, NODEV = 0x1, 0x2, 0x4
"""linux/mount.h: MOUNT_ATTR_..."""

_UPPER, _WORK, _ROOT = (f"{MOUNTS}/{name}" for name in (".upper", ".work", ".root"))
_libc = ctypes.CDLL(None, use_errno=True)


def main(asked: list[str], command: list[str]) -> None:
    """Become a command.

    :param asked: ``mount NAME ro|rw COUNT PLACE...``, ``keep PLACE``, ``hide PLACE`` and
        ``root ROOT PLACE``, each any number of times; see `processes.contained`.
    """
    mounts: list[tuple[str, int, list[int]]] = []
    kept: dict[str, int] = {}
    hidden = [*SHARED, *PRIVATE]
    root: dict[str, int] = {}
    # It is opened before: it may be in what gets hidden, and does not become read-only with it.
    while asked:
        kind, place, *asked = asked
        if kind == "mount":
            way, count, *asked = asked
            places, asked = asked[: int(count)], asked[int(count) :]
            opened = [_opened(one) for one in places] if len(places) > 1 else [_cloned(places[0])]
            mounts.append((f"{MOUNTS}/{place}", READ_ONLY if way == "ro" else 0, opened))
        elif kind == "keep":
            kept[place] = _cloned(place)
        elif kind == "hide":
            hidden.append(place)
        else:
            inside, *asked = asked
            root = _root(place, inside)
    _restrict(AT_FDCWD, "/", READ_ONLY | NOSUID)
    _give(mounts, root)
    _hide(hidden)
    for place, clone in kept.items():
        os.makedirs(place, exist_ok=True)
        _attach(clone, place)
    if root:
        os.chroot(_ROOT)
    # In the user's session it could type into the terminal: TIOCSTI in ioctl_tty(2).
    os.setsid()
    os.chdir("/")
    os.umask(0o022)
    _become(command)


def _become(command: list[str]) -> None:
    """Do what os.execvp does, which imports more, from where it may be hidden."""
    name = command[0]
    path = os.environ.get("PATH", os.defpath).split(":")
    for place in [name] if "/" in name else [f"{directory}/{name}" for directory in path]:
        try:
            os.execv(place, command)  # noqa: S606
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
    raise FileNotFoundError(errno.ENOENT, "there is no such command", name)


def _root(root: str, place: str) -> dict[str, int]:
    """Return what makes up a root of its own, by where it is mounted there, in that order."""
    found = {"": _cloned(root), BUILD_PLACE: _cloned(place), "/proc": _cloned("/proc")}
    return found | {f"/dev/{name}": _cloned(f"/dev/{name}") for name in NODES}


def _give(mounts: list[tuple[str, int, list[int]]], root: dict[str, int]) -> None:
    """Mount what was asked for below `MOUNTS`."""
    _mount("tmpfs", MOUNTS, "mode=755")
    for place in (_UPPER, _WORK, _ROOT, *(at for at, _, _ in mounts)):
        os.mkdir(place)
    os.chmod(_UPPER, 0o1777)  # noqa: S103 (it is a build's, whoever it is)
    for at, attributes, opened in mounts:
        if len(opened) == 1:
            _attach(opened[0], at, attributes)
        else:
            layers = ":".join(f"/proc/self/fd/{each}" for each in opened)
            _mount("overlay", at, f"lowerdir={layers},upperdir={_UPPER},workdir={_WORK}")
            _restrict(AT_FDCWD, at, attributes)
    for inside, clone in root.items():
        if os.path.exists(f"{_ROOT}{inside}"):
            _attach(clone, f"{_ROOT}{inside}", 0 if inside == BUILD_PLACE else READ_ONLY)
    _restrict(AT_FDCWD, MOUNTS, READ_ONLY, recursive=False)


def _hide(places: list[str]) -> None:
    for place in places:
        if os.path.isdir(place):
            mode = "1777" if place in SHARED else "755"
            _mount("tmpfs", place, f"size={HIDDEN_BYTES},mode={mode}")


def _opened(place: str) -> int:
    return os.open(place, os.O_PATH)


def _cloned(place: str) -> int:
    """Return a copy of a place's mount, and of those below it, that is nowhere yet."""
    flags = OPEN_TREE_CLONE | AT_RECURSIVE | os.O_CLOEXEC
    return _call(place, SYS_OPEN_TREE, AT_FDCWD, os.fsencode(place), flags)


def _attach(clone: int, at: str, attributes: int = 0) -> None:
    """Mount a copy; of devices there are only those that are asked for by name."""
    nodev = 0 if at.startswith(f"{_ROOT}/dev/") else NODEV
    _restrict(clone, "", NOSUID | nodev | attributes)
    flags = MOVE_MOUNT_F_EMPTY_PATH
    _call(at, SYS_MOVE_MOUNT, clone, b"", AT_FDCWD, os.fsencode(at), flags)


def _restrict(directory: int, path: str, attributes: int, *, recursive: bool = True) -> None:
    """Add to what may not be done with a mount, and with those below it."""
    flags = (0 if path else AT_EMPTY_PATH) | (AT_RECURSIVE if recursive else 0)
    asked = struct.pack("<QQQQ", attributes, 0, 0, 0)
    size = ctypes.c_size_t(len(asked))
    _call(path or "a mount", SYS_MOUNT_SETATTR, directory, os.fsencode(path), flags, asked, size)


def _mount(kind: str, at: str, options: str) -> None:
    arguments = (b"none", os.fsencode(at), kind.encode(), ctypes.c_ulong(NOSUID | NODEV))
    if _libc.mount(*arguments, os.fsencode(options)) < 0:
        raise _error(at)


def _call(about: str, *arguments: object) -> int:
    result: int = _libc.syscall(*arguments)
    if result < 0:
        raise _error(about)
    return result


def _error(about: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), about)


if __name__ == "__main__":
    end = sys.argv.index("--")
    try:
        main(sys.argv[1:end], sys.argv[end + 1 :])
    except OSError as error:
        sys.exit(f"a command can't be confined: {error.filename}: {error.strerror}")
