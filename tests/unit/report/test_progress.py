# SPDX-License-Identifier: GPL-2.0-or-later
"""The line on a terminal."""

from __future__ import annotations

import io

import pytest

from ksuite.report.progress import progress_line


class Terminal(io.StringIO):
    """What is written to a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("said", ["test_x[/24]", "test_x[bold]", "[red]", "\x1b]0;owned\x07"])
def test_what_it_says_is_no_markup(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    with progress_line(terminal) as progress:
        progress(said)
    assert "\x1b]0;" not in terminal.getvalue()
