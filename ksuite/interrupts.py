# SPDX-License-Identifier: GPL-2.0-or-later
"""Ctrl-C: at once while libraries are imported, in order and only once after that."""

from __future__ import annotations

import math
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DEAF_SECONDS = 10.0


@contextmanager
def fatal_interrupts() -> Iterator[None]:
    """Let Ctrl-C end this process on the spot, as long as it has nothing to clear up.

    Libraries swallow a KeyboardInterrupt while they are imported: they try what may be missing, and
    take every exception for a no.
    """
    before = signal.getsignal(signal.SIGINT)
    # What was started to be interrupted by nobody stays so.
    if before is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
            signal.signal(signal.SIGINT, before)


def interrupt_once(deaf_seconds: float = DEAF_SECONDS) -> None:
    """Have a Ctrl-C raise KeyboardInterrupt, and those that follow soon do nothing.

    tox hands on one that we have had from the terminal already: it must not break into the clearing
    up after the first. Who has been swallowed by somebody can be sent once more.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        return
    heard = -math.inf

    def interrupt(_signal: int, _frame: object) -> None:
        nonlocal heard
        now = time.monotonic()
        if now - heard > deaf_seconds:
            heard = now
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
