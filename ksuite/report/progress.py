# SPDX-License-Identifier: GPL-2.0-or-later
"""A line on a terminal that says what is going on; nothing at all where there is no terminal."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from ksuite.machines.console import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO


@contextmanager
def progress_line(stream: TextIO) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows its text on one line, which is gone at the end."""
    console = Console(file=stream)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status("") as status:
        # What it says is no markup: a test may be called [/24].
        yield lambda text: status.update(Text(printable(text)))
