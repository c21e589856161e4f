# SPDX-License-Identifier: GPL-2.0-or-later
"""A place for runs that are to meet trouble, and what such a run must not leave behind.

Each process that a run starts stays a descendant of ours whoever dies: we are what the kernel gives
orphans to (PR_SET_CHILD_SUBREAPER, prctl(2)).
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ksuite.machines.patience import cpu_seconds
from tests.broken.test_broken import outside_pytest
from tests.broken.test_input import ksuite

if TYPE_CHECKING:
    from collections.abc import Callable

PR_SET_CHILD_SUBREAPER = 36
"""linux/prctl.h"""
QEMU = "qemu-system-x86_64"
END_SECONDS = 10.0
"""How long what belongs to a dead process may take to go."""
Found = TypeVar("Found")


def adopt_orphans() -> None:
    """Have what our dead descendants leave running become our children."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def wait_for(look: Callable[[], Found], seconds: float) -> Found:
    """Return what is found as soon as it is true, or what there was in the end."""
    deadline = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def descendants(pid: int) -> dict[int, str]:
    """Return the command line of each process that descends from one."""
    found: dict[int, str] = {}
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
                found |= {child: b" ".join(words).decode(errors="replace")} | descendants(child)
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def _bury(known: set[int]) -> None:
    """Take leave of orphans that are dead."""
    for pid in descendants(os.getpid()).keys() - known:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue


@dataclass(frozen=True)
class Host:
    """What a run could leave on this host outside of its directories.

    :param processes: that descend from us.
    :param mounts: of the place where the run has its directories.
    :param things: network interfaces and named namespaces, and files behind loop devices.
    """

    processes: frozenset[int]
    mounts: frozenset[str]
    things: frozenset[str]

    @classmethod
    def now(cls, place: Path) -> Host:
        """Return what there is, as far as it can have to do with a place."""
        mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        loops = [
            path.read_text().strip() for path in Path("/sys/block").glob("loop*/loop/backing*")
        ]
        things = [*Path("/sys/class/net").iterdir(), *Path("/run/netns").glob("*")]
        return cls(
            frozenset(descendants(os.getpid())),
            frozenset(at for at in mounts if str(place) in at),
            frozenset([*map(str, things), *(path for path in loops if str(place) in path)]),
        )


@dataclass(frozen=True)
class Drill:
    """A place where runs meet trouble.

    :param place: a directory of its own with a ``store``, which has links to what the usual one has
        and takes long to make, and with ``tmp``, where runs have their directories.
    """

    place: Path
    before: Host

    @property
    def store(self) -> Path:
        """The store of all runs here."""
        return self.place / "store"

    @property
    def temporary(self) -> Path:
        """Where runs have their directories."""
        return self.place / "tmp"

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start Python; what it prints goes into a file, which nobody else can keep open."""
        with self.printed.open("w") as file:
            return subprocess.Popen(
                [sys.executable, *map(str, arguments)],
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
                env=outside_pytest(),
            )

    @property
    def printed(self) -> Path:
        """What the last run printed."""
        return self.place / "printed"

    def emulator(self, process: subprocess.Popen[str], worked_seconds: float) -> int:
        """Return the pid of a run's QEMU once it has worked for so long."""

        def look() -> int:
            assert process.poll() is None, self.printed.read_text()
            for pid, command in descendants(process.pid).items():
                # Those that started it have its name in their arguments.
                if command.partition(" ")[0].endswith(QEMU) and cpu_seconds(pid) >= worked_seconds:
                    assert str(self.temporary) in command
                    return pid
            return 0

        pid = wait_for(look, 60)
        assert pid, self.printed.read_text()
        return pid

    def must_have_ended(self) -> None:
        """Fail unless all processes, mounts and things of the runs here are gone."""

        def left() -> Host | None:
            _bury(set(self.before.processes))
            now = Host.now(self.place)
            return None if now == self.before else now

        wait_for(lambda: left() is None, END_SECONDS)
        commands = descendants(os.getpid())
        assert left() is None, (left(), self.before, commands)

    def must_be_clean(self) -> None:
        """Fail unless runs have left nothing at all here, and the store is whole."""
        self.must_have_ended()
        self.must_be_whole()

    def must_be_whole(self) -> None:
        """Fail unless the store is whole, and nothing is left in it, or of directories of runs."""
        assert list(self.temporary.iterdir()) == []
        assert list((self.store / ".tmp").glob("*")) == []
        done = ksuite("kernels", "verify")
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.endswith("all whole\n")

    def end(self) -> None:
        """End what is still there, so that one failure is one."""
        for pid in descendants(os.getpid()).keys() - self.before.processes:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
