# SPDX-License-Identifier: GPL-2.0-or-later
"""Which QEMU runs a guest: the host's, or where that is too old a newer one of Debian's.

Several vCPUs on the instruction clock hang QEMU 7.2 (bookworm's) as the kernel brings them up. The
newer one is extracted into the store with each library that it needs, and is started by the C
library's own loader from there: the host's packages are left alone, and don't matter.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.errors import InfrastructureError
from ksuite.kernels.archive import Release, extracting, must_be_root, run_told
from ksuite.kernels.store import file_digest
from ksuite.machines.machine import Clock
from ksuite.processes import contained, run, tool

if TYPE_CHECKING:
    from collections.abc import Callable

    from ksuite.kernels.store import Store
    from ksuite.machines.machine import MachineSpec

QEMU = "qemu-system-x86_64"
PACKAGE = "qemu-system-x86"
COUNTS_SEVERAL = 10
"""The first major version whose instruction clock is known to work with several vCPUs."""
RELEASE = Release("bookworm", "bookworm-backports")
KIND = "qemu"
KEY = "bookworm-backports-1"
"""Its number is raised whenever the same packages make another entry."""
_LOADED = re.compile(r"=> (/\S+) ")
_LIBRARIES = ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")
_FIRMWARE = ("usr/share/qemu", "usr/share/seabios")
_START = """\
#!/bin/sh
# SHA-256 of what is started: {digest}
top=${{0%/*}}
exec "$top/lib/ld.so" --library-path "$top/lib" "$top/program" -L "$top/firmware" "$@"
"""
"""Its content stands for the program's."""


@dataclass(frozen=True)
class Emulator:
    """A QEMU.

    :param path: what is called.
    :param version: such as 7.2.22.
    """

    path: Path
    version: str

    @property
    def major(self) -> int:
        """Its major version."""
        return int(self.version.partition(".")[0])


def emulator(
    spec: MachineSpec, store: Store, progress: Callable[[str], None] = lambda _: None
) -> Emulator:
    """Return the QEMU for such a guest, fetched if it has to be.

    :raises InfrastructureError: it is missing, or can't be fetched.
    """
    own = hosts_own()
    if suffices(own, spec):
        return own
    return _told(fetch(store, progress))


def hosts_own() -> Emulator:
    """Return the host's.

    :raises InfrastructureError: it is missing or does not say its version.
    """
    return _told(Path(tool(QEMU, PACKAGE)))


def suffices(own: Emulator, spec: MachineSpec) -> bool:
    """Whether the host's own can run such a guest."""
    counts_several = spec.vcpus > 1 and spec.clock is Clock.INSTRUCTIONS
    return not counts_several or own.major >= COUNTS_SEVERAL


def fetched(store: Store) -> Emulator | None:
    """Return the one in the store, if it is there."""
    entry = store.entry(KIND, KEY)
    return _told(entry / QEMU) if entry else None


def fetch(store: Store, progress: Callable[[str], None]) -> Path:
    """Return the path of Debian's newer one, fetched unless it is in the store.

    :raises InfrastructureError: no root, no network, or no room.
    """

    def make(into: Path) -> None:
        must_be_root(f"QEMU {COUNTS_SEVERAL}")
        progress(f"fetching QEMU from {RELEASE.newest}: the host's can't count on several vCPUs")
        top = into / "extracted"
        run_told(extracting(RELEASE, [PACKAGE], top), fetches="QEMU")
        _gather(top, into)
        shutil.rmtree(top)
        if (major := _told(into / QEMU).major) < COUNTS_SEVERAL:
            raise InfrastructureError(f"{RELEASE.newest} has only QEMU {major}: is a mirror stale?")

    return store.obtain(KIND, KEY, make) / QEMU


def _gather(top: Path, into: Path) -> None:
    """Copy what is needed of extracted packages: a program, its libraries, firmware, a start."""
    program, loader = top / "usr" / "bin" / QEMU, top / "lib64" / "ld-linux-x86-64.so.2"
    libraries = ":".join(str(top / place) for place in _LIBRARIES)
    looking = [str(loader), "--library-path", libraries, "--list", str(program)]
    listed = run_told([*contained(), *looking])
    for name in ("lib", "firmware"):
        (into / name).mkdir()
    for library in map(Path, _LOADED.findall(listed)):
        if not library.is_relative_to(top):
            raise InfrastructureError(f"QEMU's packages lack {library.name}")
        shutil.copy(library, into / "lib")
    shutil.copy(loader, into / "lib" / "ld.so")
    shutil.copy(program, into / "program")
    for place in _FIRMWARE:
        for path in [*(top / place).glob("*.bin"), *(top / place).glob("*.rom")]:
            if not path.is_symlink():
                shutil.copy(path, into / "firmware")
    start = into / QEMU
    start.write_text(_START.format(digest=file_digest(program)), encoding="utf-8")
    start.chmod(0o755)


def _told(path: Path) -> Emulator:
    done = run([path, "--version"], timeout_seconds=30)
    found = re.search(rb"version (\d+[\d.]*)", done.stdout)
    if not found:
        raise InfrastructureError(f"{path} --version says nothing of a version: {done.stdout!r}")
    return Emulator(path, found[1].decode())
