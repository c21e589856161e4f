# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's console: kept whole up to a limit, and watched for what a broken kernel says.

The patterns are the fixed texts of the kernel's own reporters; each names its source file.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

HEAD_BYTES = 256 * 1024
TAIL_BYTES = 1024 * 1024
CONTEXT_LINES_BEFORE = 5
CONTEXT_LINES_AFTER = 60
BOOT_LINES_BEFORE = 30
"""Why a guest does not come up shows before the panic that it ends in."""

# What a process prints has no such prefix; printk.time=1 and CONFIG_PRINTK_CALLER make it.
_PRINTK = re.compile(r"\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? (?:\[ )?")

_LOCKDEP = (
    r"WARNING: (possible|inconsistent|bad|suspicious|held lock freed|lock held|nested lock"
    r"|\S+-safe -> |\S+ still has locks held)"
)
_PATTERNS = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("kasan", r"BUG: KASAN: "),  # mm/kasan/report.c
        ("hang", r"watchdog: BUG: soft lockup"),  # kernel/watchdog.c
        ("hang", r"(NMI )?watchdog: Watchdog detected hard LOCKUP"),  # kernel/watchdog_hld.c
        ("hang", r"rcu: INFO: \S+ (self-)?detected (expedited )?stall"),  # kernel/rcu/tree_stall.h
        ("hang", r"(rcu: )?INFO: \S+ detected stalls on CPUs"),  # kernel/rcu/tree_stall.h
        ("hang", r"BUG: workqueue lockup"),  # kernel/workqueue.c
        ("hang", r"INFO: task .* blocked for more than \d+ seconds"),  # kernel/hung_task.c
        ("lockdep", _LOCKDEP),  # kernel/locking/lockdep.c
        ("lockdep", r"INFO: trying to register non-static key"),  # kernel/locking/lockdep.c
        ("lockdep", r"BUG: (sleeping function|scheduling while atomic|Invalid wait)"),
        ("oops", r"BUG: (kernel NULL pointer|unable to handle)"),  # arch/x86/mm/fault.c
        ("oops", r"(general protection fault|invalid opcode|divide error|stack segment)[,:]"),
        ("oops", r"(double fault|int3|control protection fault|traps: missing ENDBR)[,:]"),
        ("oops", r"Oops: "),  # arch/x86/kernel/dumpstack.c
        ("bug", r"kernel BUG at "),  # lib/bug.c
        ("bug", r"BUG: "),
        ("bug", r"ODEBUG: "),  # lib/debugobjects.c
        ("bug", r"UBSAN: "),  # lib/ubsan.c
        ("leak", r"unregister_netdevice: waiting for \S+ to become free"),  # net/core/dev.c
        ("warn", r"WARNING: (CPU: \d+|\S+:\d+ at )"),  # kernel/panic.c: __warn()
        ("panic", r"Kernel panic - not syncing"),  # kernel/panic.c
    )
)
_END_OF_SPLAT = re.compile(r"---\[ end (trace|Kernel panic)")


@dataclass(frozen=True)
class Splat:
    """A kernel fault as the console told it.

    :param kind: warn, bug, oops, panic, kasan, lockdep, leak or hang.
    :param summary: the line that gave it away, without its time stamp.
    """

    kind: str
    summary: str


class Console:
    """Collects console output; not thread-safe, fed by one reader."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self._dropped_bytes = 0
        self._partial = b""
        self.splat: Splat | None = None
        self.splat_ended = False
        # An early console speaks before printk.time=1 is read, and long before there is a process.
        self._is_early = True

    def feed(self, data: bytes) -> None:
        """Take what the guest printed."""
        self._keep(data)
        *lines, self._partial = (self._partial + data).split(b"\n")
        self._partial = self._partial[-4096:]
        for line in lines:
            self._watch(line.decode("utf-8", "replace"))

    def _keep(self, data: bytes) -> None:
        room = HEAD_BYTES - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if not data:
            return
        self._tail.append(data)
        self._tail_bytes += len(data)
        while self._tail_bytes > TAIL_BYTES and len(self._tail) > 1:
            old = self._tail.popleft()
            self._tail_bytes -= len(old)
            self._dropped_bytes += len(old)

    def _watch(self, line: str) -> None:
        if self.splat is None:
            self._is_early = self._is_early and not _PRINTK.search(line)
            self.splat = recognise(line, early=self._is_early)
        elif _END_OF_SPLAT.search(line):
            self.splat_ended = True

    @property
    def text(self) -> str:
        """All that was kept, with a line in place of what was not."""
        head = self._head.decode("utf-8", "replace")
        tail = b"".join(self._tail).decode("utf-8", "replace")
        gap = f"\n[... {self._dropped_bytes} bytes left out ...]\n" if self._dropped_bytes else ""
        return printable(head + gap + tail)

    def excerpt(self, lines_before: int = CONTEXT_LINES_BEFORE) -> str:
        """Return the lines around the splat, or the last ones where there is none."""
        lines = self.text.splitlines()
        if self.splat is not None:
            for number, line in enumerate(lines):
                if self.splat.summary in line:
                    start = max(0, number - lines_before)
                    return "\n".join(lines[start : number + CONTEXT_LINES_AFTER])
        return "\n".join(lines[-CONTEXT_LINES_AFTER:])


def recognise(line: str, *, early: bool = False) -> Splat | None:
    """Return the fault that a console line tells of, if any.

    :param early: no line has had a time stamp so far: the kernel alone has spoken.
    """
    starts = [0] if early else [prefix.end() for prefix in _PRINTK.finditer(line)]
    for start in starts:
        said = line[start:]
        for kind, pattern in _PATTERNS:
            if pattern.match(said):
                return Splat(kind, printable(said).strip()[:300])
    return None


def printable(text: str) -> str:
    """Take out control characters other than newline and tab: a guest must not drive a terminal."""
    return "".join(char for char in text if char in "\n\t" or char.isprintable())
