# SPDX-License-Identifier: GPL-2.0-or-later
"""Child processes that can't outlive us, and commands whose failure is told in one line.

A contained child runs in a PID namespace of its own: when the controller dies, however it dies,
the kernel kills the namespace's first process and with it everything that the child started
(pid_namespaces(7), PR_SET_PDEATHSIG in prctl(2)).
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from ksuite.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

PR_SET_PDEATHSIG = 1
"""linux/prctl.h"""
BUILD_PLACE = "/build"
"""Where a build root has room for what is to be built."""
NOBODY = 65534
"""uid and gid of Debian's nobody/nogroup, which own nothing."""


_ENTERING = f"""\
set -e
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount --bind "$2" "$1{BUILD_PLACE}"
mount -t proc none "$1/proc"
for node in null zero full random urandom; do
    if [ -e "$1/dev/$node" ]; then mount --bind "/dev/$node" "$1/dev/$node"; fi
done
cd "$1"
shift 2
exec "$0" . "$@"
"""
"""Its mounts are seen by nobody else, and go with the namespace: nothing is left for the next."""
MOUNTS = Path("/mnt")
"""Below it a build finds what it is given: the same paths on every machine."""
_MOUNTING = f"""\
set -e
mount -t tmpfs -o mode=755 none {MOUNTS}
mkdir -m 1777 {MOUNTS}/.upper
mkdir {MOUNTS}/.work
while [ "$1" != -- ]; do
    at="{MOUNTS}/$1"
    mkdir "$at"
    case $3 in
        *:*) mount -t overlay -o "lowerdir=$3,upperdir={MOUNTS}/.upper,workdir={MOUNTS}/.work" \\
            none "$at" ;;
        *) mount --bind "$3" "$at" ;;
    esac
    # Who is root in a user namespace only may not take restrictions away: it adds the usual ones.
    if [ "$2" = ro ]; then mount -o remount,bind,ro,nosuid,nodev "$at"; fi
    shift 3
done
shift
exec "$@"
"""


def die_with_parent() -> None:
    """Have the kernel kill this process, and with it all that it contains, when its parent ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def tool(name: str, package: str, path: str | None = None) -> str:
    """Return the path of a command.

    :param package: the Debian package that holds it, for the error message.
    :param path: where to look instead of the user's ``$PATH``.
    :raises InfrastructureError: it is not installed.
    """
    found = shutil.which(name, path=path)
    if found is None:
        msg = f"{name} is missing: install it with `apt-get install {package}`, or run ./bootstrap"
        raise InfrastructureError(msg)
    return found


def contained(
    *,
    drop_root: bool = False,
    network: bool = False,
    root: tuple[Path, Path] | None = None,
    mounts: Mapping[str, Sequence[Path]] | None = None,
    read_only: Collection[str] = (),
) -> list[str]:
    """Return the command prefix that runs a child in PID and network namespaces of its own.

    :param drop_root: run as nobody, without capabilities; for code that we don't trust.
    :param network: leave it the host's network; for what fetches packages.
    :param root: its root directory, which it can't write, and what it finds there at `BUILD_PLACE`.
    :param mounts: by name, what it finds below `MOUNTS`; of several directories one has what the
        next ones have, too, unless it has a file of that name itself. There may be one such; what
        is written into it, at its top, is gone afterwards.
    :param read_only: names of those that it can't write, whoever it is.
    :raises InfrastructureError: a directory is where the mounts would hide it.
    """
    prefix = [tool("setpriv", "util-linux"), "--pdeathsig=KILL", tool("unshare", "util-linux")]
    if os.geteuid() != 0:
        # Only who is root in there may mount, and enter another root directory.
        prefix += ["--user", "--map-root-user" if root or mounts else "--map-current-user"]
    prefix += [] if network else ["--net"]
    prefix += ["--pid", "--mount-proc", "--fork", "--kill-child=KILL", "--"]
    if root is not None:
        prefix += ["sh", "-c", _ENTERING, tool("chroot", "coreutils"), *map(str, root)]
    if mounts:
        prefix += ["sh", "-c", _MOUNTING, "mounting"]
        for name, places in mounts.items():
            prefix += [name, "ro" if name in read_only else "rw", _joined(places)]
        prefix += ["--"]
    if drop_root:
        # Changing credentials clears the parent-death signal (prctl(2)): it is set once more.
        prefix += ["setpriv", "--pdeathsig=KILL", "--no-new-privs", "--inh-caps=-all"]
        prefix += ["--bounding-set=-all"]
        if os.geteuid() == 0:
            prefix += [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        prefix += ["--"]
    return prefix


def _joined(places: Sequence[Path]) -> str:
    """Return directories as overlayfs wants them (mount(8)); one alone is a plain path."""
    for place in places:
        if place.is_relative_to(MOUNTS) or ":" in str(place) or "," in str(place):
            msg = (
                f"{place} can't be mounted for a build: set KSUITE_STORE and TMPDIR to directories "
            )
            raise InfrastructureError(
                f"{msg}that are not below {MOUNTS}, without ':' and ',' in them"
            )
    return ":".join(map(str, places))


def give_to_builder(path: Path) -> None:
    """Have what runs with `drop_root` own a file or directory; it is the user's own otherwise."""
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    timeout_seconds: float = 600,
    most_bytes: int | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end and return what it printed, whatever its exit status.

    :param most_bytes: of output and of errors, for a command that may print without an end: what is
        more is not kept. Then both are files, so that prlimit(1) can bound them.
    :raises InfrastructureError: it could not be started, or ran out of time.
    """
    argv = [str(word) for word in command]
    try:
        with ExitStack() as stack:
            kept = [stack.enter_context(TemporaryFile()) for _ in range(2 if most_bytes else 0)]
            done = subprocess.run(
                argv,
                cwd=cwd,
                env=env,
                input=stdin,
                stdout=kept[0] if kept else subprocess.PIPE,
                stderr=kept[1] if kept else subprocess.PIPE,
                check=False,
                timeout=timeout_seconds,
            )
            for file in kept:
                file.seek(0)
            if kept:
                done.stdout, done.stderr = (file.read(most_bytes) for file in kept)
            return done
    except OSError as error:
        raise InfrastructureError(f"can't start {argv[0]}: {error}") from error
    except subprocess.TimeoutExpired as error:
        msg = f"{argv[0]} did not end within {timeout_seconds:.0f} s: {' '.join(argv)[:200]}"
        raise InfrastructureError(msg) from error
