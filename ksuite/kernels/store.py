# SPDX-License-Identifier: GPL-2.0-or-later
"""The content-addressed store: what was made once is never made again.

An entry appears by a rename, whole or not at all, with a manifest by which a damaged one is
recognised and made anew. Any number of processes can use a store at once; what one of them uses is
locked until it ends, so that `ksuite.kernels.pruning` leaves it alone.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ksuite.errors import DiskFull, InfrastructureError
from ksuite.kernels.held import (
    disk_full,
    disk_full_told,
    held_directory,
    remove_abandoned,
    run_directory,
)
from ksuite.kernels.locks import held_alone, share, shared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Store", "digest", "file_digest", "run_directory"]

MANIFEST = ".ksuite.json"
LOGS, TEMPORARY = "logs", ".tmp"
FEW_FILES = 1000
"""Entries of so many files are checked byte by byte on each use, larger ones by file sizes."""

_REMEDY = "set KSUITE_STORE to a directory with room that can be written"
_ROOM = f"{_REMEDY}; `ksuite store prune` removes what is old"


class Store:
    """A directory of entries, each a directory named by kind and key."""

    def __init__(self, root: Path) -> None:
        self.root = root
        # By entry, the descriptor that has its lock. None is ever closed: a path that was handed
        # out may be used as long as the process lives.
        self._used: dict[Path, int] = {}

    @classmethod
    def default(cls) -> Store:
        """Return the store at ``$KSUITE_STORE``, or else the one in the user's cache."""
        if chosen := os.environ.get("KSUITE_STORE"):
            return cls(Path(chosen).absolute())
        cache = os.environ.get("XDG_CACHE_HOME")
        return cls((Path(cache) if cache else Path.home() / ".cache") / "ksuite")

    def entry(self, kind: str, key: str) -> Path | None:
        """Return a complete, undamaged entry, or None; it can be removed any time."""
        place = self._place(kind, key)
        return place if _is_whole(place) else None

    def use(self, kind: str, key: str) -> Path | None:
        """Return a complete, undamaged entry that stays until this process ends, or None."""
        place = self._place(kind, key)
        descriptor = share(place)
        if descriptor is None:
            return None
        if not _is_whole(place):
            os.close(descriptor)
            return None
        self._keep(place, descriptor)
        return place

    @contextmanager
    def reading(self, kind: str, key: str) -> Iterator[Path | None]:
        """Yield a complete, undamaged entry that stays for so long, or None."""
        place = self._place(kind, key)
        with shared(place) as there:
            yield place if there and _is_whole(place) else None

    @contextmanager
    def create(self, kind: str, key: str) -> Iterator[Path]:
        """Yield a directory to fill, which becomes the entry unless the body raises.

        When somebody else has made the entry meanwhile, theirs stays.

        :raises InfrastructureError: the disk is full, or the store can't be written.
        """
        with self.writable(kind), held_directory(self._temporary, "") as temporary:
            work = temporary / "entry"
            work.mkdir()
            yield work
            _seal(work)
            self._publish(work, kind, key)

    def obtain(self, kind: str, key: str, make: Callable[[Path], None]) -> Path:
        """Return an entry, made by one process while others that want it wait.

        It stays until this process ends.

        :param make: fills the directory that it is given.
        :raises InfrastructureError: the disk is full, or the store can't be written.
        """
        remove_abandoned(self._temporary, "")
        if found := self.use(kind, key):
            return found
        place = self._place(kind, key)
        with self._locked(kind, key):
            if self.use(kind, key) is None:
                with self.create(kind, key) as work:
                    make(work)
                    # The lock goes along when it gets its name.
                    descriptor = share(work)
                if descriptor is not None:
                    self._keep(place, descriptor)
        return place

    def disk_full(self) -> DiskFull:
        """Return the error for a child process that found no space left in the store."""
        return disk_full(self._called, _ROOM)

    def _unwritable(self, why: str) -> InfrastructureError:
        return InfrastructureError(f"{self._called} can't be written: {why}; {_REMEDY}")

    def keep_log(self, name: str, text: str) -> Path:
        """Write a log that outlives a failed build, and return where it is."""
        with self.writable(LOGS):
            path = self.root / LOGS / f"{name}.log"
            try:
                path.write_text(text, encoding="utf-8")
            except OSError:
                path.unlink(missing_ok=True)
                raise
            return path

    def _keep(self, place: Path, descriptor: int) -> None:
        before = self._used.pop(place, None)
        self._used[place] = descriptor
        if before is not None:
            os.close(before)

    def _place(self, kind: str, key: str) -> Path:
        return self.root / kind / key

    @property
    def _temporary(self) -> Path:
        return self.root / TEMPORARY

    @property
    def _called(self) -> str:
        return f"the store at {self.root}"

    @contextmanager
    def writable(self, kind: str) -> Iterator[None]:
        """Have the directory of a kind to write in.

        :raises InfrastructureError: the disk is full, or the store can't be written.
        """
        with disk_full_told(self._called, _ROOM):
            try:
                for directory in (self._temporary, self.root / kind):
                    directory.mkdir(parents=True, exist_ok=True)
            except (PermissionError, NotADirectoryError, FileExistsError) as error:
                raise self._unwritable(str(error.strerror)) from error
            if not os.access(self.root / kind, os.W_OK):
                raise self._unwritable("it is read-only")
            yield

    @contextmanager
    def _locked(self, kind: str, key: str) -> Iterator[None]:
        # Among what goes with its process: of who is killed here no lock stays for ever.
        place = self._temporary / f"{kind}-{key}.lock"
        with self.writable(kind), held_alone(place, lambda _: None):
            try:
                yield
            finally:
                place.rmdir()

    def _publish(self, work: Path, kind: str, key: str) -> None:
        place = self._place(kind, key)
        if _is_whole(place):
            return
        shutil.rmtree(place, ignore_errors=True)
        try:
            work.rename(place)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
        _sync(place.parent)


def digest(*parts: bytes | str) -> str:
    """Return the SHA-256 of parts in hex; different parts never run into one another."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "big"))
        total.update(data)
    return total.hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's content in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _seal(entry: Path) -> None:
    """Write the manifest of an entry that is about to be published, and flush it to the disk."""
    sizes = {path: path.lstat().st_size for path in _files(entry)}
    # Flushing 78,000 files takes minutes; one that a power failure cut short shows by its size.
    few = len(sizes) <= FEW_FILES
    files: dict[str, list[Any]] = {}
    for path, size in sizes.items():
        files[str(path.relative_to(entry))] = [size, _sha256(path) if few else None]
        if few:
            _sync(path)
    manifest = entry / MANIFEST
    manifest.write_text(json.dumps({"files": files}), encoding="utf-8")
    _sync(manifest)
    _sync(entry)


def _is_whole(entry: Path) -> bool:
    return not damage(entry)


def damage(entry: Path) -> str:
    """Return what is wrong with an entry by its manifest; nothing where it is whole."""
    try:
        manifest = json.loads((entry / MANIFEST).read_bytes())
        for name, (size, checksum) in manifest["files"].items():
            found = os.lstat(f"{entry}/{name}").st_size
            if found != size:
                return f"{name} has {found:,} bytes of {size:,}"
            if checksum is not None and _sha256(entry / name) != checksum:
                return f"{name} was changed"
    except OSError as error:
        place = Path(error.filename or entry)
        missing = error.errno in {errno.ENOENT, errno.ENOTDIR}
        return f"{place.name} {'is missing' if missing else f'is unreadable: {error.strerror}'}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{MANIFEST} is damaged"
    return ""


def added(entry: Path) -> list[str]:
    """Return the files of an entry that its manifest, which must be whole, has not got."""
    known = json.loads((entry / MANIFEST).read_bytes())["files"].keys() | {MANIFEST}
    return sorted({str(path.relative_to(entry)) for path in _files(entry)} - known)


def _files(top: Path) -> Iterator[Path]:
    for directory, directories, names in os.walk(top):
        links = [name for name in directories if Path(directory, name).is_symlink()]
        yield from (Path(directory, name) for name in names + links)


def _sha256(path: Path) -> str:
    if path.is_symlink():
        return digest(str(path.readlink()))
    return file_digest(path)


def _sync(path: Path) -> None:
    if path.is_symlink():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
