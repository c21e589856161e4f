# SPDX-License-Identifier: GPL-2.0-or-later
"""The first file system of a DUT: busybox, what finds the images, and our code that runs there.

A "newc" archive: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import ksuite
from ksuite.errors import InfrastructureError
from ksuite.kernels.packed import unpacked
from ksuite.machines.recipe import DATA
from ksuite.processes import run, tool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ksuite.machines.recipe import Recipe

_INSMOD = re.compile(r"^insmod (.+?\.ko(?:\.\w+)?)(?: |$)", re.MULTILINE)


class Archive:
    """An archive in the making; every file is root's, and as old as the epoch."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._inode = 0
        self._directories: set[str] = set()

    def directory(self, name: str) -> None:
        """Add a directory and those above it."""
        if name in {"", "."} or name in self._directories:
            return
        self.directory(str(Path(name).parent))
        self._directories.add(name)
        self._add(name, b"", stat.S_IFDIR | 0o755)

    def file(self, name: str, data: bytes, *, executable: bool = False) -> None:
        """Add a file, and the directories that it is in."""
        self.directory(str(Path(name).parent))
        self._add(name, data, stat.S_IFREG | (0o755 if executable else 0o644))

    def console(self) -> None:
        """Add /dev/console, which the kernel opens for init."""
        self.directory("dev")
        self._add("dev/console", b"", stat.S_IFCHR | 0o600, (5, 1))

    def finished(self) -> bytes:
        """Return the whole archive."""
        self._add("TRAILER!!!", b"", 0)
        return b"".join(self._parts)

    def _add(self, name: str, data: bytes, mode: int, device: tuple[int, int] = (0, 0)) -> None:
        self._inode += 1
        encoded = name.encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields) + encoded
        self._parts += [header, bytes(-len(header) % 4), data, bytes(-len(data) % 4)]


def agent_code() -> dict[str, bytes]:
    """Return what runs on the DUT, by path below the directory that holds the package."""
    package = Path(ksuite.__file__).parent
    paths = [package / "__init__.py", *sorted((package / "dut").glob("*.py"))]
    return {str(path.relative_to(package.parent)): path.read_bytes() for path in paths}


def initrd(busybox: bytes, modules_top: Path, release: str, recipe: Recipe) -> bytes:
    """Return the archive for a kernel.

    :param modules_top: the directory that lib/modules/RELEASE is in.
    :param recipe: names the modules that init loads, with what they depend on.
    :raises InfrastructureError: the kernel lacks one.
    """
    archive = Archive()
    archive.console()
    for name in ("proc", "sys"):
        archive.directory(name)
    archive.file("bin/busybox", busybox, executable=True)
    archive.file("init", (DATA / "init").read_bytes(), executable=True)
    order = []
    listed = (modules_top / "lib" / "modules" / release / "modules.order").read_text()
    there = {Path(line).name.partition(".")[0] for line in listed.splitlines()}
    names = [name for name in recipe.boot_modules if name in there or name not in recipe.may_lack]
    for path in _with_dependencies(modules_top, release, names):
        name, data = unpacked(path)
        archive.file(f"modules/{name}", data)
        order.append(name)
    archive.file("modules/order", "\n".join(order).encode())
    for name, data in agent_code().items():
        archive.file(name, data)
    return archive.finished()


def _with_dependencies(top: Path, release: str, names: Sequence[str]) -> list[Path]:
    paths: dict[Path, None] = {}
    for name in names:
        command = [tool("modprobe", "kmod"), f"--dirname={top}", f"--set-version={release}", "-D"]
        done = run([*command, name])
        if done.returncode:
            text = done.stderr.decode(errors="replace").strip()[:300]
            raise InfrastructureError(f"the kernel {release} can't run a DUT: {text}")
        paths |= dict.fromkeys(Path(path) for path in _INSMOD.findall(done.stdout.decode()))
    return list(paths)
