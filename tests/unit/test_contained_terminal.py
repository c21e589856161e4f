# SPDX-License-Identifier: GPL-2.0-or-later
"""A confined command has no terminal: it could type into the user's."""

from __future__ import annotations

import shlex
import subprocess
from typing import TYPE_CHECKING

from ksuite.processes import contained, tool

if TYPE_CHECKING:
    from pathlib import Path

OPEN = ["sh", "-c", "(: <>/dev/tty) && echo opened || echo refused"]


def said(prefix: list[str]) -> str:
    """Return what a command says of its terminal, where the user has one."""
    script = tool("script", "bsdutils")
    command = [
        script,
        "--quiet",
        "--return",
        "--command",
        shlex.join([*prefix, *OPEN]),
        "/dev/null",
    ]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return done.stdout.decode()


def test_there_is_one() -> None:
    assert "opened" in said([])


def test_builds_have_none() -> None:
    assert "refused" in said(contained(drop_root=True))


def test_nor_has_what_stays_root(tmp_path: Path) -> None:
    assert "refused" in said(contained(kept=[tmp_path]))
