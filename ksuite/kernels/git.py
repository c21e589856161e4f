# SPDX-License-Identifier: GPL-2.0-or-later
"""Git commands that see none of the user's or the host's configuration and run no hooks."""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING

from ksuite.errors import InfrastructureError
from ksuite.processes import run, tool

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

CLEAN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Of a file that it could open and not write git doesn't say why.
_DISK_FULL = re.compile(r"No space left on device|Disk quota exceeded|unable to write file")


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


def must_have_worked(done: subprocess.CompletedProcess[bytes], what: str) -> None:
    """Refuse to go on after a git that failed.

    :param what: it could not do.
    :raises OSError: there was no space left.
    :raises InfrastructureError: anything else was amiss.
    """
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        if _DISK_FULL.search(said):
            raise OSError(errno.ENOSPC, said[-300:])
        raise InfrastructureError(f"git can't {what}: {said[-300:]}")
