# SPDX-License-Identifier: GPL-2.0-or-later
"""Git commands that see none of the user's or the host's configuration and run no hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksuite.processes import run, tool

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

CLEAN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def git_environment(cwd: Path) -> dict[str, str]:
    """Return an environment for git in ``cwd``, which is a repository's top or in none."""
    return {
        "PATH": CLEAN_PATH,
        "LC_ALL": "C.UTF-8",
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CEILING_DIRECTORIES": str(cwd.absolute().parent),
        "GIT_TERMINAL_PROMPT": "0",
        # A repository with a promised remote would fetch by a command of its choice.
        "GIT_ALLOW_PROTOCOL": "none",
    }


def git(
    *arguments: str | Path, cwd: Path, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run git in a directory and return what it printed, whatever its exit status."""
    command = [tool("git", "git"), *arguments]
    return run(command, cwd=cwd, env=git_environment(cwd), stdin=stdin)
