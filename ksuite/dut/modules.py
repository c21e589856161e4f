# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel modules on the DUT: out with one build, in with another, and which one it is."""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BUILD_ID_BYTES = 20
"""--build-id=sha1."""
BUILD_ID_NOTE = 3
"""NT_GNU_BUILD_ID, elf.h."""
NOTES = Path("/sys/kernel/notes")
NOTE = struct.Struct("<III")
"""Sizes of name and content, type; each of both is padded to four bytes: elf(5)."""
INIT_MODULE = 175
DELETE_MODULE = 176
"""System calls of x86-64; libc has no functions for them, and starting insmod takes longer."""
KERNEL_LOG = Path("/dev/kmsg")
MOST_SAID = 4
"""Lines of the kernel's that are told of a module that it refused."""

_libc = ctypes.CDLL(None, use_errno=True)


def _system_call(what: str, number: int, *arguments: object) -> None:
    if _libc.syscall(number, *arguments):
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def _probe(names: list[str]) -> None:
    done = subprocess.run(["modprobe", "-a", *names], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"modprobe {' '.join(names)}: {done.stderr.strip() or done.returncode}")


def _loaded(name: str) -> bool:
    return (Path("/sys/module") / name / "initstate").exists()


def _holders(name: str) -> list[str]:
    holders = Path("/sys/module") / name / "holders"
    return sorted(holder.name for holder in holders.iterdir()) if holders.is_dir() else []


def unload(names: list[str]) -> list[str]:
    """Unload modules and whatever holds them.

    :return: all that was unloaded, in that order.
    :raises OSError: one is in use.
    """
    gone: list[str] = []
    for name in names:
        if _loaded(name):
            gone += unload(_holders(name))
            _system_call(f"unload {name}", DELETE_MODULE, name.encode(), os.O_NONBLOCK)
            gone.append(name)
    return gone


def load(
    modules: dict[str, bytes], also: list[str], parameters: dict[str, str] | None = None
) -> dict[str, str]:
    """Load modules, what they depend on first, then others from the kernel's own.

    :param modules: the contents of each module's .ko, by module name.
    :param also: modules to load by name afterwards.
    :param parameters: of modules that have any, as insmod takes them, by module name.
    :return: the build-id of each of `modules`, and of vmlinux, as the running kernel tells it.
    :raises OSError: the kernel refused one.
    """
    for name in modules:
        _load_one(name, modules, parameters or {})
    missing = [name for name in also if not _loaded(name)]
    if missing:
        _probe(missing)
    return {name: build_id(name) for name in modules} | {"vmlinux": kernel_build_id()}


def _load_one(name: str, modules: dict[str, bytes], parameters: dict[str, str]) -> None:
    if _loaded(name):
        return
    needed = _depends(modules[name])
    own = [other for other in needed if other not in modules and not _loaded(other)]
    if own:
        _probe(own)
    for other in needed:
        if other in modules:
            _load_one(other, modules, parameters)
    image = modules[name]
    words = parameters.get(name, "").encode()
    with _kernel_heard():
        _system_call(f"load {name}", INIT_MODULE, image, ctypes.c_ulong(len(image)), words)


@contextmanager
def _kernel_heard() -> Iterator[None]:
    """Add what the kernel says meanwhile to what it refuses: an error number tells little."""
    log = os.open(KERNEL_LOG, os.O_RDONLY | os.O_NONBLOCK)
    try:
        os.lseek(log, 0, os.SEEK_END)
        yield
    except OSError as error:
        said = "; ".join(_records(log)[-MOST_SAID:])
        raise OSError(
            error.errno, f"{error.strerror}; the kernel says: {said or 'nothing'}"
        ) from error
    finally:
        os.close(log)


def _records(log: int) -> list[str]:
    """Return the texts of the records that are left (Documentation/ABI/testing/dev-kmsg)."""
    texts: list[str] = []
    while True:
        try:
            record = os.read(log, 8192)
        except BlockingIOError:
            return texts
        except BrokenPipeError:
            # Some were overwritten before they could be read.
            continue
        texts.append(record.partition(b";")[2].partition(b"\n")[0].decode(errors="replace"))


def _depends(image: bytes) -> list[str]:
    """Return the modules that a module's .modinfo names as those it needs."""
    start = image.find(b"\0depends=") + 1
    if not start:
        return []
    names = image[start : image.index(b"\0", start)].partition(b"=")[2].decode()
    return [name for name in names.split(",") if name]


def kernel_build_id() -> str:
    """Return the running kernel's build-id in hex; empty where it was built without one."""
    notes = NOTES.read_bytes()
    at = 0
    while at + NOTE.size <= len(notes):
        name_size, size, kind = NOTE.unpack_from(notes, at)
        name = notes[at + NOTE.size : at + NOTE.size + name_size]
        start = at + NOTE.size + -(-name_size // 4) * 4
        if (name, kind) == (b"GNU\0", BUILD_ID_NOTE):
            return notes[start : start + size].hex()
        at = start + -(-size // 4) * 4
    return ""


def build_id(name: str) -> str:
    """Return a loaded module's build-id in hex; empty where it was built without one."""
    note = Path("/sys/module") / name / "notes" / ".note.gnu.build-id"
    return note.read_bytes()[-BUILD_ID_BYTES:].hex() if note.exists() else ""
