# SPDX-License-Identifier: GPL-2.0-or-later
"""What a build by somebody else left: whose fault its log says it was, and its files, with care."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ksuite.errors import InfrastructureError
from ksuite.kernels.beneath import open_beneath

if TYPE_CHECKING:
    from pathlib import Path

SHOWN_LINES = 12
LINE_CHARACTERS = 1000
"""What is longer no tool said of itself, and looking through it can take hours."""
_ERROR = re.compile(
    r": (fatal )?[Ee]rror: |^ERROR: modpost|^error: "
    r"|: undefined reference to |: multiple definition of "
    # Of Kconfig files.
    r"|^\S*Kconfig\S*:\d+: (syntax error|unknown statement|invalid |can't open|recursive )"
)
_STOPPED = re.compile(r"^make(\[\d+\])?: \*\*\* |: \*\*\* .*  Stop\.$")
_FOLLOWS = re.compile(r"^make(\[\d+\])?: \*\*\* (\[.*\] Error \d+|Waiting for unfinished jobs)")
"""Make says at each level that another one has failed."""
_ENDED = re.compile(
    r"^make(\[\d+\])?: \*\*\* \[.*\] (Killed|Terminated|Hangup|Interrupt|Error 1(29|30|37|43))\b"
    r"|: (fatal error|internal compiler error): (Killed|Terminated)\b"
    r"|: (fatal error: )?\S+ terminated with signal (9|15)\b"
)
_QUOTED = re.compile(r"^ *\d* *\||#(error|warning|pragma)\b|declared with attribute|: Error: ")
"""Source that a compiler shows, or words in it that it was told to say."""
_AT_END = r"[:\]] [`'\"]?({})['\".)]*$"
_DISK_FULL = re.compile(_AT_END.format("No space left on device|Disk quota exceeded"))
_MEMORY_FULL = re.compile(
    _AT_END.format("Cannot allocate memory|Resource temporarily unavailable")
    + r"|^virtual memory exhausted|: out of memory allocating \d+|: memory exhausted$"
)
_COMPILER_BROKE = re.compile(r": internal compiler error: ")


@dataclass(frozen=True)
class MakeLog:
    """What make said.

    A series' source can say anything: only the tools' own lines tell what the host had to do with
    it.
    """

    text: str

    @property
    def errors(self) -> str:
        """The first errors of compiler, linker and Kconfig, a line each; empty if none."""
        lines = [line for line in self._lines if _ERROR.search(line)]
        return "\n".join(lines[:SHOWN_LINES])

    @property
    def stopped(self) -> str:
        """Why make stopped, with file and line where it says so; empty if it did not.

        Where nothing but a command's failure stopped it, what was said before that is shown.
        """
        lines = self._lines
        found = [number for number, line in enumerate(lines) if _STOPPED.search(line)]
        own = [lines[number] for number in found if not _FOLLOWS.search(lines[number])]
        if own or not found:
            return "\n".join(own[-SHOWN_LINES:])
        return "\n".join(lines[max(0, found[0] + 1 - SHOWN_LINES) : found[0] + 1])

    @property
    def last(self) -> str:
        """The last lines."""
        return "\n".join(self._lines[-SHOWN_LINES:])

    @property
    def disk_full(self) -> bool:
        """Whether it says that there was no room for what it made."""
        return self._says(_DISK_FULL)

    @property
    def host_at_fault(self) -> bool:
        """Whether it says that it ran out of something, or was killed."""
        return self.disk_full or any(map(self._says, (_ENDED, _MEMORY_FULL, _COMPILER_BROKE)))

    def fault_of_source(self, *, builds_without: bool) -> str:
        """Return what is wrong with the source; empty where that is not certain.

        :param builds_without: it builds without the patches, or that will be found out, or other
            revisions of it do, so that whatever stopped make comes of the difference.
        """
        if self.host_at_fault:
            return ""
        return self.errors or (self.stopped if builds_without else "")

    @property
    def _lines(self) -> list[str]:
        return [line[:LINE_CHARACTERS] for line in self.text.splitlines()]

    def _says(self, pattern: re.Pattern[str]) -> bool:
        lines = (line for line in self._lines if pattern.search(line))
        return any(not _QUOTED.search(line) for line in lines)


def read_unfollowed(top: Path, name: str, most_bytes: int) -> bytes:
    """Return the start of a file that nobody wrote, never what a link on the way leads to.

    :param top: the directory that was the builder's.

    :raises InfrastructureError: there is none.
    """
    try:
        with open_beneath(top, name) as file:
            return file.read(most_bytes)
    except OSError as error:
        msg = (
            f"the build left no {top / name}: {error.strerror}; it runs as nobody, who must be "
            "able to get there: set TMPDIR to such a directory"
        )
        raise InfrastructureError(msg) from error
