# SPDX-License-Identifier: GPL-2.0-or-later
"""The source of out-of-tree modules: a directory as it is, or a revision of its git repository."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.errors import UserError
from ksuite.kernels.beneath import read_beneath
from ksuite.kernels.git import git, must_have_worked
from ksuite.kernels.gitrange import borrow, commit_of, objects_of
from ksuite.kernels.held import scratch_directory
from ksuite.kernels.store import digest

if TYPE_CHECKING:
    from collections.abc import Iterator

AS_IT_IS = "work tree"
MOST_BYTES = 256 << 20
"""Of all files together: what is larger has more in it than the source of a module."""
_LEFT_OUT = {".git", ".tox", ".venv", "__pycache__"}


@dataclass(frozen=True)
class File:
    """A file, or a link.

    :param content: of a link, where it leads.
    """

    content: bytes
    executable: bool = False
    link: bool = False


@dataclass(frozen=True)
class ModuleSource:
    """All files of a module's repository in one state.

    :param name: how reports call this state.
    :param files: by their paths below its top.
    """

    name: str
    files: Mapping[str, File]

    @property
    def key(self) -> str:
        """SHA-256 of what is in it."""
        parts: list[bytes | str] = []
        for path in sorted(self.files):
            file = self.files[path]
            parts += [path, f"{file.executable:d}{file.link:d}", file.content]
        return digest(*parts)

    def write(self, place: Path) -> None:
        """Write all files into a directory, which is made.

        :raises OSError: there is no room.
        """
        place.mkdir(parents=True)
        for name, file in self.files.items():
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if file.link:
                path.symlink_to(os.fsdecode(file.content))
            else:
                path.write_bytes(file.content)
                path.chmod(0o755 if file.executable else 0o644)


def read_module(top: Path, revision: str = "") -> ModuleSource:
    """Return the source of modules.

    :param top: the directory that it is in.
    :param revision: of the git repository; what the directory has now when empty. That is all that
        git tracks or would, where it is a repository.
    :raises UserError: there is no such directory or revision, or it is too large.
    """
    if not top.is_dir():
        raise UserError(f"{top} is no directory")
    if revision:
        return _of_revision(top, revision)
    files: dict[str, File] = {}
    total = 0
    for name in _names(top):
        files[name] = _read(top, name)
        total += len(files[name].content)
        _must_fit(top, total)
    return ModuleSource(AS_IT_IS, files)


def _names(top: Path) -> list[str]:
    if (top / ".git").exists():
        asked = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
        done = git("-c", "safe.directory=*", "-c", "core.fsmonitor=", *asked, cwd=top)
        must_have_worked(done, f"list the files of {top}")
        names = {os.fsdecode(name) for name in done.stdout.split(b"\0") if name}
        return sorted(name for name in names if os.path.lexists(top / name))
    return sorted(_everything(top))


def _everything(top: Path) -> Iterator[str]:
    for directory, directories, names in os.walk(top):
        directories[:] = [name for name in directories if name not in _LEFT_OUT]
        place = Path(directory)
        linked = [name for name in directories if (place / name).is_symlink()]
        yield from (str((place / name).relative_to(top)) for name in names + linked)


def _read(top: Path, name: str) -> File:
    try:
        mode = (top / name).lstat().st_mode
        if stat.S_ISLNK(mode):
            return File(os.fsencode((top / name).readlink()), link=True)
        # A link among its directories would make it somebody else's file.
        return File(read_beneath(top, name, MOST_BYTES), executable=bool(mode & stat.S_IXUSR))
    except OSError as error:
        raise UserError(f"{top / name} can't be read: {error.strerror}") from error


def _of_revision(top: Path, revision: str) -> ModuleSource:
    objects, commit = objects_of(top), commit_of(top, revision)
    with scratch_directory() as scratch:
        borrow(objects, scratch)
        listed = git("ls-tree", "-r", "-z", "--full-tree", "-l", commit, cwd=scratch)
        must_have_worked(listed, f"list the files of {revision}")
        entries = [_entry(one) for one in listed.stdout.split(b"\0") if one]
        entries = [one for one in entries if one.blob]
        _must_fit(top, sum(one.size for one in entries))
        blobs = "".join(f"{one.blob}\n" for one in entries).encode()
        read = git("cat-file", "--batch", "--buffer", cwd=scratch, stdin=blobs)
        must_have_worked(read, f"read the files of {revision}")
    files, at = {}, 0
    for one in entries:
        at = read.stdout.index(b"\n", at) + 1
        content = read.stdout[at : at + one.size]
        files[one.path] = File(content, one.mode == "100755", one.mode == "120000")
        at += one.size + 1
    return ModuleSource(f"{revision} ({commit[:12]})", files)


@dataclass(frozen=True)
class _Entry:
    mode: str
    blob: str
    size: int
    path: str


def _entry(line: bytes) -> _Entry:
    """Read a line of ``git ls-tree -l``; what is no file, such as a submodule, has no blob."""
    about, _, path = line.partition(b"\t")
    mode, kind, blob, size = about.decode().split()
    is_file = kind == "blob"
    return _Entry(mode, blob if is_file else "", int(size) if is_file else 0, os.fsdecode(path))


def _must_fit(top: Path, total: int) -> None:
    if total > MOST_BYTES:
        raise UserError(
            f"{top} has more than {MOST_BYTES >> 20} MiB in it: no source of modules has; give the "
            "directory that has nothing else"
        )
