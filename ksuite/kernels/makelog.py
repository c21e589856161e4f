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
_ERROR = re.compile(r"(: (fatal )?[Ee]rror: |^ERROR: modpost|: undefined reference to )")
_DISK_FULL = re.compile(r"No space left on device|Disk quota exceeded")
_HOST_AT_FAULT = re.compile(
    r"Cannot allocate memory|virtual memory exhausted|internal compiler error|Killed"
)


@dataclass(frozen=True)
class MakeLog:
    """What make said."""

    text: str

    @property
    def errors(self) -> str:
        """The first errors of compiler and linker, a line each; empty if there are none."""
        lines = [line for line in self.text.splitlines() if _ERROR.search(line)]
        return "\n".join(lines[:SHOWN_LINES])

    @property
    def last(self) -> str:
        """The last lines."""
        return "\n".join(self.text.splitlines()[-SHOWN_LINES:])

    @property
    def disk_full(self) -> bool:
        """Whether it says that there was no room for what it made."""
        return _DISK_FULL.search(self.text) is not None

    @property
    def host_at_fault(self) -> bool:
        """Whether it says that it ran out of something, or was killed."""
        return self.disk_full or _HOST_AT_FAULT.search(self.text) is not None


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
