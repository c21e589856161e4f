# SPDX-License-Identifier: GPL-2.0-or-later
"""How the DUT's CPUs are shared between a driver and the kernel threads it talks to."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def real_time() -> Iterator[None]:
    """Run before every ordinary thread (SCHED_FIFO), until done or asleep.

    A vhost worker then starts on a whole batch when the driver goes to sleep, not on its first
    packet: the number of context switches is a property of the loop, not of the scheduler's mood.
    """
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@contextmanager
def prompt_softirqs() -> Iterator[None]:
    """Let ksoftirqd run before real-time threads, too.

    While it is runnable, no softirq runs where it was raised (kernel/softirq.c, do_softirq()): a
    sender that comes before it would pile up what it sends.
    """
    threads = _ksoftirqds()
    for thread in threads:
        os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(2))
    try:
        yield
    finally:
        for thread in threads:
            os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))


def _ksoftirqds() -> list[int]:
    """Return the thread of each CPU that runs softirqs."""
    found = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        # Others come and go.
        with suppress(OSError):
            if path.read_text().startswith("ksoftirqd/"):
                found.append(int(path.parent.name))
    return found
