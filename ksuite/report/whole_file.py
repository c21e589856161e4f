# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes a file whole or not at all."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ksuite.errors import InfrastructureError

if TYPE_CHECKING:
    from pathlib import Path


def write_json(data: Any, path: Path) -> None:
    """Write what `json` takes; as `write_text`."""
    write_text(f"{json.dumps(data, indent=1)}\n", path)


def write_text(text: str, path: Path) -> None:
    """Write a text.

    :raises InfrastructureError: the file can't be written.
    """
    temporary = path.parent / f".{path.name}.{os.getpid()}"
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise InfrastructureError(f"can't write {path}: {error.strerror}") from error
