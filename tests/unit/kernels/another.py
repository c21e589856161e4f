# SPDX-License-Identifier: GPL-2.0-or-later
"""Another process that runs ksuite's code, to be killed."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def another(code: str, *arguments: str, says: bytes) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a process once it has said a line, and kill it in the end."""
    command = [sys.executable, "-c", code, *arguments]
    top = Path(__file__).parents[3]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=top) as process:
        assert process.stdout
        assert process.stdout.readline() == says
        try:
            yield process
        finally:
            process.kill()
