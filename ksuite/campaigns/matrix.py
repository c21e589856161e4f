# SPDX-License-Identifier: GPL-2.0-or-later
"""Suites over several kernels, one run after the other, each in a process of its own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from ksuite.errors import ExitCode, InfrastructureError, KsuiteError, UserError, as_ours
from ksuite.kernels.fragments import read_configuration
from ksuite.kernels.sources import find_source
from ksuite.kernels.store import Store, digest
from ksuite.machines.console import printable
from ksuite.processes import nothing_survives, tool
from ksuite.report import json_file
from ksuite.report.matrix import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

KERNELS = ("debian:5.10", "distro", "debian:6.12", "debian:7.2")
"""The versions that the default series have forms for; the distro's is 6.1."""
ENDING_SECONDS = 15
"""What a run that is interrupted may take to end its guests."""
RUNNER = "ksuite.runner"
NO_FILE_NAME = r"[^A-Za-z0-9_.-]+"
MOST_CHARACTERS = 100
LAST_BYTES, LAST_LINES = 1 << 16, 15
PYTEST_ERRORS = ("E  ", "ERROR ")
"""How the lines begin in which pytest says why, and where."""
_ENDS: dict[int, tuple[ExitCode, str]] = {
    ExitCode.USAGE: (ExitCode.USAGE, "the tests could not be collected"),
    ExitCode.INCOMPARABLE: (ExitCode.INCOMPARABLE, "there is no test"),
}
"""What it means that a run has left no result, by its exit code."""


def run_all(
    kernels: Sequence[str],
    suites: Mapping[str, Sequence[str]],
    directory: Path,
    progress: Callable[[str], None] = lambda _: None,
) -> Iterator[Run]:
    """Yield the run of each suite on each kernel; one that fails costs the others nothing.

    :param suites: the runner's arguments, by a suite's name.
    :param directory: gets each run's result, and what it printed.
    """
    for kernel in kernels:
        try:
            progress(f"{kernel}: looking for it")
            with ExitStack() as held:
                find_source(kernel, Store.default(), read_configuration(), held, progress)
        except (KsuiteError, OSError, UnicodeError) as error:
            told = as_ours(error, f"looking for {kernel}")
            yield from (
                Run(kernel, suite, int(told.exit_code), error=str(told)) for suite in suites
            )
            continue
        for suite, arguments in suites.items():
            progress(f"{kernel}: {suite}")
            yield run_one(kernel, suite, arguments, directory)


def run_one(kernel: str, suite: str, arguments: Sequence[str], directory: Path) -> Run:
    """Return the run of a suite on a kernel.

    :param arguments: the runner's, beside the kernel.
    :param directory: gets its result, and what it printed.
    """
    stem = f"{as_file_name(kernel)}-{suite}"
    told, log = (directory / f"{stem}.{kind}" for kind in ("json", "log"))
    told.unlink(missing_ok=True)
    own = ["--ks-kernel", kernel, "--ks-json", str(told), f"--junit-xml={directory}/{stem}.xml"]
    code = _end_of([sys.executable, "-m", RUNNER, *arguments, *own], log)
    if code == ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    try:
        result = json_file.read(told)
    except UserError:
        nothing = f"the run ended with {code} and left no result"
        known, why = _ENDS.get(code, (ExitCode.INFRASTRUCTURE, nothing))
        end = f"{why}: see {log}{_end_of_log(log)}"
        return Run(kernel, suite, int(known), error=end)
    return Run(kernel, suite, result.exit_code, result, result.error)


def _end_of_log(log: Path) -> str:
    """Return what went wrong of what a run printed last, or all of that; each on its own line."""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - LAST_BYTES))
        lines = printable(stream.read().decode(errors="replace")).splitlines()
    wrong = [line for line in lines if line.startswith(PYTEST_ERRORS)]
    return "".join(f"\n{line}" for line in (wrong or lines)[-LAST_LINES:])


def as_file_name(kernel: str) -> str:
    """Return a kernel's name as part of a file's, and as the name of its baseline."""
    name = re.sub(NO_FILE_NAME, "-", kernel)
    if not (name[:1].isalnum() and kernel.isascii()):
        # That of a path, which may differ from another only in what was left out.
        name = f"{name.lstrip('-._') or 'kernel'}-{digest(kernel)[:8]}"
    # What a path may be long is too long for one file.
    return name if len(name) <= MOST_CHARACTERS else f"{digest(kernel)[:12]}{name[-40:]}"


def _end_of(command: list[str], log: Path) -> int:
    """Run a command that doesn't outlive us, and return its exit code."""
    # Whoever is root may change credentials in there, and must end with us all the same.
    prefix = [tool("setpriv", "util-linux"), "--pdeathsig=KILL", "--"]
    try:
        stream = log.open("wb")
    except OSError as error:
        raise InfrastructureError(f"can't write {log}: {error.strerror}") from error
    with (
        stream,
        nothing_survives(),
        subprocess.Popen(
            [*prefix, *command],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(ENDING_SECONDS)
            process.kill()
            raise
