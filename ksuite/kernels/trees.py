# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel trees that are read and never written: a tarball's, a directory's, a git revision's.

A revision is checked out into a place of the store that belongs to its repository. From one
revision to the next only what differs is written, so that make has little to do, and nothing is
ever written into the repository, nor anything of its configuration obeyed.
"""

from __future__ import annotations

import re
import shutil
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.errors import UserError
from ksuite.kernels.beneath import is_linked, read_beneath
from ksuite.kernels.git import git, must_have_worked
from ksuite.kernels.gitrange import borrow, commit_of, objects_of
from ksuite.kernels.held import readable_for_all
from ksuite.kernels.locks import held_alone
from ksuite.kernels.store import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ksuite.kernels.store import Store

CHECKOUT = "checkout"
BEGUN = "begun"
"""There as long as a source is half written."""
MAKEFILE_BYTES = 1 << 20
PARTS = ("Makefile", "Kbuild", "Kconfig", "arch/x86")
_VERSION = re.compile(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *= *(\S*)", re.MULTILINE)


@dataclass(frozen=True)
class Tree:
    """The source of a kernel, to be read only.

    :param key: of its content.
    :param origin: of what it is one state of; builds of the same origin have most in common.
    """

    path: Path
    key: str
    origin: str

    @property
    def version(self) -> str:
        """What ``make kernelversion`` says, without what is no number.

        :raises UserError: its Makefile is no file, or can't be read.
        """
        try:
            content = read_beneath(self.path, "Makefile", MAKEFILE_BYTES)
        except OSError as error:
            msg = f"the Makefile of {self.path} can't be read: {error.strerror}"
            raise UserError(msg) from error
        found = dict(_VERSION.findall(content.decode(errors="replace")))
        return ".".join(found.get(part, "0") for part in ("VERSION", "PATCHLEVEL", "SUBLEVEL"))


def must_be_kernel(path: Path, name: str) -> None:
    """Refuse a directory that holds no kernel.

    :param name: what the user calls it.
    :raises UserError: it says what is missing.
    """
    if missing := [part for part in PARTS if not (path / part).exists()]:
        raise UserError(f"{name} is no kernel tree: it has no {', '.join(missing)}")
    if linked := [part for part in PARTS if is_linked(path, part)]:
        raise UserError(f"{name} is no kernel tree: a link leads to its {', '.join(linked)}")


@contextmanager
def checked_out(
    repository: Path, revision: str, store: Store, progress: Callable[[str], None]
) -> Iterator[Tree]:
    """Yield the tree of a git revision; nobody else changes it meanwhile.

    :raises UserError: there is no such repository or revision, or it is no kernel.
    :raises InfrastructureError: git can't write it, or there is no room for it.
    """
    objects = objects_of(repository)
    commit = commit_of(repository, revision)
    origin = digest(str(objects))
    place = store.root / CHECKOUT / origin[:16]
    with store.writable(CHECKOUT):
        place.mkdir(exist_ok=True)
    with held_alone(place, progress):
        progress(f"checking {revision} out of {repository}")
        with store.writable(CHECKOUT), readable_for_all():
            key = _check_out(place, objects, commit)
        must_be_kernel(place / "source", f"{repository}@{revision}")
        yield Tree(place / "source", key, origin)


def _check_out(place: Path, objects: Path, commit: str) -> str:
    """Make the source that of a commit, and return the key of its tree; else leave nothing."""
    try:
        return _written(place, objects, commit)
    except OSError:
        shutil.rmtree(place, ignore_errors=True)
        raise


def _written(place: Path, objects: Path, commit: str) -> str:
    borrowed, source = place / "git", place / "source"
    if source.is_dir() and not source.stat().st_mode & stat.S_IROTH:
        # An earlier ksuite wrote it by the user's umask, and no builder can read it.
        shutil.rmtree(borrowed, ignore_errors=True)
        shutil.rmtree(source)
    source.mkdir(exist_ok=True)
    if not (borrowed / "HEAD").exists():
        borrow(objects, borrowed)
    # A killed git leaves it; we are the only ones here.
    (borrowed / "index.lock").unlink(missing_ok=True)
    begun = place / BEGUN
    interrupted = begun.exists()
    begun.touch()
    ours = ("--git-dir", borrowed, "--work-tree", source, "-c", "core.bare=false")
    done = [
        git(*ours, "rev-parse", f"{commit}^{{tree}}", cwd=place),
        git(*ours, "read-tree", "--reset", "-u", commit, cwd=source),
    ]
    if interrupted:
        # The index does not know what had been written until then.
        done.append(git(*ours, "clean", "-ffdxq", cwd=source))
    for each in done:
        must_have_worked(each, f"check {commit[:12]} out in {place}")
    begun.unlink()
    return done[0].stdout.decode().strip()
