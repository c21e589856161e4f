# SPDX-License-Identifier: GPL-2.0-or-later
"""Packages of any of Debian's releases, extracted somewhere, never installed.

No maintainer script runs, and nothing but the keys is shared with the host's own apt.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.errors import InfrastructureError
from ksuite.processes import contained, run, tool

if TYPE_CHECKING:
    from collections.abc import Sequence

MIRROR = "http://deb.debian.org/debian"
SECURITY = "http://deb.debian.org/debian-security"
FETCH_SECONDS = 1800
_PRIVATE = """\
Dir "{place}";
Dir::Etc "{place}";
Dir::Etc::sourcelist "{place}/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::parts "-";
Dir::Etc::trusted "{keys}";
Dir::Etc::trustedparts "-";
Dir::State "{place}/state";
Dir::State::status "{place}/status";
Dir::Cache "{place}/cache";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
"""
KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


@dataclass(frozen=True)
class Release:
    """Where packages are kept.

    :param suite: of Debian, whose C library goes with them.
    :param newest: the suite that their newest versions are in.
    """

    suite: str
    newest: str

    @property
    def lines(self) -> tuple[str, ...]:
        """The package sources, sources.list(5)."""
        mirror = SECURITY if self.newest.endswith("-security") else MIRROR
        return (f"deb {MIRROR} {self.suite} main", f"deb {mirror} {self.newest} main")


def must_be_root(what: str) -> None:
    """Refuse to fetch as anybody else.

    :param what: is to be fetched.
    :raises InfrastructureError: we are somebody else.
    """
    if os.geteuid() != 0:
        raise InfrastructureError(f"fetching {what} needs root: run it as root once")


def private_apt(release: Release, directory: Path) -> Path:
    """Return the configuration of an apt that shares nothing with the host's but the keys.

    :param directory: an empty one, for its lists.
    """
    for name in ("state/lists/partial", "cache/archives/partial"):
        (directory / name).mkdir(parents=True)
    (directory / "status").touch()
    (directory / "sources.list").write_text("\n".join(release.lines) + "\n", encoding="utf-8")
    configuration = directory / "apt.conf"
    configuration.write_text(_PRIVATE.format(place=directory, keys=KEYS), encoding="utf-8")
    return configuration


def extracting(release: Release, packages: Sequence[str], root: Path) -> list[str]:
    """Return the command that lays packages, and all that they depend on, below a directory.

    :raises InfrastructureError: a tool is missing.
    """
    command = [*contained(network=True), tool("mmdebstrap", "mmdebstrap"), "--variant=extract"]
    command += ["--format=directory", '--aptopt=APT::Install-Recommends "false"']
    # What is older has the same name in the release itself.
    command += [f'--aptopt=APT::Default-Release "{release.newest}"']
    return [*command, f"--include={','.join(packages)}", release.suite, str(root), *release.lines]


def run_told(command: Sequence[str], *, fetches: str = "") -> str:
    """Run a command, and return what it printed.

    :param fetches: what it fetches from Debian, if it does.
    :raises InfrastructureError: it failed; the message has its errors.
    """
    done = run(command, env=_ENVIRONMENT, timeout_seconds=FETCH_SECONDS)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").splitlines()
        errors = [line for line in said if line.startswith(("E:", "W:"))] or said
        failed = (
            f"can't fetch {fetches} from Debian" if fetches else f"{Path(command[0]).name} fails"
        )
        if full := next((line for line in said if "No space left on device" in line), ""):
            errors = [full]
        raise InfrastructureError(f"{failed}: {'; '.join(errors[-3:])[:600]}")
    return done.stdout.decode(errors="replace")
