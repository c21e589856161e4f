# SPDX-License-Identifier: GPL-2.0-or-later
"""Ctrl-C: at once while libraries are imported, in order and only once after that."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


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


def interrupt_once() -> None:
    """Have the first Ctrl-C raise KeyboardInterrupt, and no other.

    tox hands on one that we have had from the terminal already: it must not break into the clearing
    up after the first.
    """
    signal.signal(signal.SIGINT, _interrupt)


def _interrupt(_signal: int, _frame: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt
