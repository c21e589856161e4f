# SPDX-License-Identifier: GPL-2.0-or-later
"""What a store can do without: what nobody has used for long, and what killed processes left.

Nothing that a running process uses is ever removed (`ksuite.kernels.locks`).
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.errors import InfrastructureError
from ksuite.kernels.full import AREA, CACHE
from ksuite.kernels.held import abandoned, remove_tree, run_parent, run_prefix
from ksuite.kernels.locks import unused
from ksuite.kernels.store import LOGS, MANIFEST, TEMPORARY
from ksuite.kernels.trees import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ksuite.kernels.store import Store

_HEX = "[0-9a-f]"
_REMOVED = ".removed"
_LOCK = f".{_HEX * 64}.lock"
"""What an earlier ksuite locked entries by."""
_BLOCK_BYTES = 512
"""st_blocks, stat(2)."""


@dataclass(frozen=True)
class Kept:
    """One thing in a store.

    :param used: when it was last used, in seconds since the epoch.
    """

    kind: str
    path: Path
    used: float

    @property
    def name(self) -> str:
        """What it is called."""
        return self.path.name

    @property
    def in_use(self) -> bool:
        """Whether a process uses it."""
        with unused(self.path) as free:
            return not free and self.path.exists()

    def size_bytes(self) -> int:
        """Return what it takes on the disk."""
        return _disk_bytes(self.path)


def kept(store: Store) -> list[Kept]:
    """Return all that a store holds, what was used last at the end.

    What else there may be in its directory is not ours.
    """
    found = []
    for kind in kinds(store):
        for path in _places(kind):
            with suppress(FileNotFoundError):
                found.append(Kept(kind.name, path, path.lstat().st_mtime))
    return sorted(found, key=lambda one: one.used)


def remove(path: Path) -> bool:
    """Remove one thing from a store, and return whether nobody used it.

    :raises InfrastructureError: it can't be removed.
    """
    with unused(path) as free:
        if free:
            _discard(path)
    return free


def clear_left(store: Store, *, dry_run: bool = False) -> Iterator[tuple[Path, int]]:
    """Remove what killed processes left, and yield each with its size in bytes.

    :param dry_run: leave it there.
    """
    for path in left(store):
        yield _cleared(path, dry_run)


def left(store: Store) -> Iterator[Path]:
    """Yield what killed processes left; nobody else gets it meanwhile."""
    for parent, prefix in ((store.root / TEMPORARY, ""), (run_parent(), run_prefix())):
        yield from abandoned(parent, prefix)
    for directory in (store.root, *kinds(store)):
        for name in (f".*{_REMOVED}", _LOCK):
            for path in directory.glob(name):
                with unused(path) as free:
                    if free:
                        yield path


def kinds(store: Store) -> list[Path]:
    """Return the directories of the kinds of things that a store has."""
    # One that is a link belongs to another store.
    return [path for path in store.root.glob("[!.]*") if path.is_dir() and not path.is_symlink()]


def _places(kind: Path) -> list[Path]:
    if kind.name == CACHE:
        return [kind]
    if kind.name in {AREA, CHECKOUT}:
        return [path for path in kind.glob(_HEX * 16) if path.is_dir()]
    if kind.name == LOGS:
        return list(kind.glob(f"{_HEX * 64}.log"))
    return [manifest.parent for manifest in kind.glob(f"[!.]*/{MANIFEST}")]


def _discard(path: Path) -> None:
    # By another name it is nobody's any more, whatever becomes of the rest. It stays where it is:
    # on a full disk there may be no room for a new directory.
    gone = path.with_name(f".{path.name}{_REMOVED}")
    try:
        _remove_tree(gone)
        path.rename(gone)
        _remove_tree(gone)
    except OSError as error:
        raise InfrastructureError(f"can't remove {path}: {error.strerror}") from error


def _remove_tree(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _cleared(path: Path, dry_run: bool) -> tuple[Path, int]:
    size = _disk_bytes(path)
    if not dry_run:
        if path.is_dir():
            remove_tree(path)
        else:
            path.unlink(missing_ok=True)
    return path, size


def _disk_bytes(path: Path) -> int:
    total = _blocks(path)
    for directory, directories, names in os.walk(path):
        # 90,000 files.
        total += sum(_blocks(f"{directory}/{name}") for name in directories + names)
    return total * _BLOCK_BYTES


def _blocks(path: Path | str) -> int:
    try:
        return os.lstat(path).st_blocks
    except FileNotFoundError:
        return 0
