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
import sys
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from ksuite import confining
from ksuite.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
"""linux/prctl.h"""
NOBODY = 65534
"""uid and gid of Debian's nobody/nogroup, which own nothing."""
MOUNTS, BUILD_PLACE = Path(confining.MOUNTS), confining.BUILD_PLACE
"""What a confined child finds there is its own, see `contained`."""


def die_with_parent() -> None:
    """Have the kernel kill this process, and with it all that it contains, when its parent ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def nothing_survives() -> Iterator[None]:
    """Have whatever is started in here end with it, though it has left its parent and session.

    What has lost its parent becomes our child, and is killed at the end.
    """
    mine = _children()
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        # Each that is killed may leave children of its own.
        while left := _children() - mine:
            for child in left:
                # Nobody else may have its number before we have waited for it.
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
                with suppress(ChildProcessError):
                    os.waitpid(child, 0)
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0)


def _children() -> set[int]:
    children: set[int] = set()
    for thread in Path("/proc/self/task").iterdir():
        # It may just have ended.
        with suppress(FileNotFoundError):
            children |= set(map(int, (thread / "children").read_text(encoding="ascii").split()))
    return children


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
    kept: Sequence[Path] = (),
) -> list[str]:
    """Return the command prefix that runs a child in PID and network namespaces of its own.

    With anything but `network` it is confined, too: it can write nothing but what it is given
    here, and sees nothing of what users have, see `ksuite.confining`. It starts in ``/``, with a
    umask of 022.

    :param drop_root: run as nobody, without capabilities; for code that we don't trust.
    :param network: leave it the host's network; for what fetches packages.
    :param root: its root directory, which it can't write, and what it finds there at `BUILD_PLACE`.
    :param mounts: by name, what it finds below `MOUNTS`; of several directories one has what the
        next ones have, too, unless it has a file of that name itself. There may be one such; what
        is written into it, at its top, is gone afterwards.
    :param read_only: names of those that it can't write, whoever it is.
    :param kept: directories that it can write where they are.
    """
    confined = drop_root or root or mounts or kept
    prefix = [tool("setpriv", "util-linux"), "--pdeathsig=KILL", tool("unshare", "util-linux")]
    if os.geteuid() != 0:
        # Only who is root in there may mount, and enter another root directory.
        prefix += ["--user", "--map-root-user" if confined else "--map-current-user"]
    prefix += [] if network else ["--net"]
    prefix += ["--ipc"] if confined else []
    prefix += ["--pid", "--mount-proc", "--fork", "--kill-child=KILL", "--"]
    if confined:
        prefix += [sys.executable, "-I", "-S", confining.__file__]
        for name, places in (mounts or {}).items():
            prefix += ["mount", name, "ro" if name in read_only else "rw", str(len(places))]
            prefix += [str(place.absolute()) for place in places]
        for place in kept:
            prefix += ["keep", str(place.absolute())]
        prefix += ["root", *(str(place.absolute()) for place in root)] if root else []
        prefix += [*_hidden_home(), "--"]
    if drop_root:
        # Changing credentials clears the parent-death signal (prctl(2)): it is set once more.
        prefix += ["setpriv", "--pdeathsig=KILL", "--no-new-privs", "--inh-caps=-all"]
        prefix += ["--bounding-set=-all"]
        if os.geteuid() == 0:
            prefix += [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        prefix += ["--"]
    return prefix


def _hidden_home() -> list[str]:
    home = Path(os.environ.get("HOME", "/")).absolute()
    return [] if home == Path("/") else ["hide", str(home)]


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
