# SPDX-License-Identifier: GPL-2.0-or-later
"""When a guest that says nothing hangs: after so much work, not after so much time.

A guest on the instruction clock never waits for anything outside: while it has not answered, it
computes. On a busy host that takes long, and is no fault of the kernel's; so what is limited is the
processor time that the guest has had.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from ksuite.machines.machine import Clock

LOOK_SECONDS = 1.0
LOAD_FACTOR = 10
"""A guest that gets less of a processor than one part in so many is stuck all the same."""
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Patience:
    """A time limit for a guest's answer.

    :param pid: the process that the guest descends from.
    :param seconds: processor time on the instruction clock, host time on the other.
    """

    def __init__(self, pid: int, seconds: float, clock: Clock) -> None:
        self._pid = pid
        self._seconds = seconds
        self._counts_work = clock is Clock.INSTRUCTIONS
        self._started = time.monotonic()
        self._worked = cpu_seconds(pid) if self._counts_work else 0.0

    @property
    def next_look_seconds(self) -> float:
        """How long to wait for an answer before asking `ended` again."""
        left = self._seconds - (time.monotonic() - self._started)
        return max(0.0, left) if left > 0 or not self._counts_work else LOOK_SECONDS

    def ended(self) -> bool:
        """Whether the limit is reached."""
        waited = time.monotonic() - self._started
        if not self._counts_work:
            return waited >= self._seconds
        if waited < self._seconds:
            return False
        worked = cpu_seconds(self._pid) - self._worked
        return worked >= self._seconds or waited >= LOAD_FACTOR * self._seconds


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and all that descend from it: proc_pid_stat(5)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        children = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text(encoding="ascii").split()
        ]
    except OSError:
        return 0.0
    # The command's name, in brackets, may hold spaces and brackets itself.
    user, system = fields.rpartition(")")[2].split()[11:13]
    own = (int(user) + int(system)) / _TICKS_PER_SECOND
    return own + sum(cpu_seconds(child) for child in children)
