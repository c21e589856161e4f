# SPDX-License-Identifier: GPL-2.0-or-later
"""Where modules are built against a kernel's headers: by nobody, without a network."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.errors import InfrastructureError
from ksuite.kernels.git import CLEAN_PATH
from ksuite.kernels.held import disk_full
from ksuite.kernels.makelog import MakeLog, read_unfollowed
from ksuite.kernels.source import KernelSource
from ksuite.processes import BUILD_PLACE, MOUNTS, NOBODY, contained, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FLAGS = "-g0 -fmax-errors=20 -fmacro-prefix-map={top}/="
"""The compiler's flags beyond the kernel's; assertions name their file relative to the tree."""
LINK_FLAGS = "--build-id=sha1"
LOG = "make.log"
TIME_SECONDS = 600
FILE_BYTES = 256 << 20
LOG_BYTES = 4 << 20
_HEADERS, _OURS = (MOUNTS / name for name in ("headers", "build"))
"""Where the builder finds what is not the distro's, which may be in somebody's home."""


def built_for(source: KernelSource, linker: str) -> list[bytes | str]:
    """Return all of a kernel, and of what we tell make, that modules for it depend on.

    :param linker: what this host's says of itself; the assembler is of its version.
    """
    parts = [FLAGS, LINK_FLAGS, source.release, source.version, source.compiler]
    # Another assembler and linker go with another root.
    parts += [source.build_root.parent.name if source.build_root else linker]
    parts += [source.tree.key] if source.tree else []
    return [*parts, source.config.read_bytes()]


@dataclass(frozen=True)
class Room:
    """A directory whose owner is the builder, and the kernel to build for.

    :param top: the directory, in one that is ours alone.
    :param before: where headers are that go before the kernel's own.
    """

    source: KernelSource
    top: Path
    before: tuple[Path, ...] = ()

    @property
    def seen(self) -> str:
        """Where the builder finds it."""
        if self.source.tree:
            return str(_OURS)
        return BUILD_PLACE if self.source.build_root else str(self.top)

    @property
    def headers(self) -> str:
        """Where the builder finds the kernel's headers."""
        if self.source.tree:
            return str(_HEADERS)
        root = self.source.build_root
        headers = self.source.headers
        return f"/{headers.relative_to(root)}" if root else str(headers)

    @property
    def overrides(self) -> list[str]:
        """What make is told on top of the kernel's own Makefiles."""
        # The distro's headers name their compiler; any others would have whatever is called gcc.
        compiler = self.source.compiler.partition(" ")[0]
        return [
            *([f"CC={compiler}"] if self.source.tree else []),
            f"LDFLAGS_MODULE={LINK_FLAGS}",
            f"KCFLAGS={FLAGS.format(top=self.seen)}",
        ]

    def give(self) -> None:
        """Have the builder own all that is in it, and get at nothing beside it."""
        self.top.parent.chmod(0o711)
        self.top.chmod(0o700)
        if os.geteuid() == 0:
            for place in (self.top, *self.before):
                for path in (place, *_everything(place)):
                    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)

    def run(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """Run a command, and return its exit status and what it printed.

        :raises DiskFull: it failed for want of room.
        :raises InfrastructureError: it could not be started, or ran out of time.
        """
        basis = {"PATH": CLEAN_PATH, "LC_ALL": "C", "HOME": "/nonexistent", "TMPDIR": self.seen}
        command = [
            *self._confined(),
            *("prlimit", f"--fsize={FILE_BYTES}", "--core=0", "--"),
            *("sh", "-c", 'log=$1; shift; exec "$@" >"$log" 2>&1', "sh", f"{self.seen}/{LOG}"),
            *command,
        ]
        done = run(
            command,
            cwd=self.top,
            env=basis | dict(environment or {}),
            timeout_seconds=TIME_SECONDS,
        )
        if done.stderr and not (self.top / LOG).exists():
            said = done.stderr.decode(errors="replace").strip().partition("\n")[0][:300]
            raise InfrastructureError(f"the build could not be started: {said}")
        log = self._log()
        if done.returncode and MakeLog(log).disk_full:
            raise disk_full(str(self.top.parent.parent), "set TMPDIR")
        return done.returncode, log

    def _log(self) -> str:
        """Return what was printed, with paths relative to the room."""
        text = read_unfollowed(self.top, LOG, LOG_BYTES).decode(errors="replace")
        # It may be short, and part of a path below it.
        return re.sub(rf"(?<![\w.+-]){re.escape(self.seen)}/", "", text)

    def take(self, name: str) -> bytes:
        """Return a file that was made; nobody's link is followed out of the room."""
        return read_unfollowed(self.top, name, FILE_BYTES)

    def _confined(self) -> list[str]:
        source, root = self.source, self.source.build_root
        mounts = (
            {_HEADERS.name: [*self.before, source.headers], _OURS.name: [self.top]}
            if source.tree
            else None
        )
        kept = [] if source.tree or root else [self.top]
        return contained(
            drop_root=True, root=(root, self.top) if root else None, mounts=mounts, kept=kept
        )


def _everything(top: Path) -> Iterator[Path]:
    for directory, directories, names in os.walk(top):
        yield from (Path(directory, name) for name in directories + names)
