# SPDX-License-Identifier: GPL-2.0-or-later
"""git as tests run it: as nobody in particular, whatever the user has configured."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}


def git(directory: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    """Run git in a directory, and return what it prints."""
    command = ["git", "-C", str(directory), *arguments]
    done = subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, input=stdin)
    return done.stdout


def asked(directory: Path, *arguments: str, stdin: bytes = b"") -> str:
    """Run git for a word that it prints, such as an object's name."""
    return git(directory, *arguments, stdin=stdin).decode().strip()
