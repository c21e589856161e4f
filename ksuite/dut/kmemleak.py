# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory that nobody refers to any more, as the DUT's own kernel finds it.

Documentation/dev-tools/kmemleak.rst: an object is a leak when no pointer to it is found. One scan
may miss a pointer that moves meanwhile, and objects younger than five seconds are left out.
"""

from __future__ import annotations

import time
from pathlib import Path

REPORT = Path("/sys/kernel/debug/kmemleak")
YOUNG_SECONDS = 6.0
"""More than MSECS_MIN_AGE of mm/kmemleak.c; the clock leaps over it where nothing else is done."""
SCANS = 2
MOST_CHARACTERS = 16_000


def forget() -> None:
    """Take all that is leaked by now for nobody's."""
    REPORT.write_text("clear", encoding="ascii")


def leaks() -> str:
    """Return the kernel's report on what leaked since `forget`, with backtraces; empty if nothing.

    :raises OSError: the kernel has no kmemleak, or has turned it off.
    """
    time.sleep(YOUNG_SECONDS)
    for _ in range(SCANS):
        REPORT.write_text("scan", encoding="ascii")
    return REPORT.read_text(encoding="utf-8", errors="replace")[:MOST_CHARACTERS]
