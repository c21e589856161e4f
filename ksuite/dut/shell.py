# SPDX-License-Identifier: GPL-2.0-or-later
"""A prompt on the DUT, with a scenario's topology around it: for `ksuite shell`."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from contextlib import ExitStack
from typing import IO, Any

from ksuite.dut import loops, own

MOST_BYTES = 1 << 20
"""Of a command's output; nobody reads more at a prompt."""
_SCRIPT = 'cd "$1" && eval "$2"; set -- $? "$3"; echo "$PWD" >"$2"; exit $1'
"""What a shell can't read as a line ends `eval`, and the complaint goes where all else does."""

_held = ExitStack()
"""What is up as long as the agent lives; it is thrown away with its guest."""


def hold(scenario: str, size: int) -> None:
    """Set a cost's topology up, and leave it up."""
    _held.enter_context(loops.topology(scenario, size))


def hold_own(sources: dict[str, str], module: str, scenario: str, size: int) -> None:
    """Set the topology of somebody's own loop up, and leave it up."""
    _held.enter_context(own.topology(sources, module, scenario, size))


def line(text: str, directory: str, seconds: float) -> dict[str, Any]:
    """Run a line in a shell.

    :param directory: that it starts in.
    :param seconds: of the DUT's clock, which leaps while nothing runs, after which it is ended.
    :return: its exit ``status``, None where it was ended; its ``output``, with stderr; and the
        ``directory`` that it leaves. What it left in the background runs on.
    """
    # Files, not pipes: what a line leaves running would keep those open.
    with tempfile.TemporaryFile() as output, tempfile.NamedTemporaryFile() as place:
        process = subprocess.Popen(
            ["sh", "-c", _SCRIPT, "sh", directory, text, place.name],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            status = None
        return {
            "status": status,
            "output": _tail(output),
            "directory": _tail(place).strip() or directory,
        }


def _tail(file: IO[bytes]) -> str:
    file.seek(max(0, file.seek(0, os.SEEK_END) - MOST_BYTES))
    return file.read().decode(errors="replace")
