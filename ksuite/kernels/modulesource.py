# SPDX-License-Identifier: GPL-2.0-or-later
"""The source of out-of-tree modules: a directory as it is, or a revision of its git repository."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ksuite.errors import UserError
from ksuite.kernels.beneath import read_beneath
from ksuite.kernels.git import git, must_have_worked
from ksuite.kernels.gitrange import borrow, commit_of, objects_of
from ksuite.kernels.held import scratch_directory
from ksuite.kernels.store import digest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

AS_IT_IS = "work tree"
MOST_BYTES = 256 << 20
"""Of all files together: what is larger has more in it than the source of a module."""
MOST_NAME = 512
_LEFT_OUT = {".git", ".tox", ".venv", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache"}
"""What tools leave anywhere, and change with each run."""


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


def read_module(top: Path, revision: str = "", left_out: Collection[Path] = ()) -> ModuleSource:
    """Return the source of modules.

    :param top: the directory that it is in.
    :param revision: of the git repository; what the directory has now when empty. That is all that
        git tracks or would, where it is a repository.
    :param left_out: what is in these directories, and not tracked, is no part of it.
    :raises UserError: there is no such directory or revision, or it is too large.
    """
    if not top.is_dir():
        raise UserError(f"{top} is no directory")
    source = _of_revision(top, revision) if revision else _as_it_is(top, left_out)
    _must_be_below(top, source.files)
    return source


def _as_it_is(top: Path, left_out: Collection[Path]) -> ModuleSource:
    files: dict[str, File] = {}
    total = 0
    for name in _names(top, _below(top, left_out)):
        files[name] = _read(top, name)
        total += len(files[name].content)
        _must_fit(top, total)
    return ModuleSource(AS_IT_IS, files)


def _below(top: Path, places: Collection[Path]) -> set[str]:
    """Return where places are below the top; those that are elsewhere are left away."""
    here = os.path.realpath(top)
    below = set()
    for place in places:
        # It may itself be a link that leads elsewhere.
        parent = os.path.realpath(place.absolute().parent)
        seen = {os.path.realpath(place), f"{parent}/{place.name}"}
        below |= {os.path.relpath(one, here) for one in seen if one.startswith(f"{here}/")}
    return below


def _names(top: Path, left_out: Collection[str]) -> list[str]:
    """Return the names of what git tracks or would, or of everything where it knows of nothing."""
    names = _listed(top, "--cached")
    names |= {one for one in _listed(top, "--others") if not _is_left_out(one, left_out)}
    if not names:
        return sorted(_everything(top, left_out))
    return sorted(name for name in names if _is_there(top / name))


def _listed(top: Path, which: str) -> set[str]:
    """Return what git lists of a directory, by its name in there."""
    repository, below = _repository_of(top)
    if not (repository / ".git").exists():
        return set()
    # In the repository's top: git looks no higher than where it is started.
    asked = ("ls-files", "-z", which, "--exclude-standard", "--", below or ".")
    settings = ("--literal-pathspecs", "-c", "safe.directory=*", "-c", "core.fsmonitor=")
    done = git(*settings, *asked, cwd=repository)
    must_have_worked(done, f"list the files of {top}")
    names = (os.fsdecode(name) for name in done.stdout.split(b"\0") if name)
    return {os.path.relpath(name, below) if below else name for name in names}


def _is_left_out(name: str, left_out: Collection[str]) -> bool:
    places = {name, *map(str, PurePosixPath(name).parents)}
    return not _LEFT_OUT.isdisjoint(PurePosixPath(name).parts) or not places.isdisjoint(left_out)


def _is_there(path: Path) -> bool:
    """Say whether there is a file; a directory that git names is another repository."""
    return path.is_symlink() or (path.exists() and not path.is_dir())


def _everything(top: Path, left_out: Collection[str]) -> Iterator[str]:
    for directory, directories, names in os.walk(top):
        place = PurePosixPath(os.path.relpath(directory, top))
        kept = [name for name in directories if not _is_left_out(str(place / name), left_out)]
        directories[:] = kept
        linked = [name for name in kept if Path(directory, name).is_symlink()]
        found = (str(place / name) for name in names + linked)
        yield from (name for name in found if name not in left_out)


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
    repository, below = _repository_of(top)
    objects, commit = objects_of(repository), commit_of(repository, revision)
    with scratch_directory() as scratch:
        borrow(objects, scratch)
        tree = _tree_of(commit, below, scratch)
        listed = git("ls-tree", "-r", "-z", "--full-tree", "-l", tree, cwd=scratch)
        must_have_worked(listed, f"list the files of {revision}")
        entries = [_entry(one) for one in listed.stdout.split(b"\0") if one]
        entries = [one for one in entries if one.blob]
        if missing := [one.path for one in entries if one.size < 0]:
            raise UserError(f"{top} doesn't have all of {revision}: {missing[0]!r:.60} is missing")
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


def commit_of_module(top: Path, revision: str) -> str:
    """Return the commit of a revision of a module's repository; none of no revision.

    A branch may move while it is looked at again and again.

    :raises UserError: there is no such revision, or no repository.
    """
    return commit_of(_repository_of(top)[0], revision) if revision else ""


def _repository_of(top: Path) -> tuple[Path, str]:
    """Return the top of the repository that a directory is in, and where in it that is."""
    here = Path(os.path.realpath(top))
    found = next((place for place in (here, *here.parents) if (place / ".git").exists()), here)
    below = str(here.relative_to(found))
    return (top, "") if below == "." else (found, below)


def _tree_of(commit: str, below: str, scratch: Path) -> str:
    """Return what git calls a directory of a commit; where it has none, an empty one."""
    if not below:
        return commit
    listed = git("ls-tree", "-z", "-d", "--full-tree", commit, "--", below, cwd=scratch)
    must_have_worked(listed, f"look for {below} in {commit}")
    if not listed.stdout:
        made = git("mktree", cwd=scratch)
        must_have_worked(made, "make an empty directory")
        return made.stdout.decode().strip()
    return f"{commit}:{below}"


@dataclass(frozen=True)
class _Entry:
    mode: str
    blob: str
    size: int
    path: str


def _entry(line: bytes) -> _Entry:
    """Read a line of ``git ls-tree -l``.

    What is no file, such as a submodule, has no blob, and what was not cloned no size.
    """
    about, _, path = line.partition(b"\t")
    mode, kind, blob, size = about.decode().split()
    is_file = kind == "blob"
    known = int(size) if size.isdecimal() else -1
    return _Entry(mode, blob if is_file else "", known, os.fsdecode(path))


def _must_be_below(top: Path, names: Collection[str]) -> None:
    """Refuse what git would not check out: a file beside the directory, or behind its link."""
    for name in names:
        path = PurePosixPath(name)
        plain = str(path) == name and ".." not in path.parts and not path.is_absolute()
        behind = any(str(place) in names for place in path.parents)
        if not plain or behind or len(name) > MOST_NAME:
            raise UserError(f"{top}: {name!r:.60} is no file below it")


def _must_fit(top: Path, total: int) -> None:
    if total > MOST_BYTES:
        raise UserError(
            f"{top} has more than {MOST_BYTES >> 20} MiB in it: no source of modules has; give the "
            "directory that has nothing else"
        )
