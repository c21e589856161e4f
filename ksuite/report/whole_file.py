# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes a file whole or not at all."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from ksuite.errors import InfrastructureError


def write_json(data: Any, path: Path, *, replace: bool = True) -> None:
    """Write what `json` takes; as `write_text`."""
    write_text(f"{json.dumps(data, indent=1)}\n", path, replace=replace)


def must_be_writable(directory: Path) -> None:
    """Make a directory, and try whether a file can be written there.

    :raises InfrastructureError: it can't.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise InfrastructureError(f"can't write to {directory}: {error.strerror}") from error


def write_text(text: str, path: Path, *, replace: bool = True) -> None:
    """Write a text; into what is no regular file, such as a FIFO, as into a stream.

    :param replace: what is there already.
    :raises FileExistsError: it must not, and somebody else was first.
    :raises InfrastructureError: the file can't be written.
    """
    if replace:
        try:
            if _is_stream(path):
                path.write_text(text, encoding="utf-8")
                return
        except OSError as error:
            raise InfrastructureError(f"can't write {path}: {error.strerror}") from error
        # A link stays one.
        path = Path(os.path.realpath(path)) if path.is_symlink() else path
    _write_whole(text, path, replace=replace)


def remove_file(path: Path) -> None:
    """Remove a file that `write_text` would replace, if there is one; links and streams stay.

    :raises InfrastructureError: it can't be removed.
    """
    try:
        if path.is_file():
            path.resolve().unlink(missing_ok=True)
    except OSError as error:
        raise InfrastructureError(f"can't remove {path}: {error.strerror}") from error


def _is_stream(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _write_whole(text: str, path: Path, *, replace: bool) -> None:
    temporary = path.parent / f".{path.name}.{os.getpid()}"
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if replace:
            temporary.replace(path)
        else:
            path.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError as error:
        raise InfrastructureError(f"can't write {path}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()
