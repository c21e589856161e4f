# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel trees that are read and never written: a tarball's, a directory's, a git revision's.

A revision is checked out into a place of the store that belongs to its repository. From one
revision to the next only what differs is written, so that make has little to do, and nothing is
ever written into the repository, nor anything of its configuration obeyed.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.errors import InfrastructureError, UserError
from ksuite.kernels.git import git
from ksuite.kernels.gitrange import borrow, commit_of, objects_of
from ksuite.kernels.held import disk_full
from ksuite.kernels.locks import held_alone
from ksuite.kernels.store import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ksuite.kernels.store import Store

CHECKOUT = "checkout"
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
        """What ``make kernelversion`` says, without what is no number."""
        found = dict(_VERSION.findall((self.path / "Makefile").read_text(encoding="utf-8")))
        return ".".join(found.get(part, "0") for part in ("VERSION", "PATCHLEVEL", "SUBLEVEL"))


def must_be_kernel(path: Path, name: str) -> None:
    """Refuse a directory that holds no kernel.

    :param name: what the user calls it.
    :raises UserError: it says what is missing.
    """
    if missing := [part for part in PARTS if not (path / part).exists()]:
        raise UserError(f"{name} is no kernel tree: it has no {', '.join(missing)}")


@contextmanager
def checked_out(
    repository: Path, revision: str, store: Store, progress: Callable[[str], None]
) -> Iterator[Tree]:
    """Yield the tree of a git revision; nobody else changes it meanwhile.

    :raises UserError: there is no such repository or revision, or it is no kernel.
    :raises InfrastructureError: git can't write it.
    """
    objects = objects_of(repository)
    commit = commit_of(repository, revision)
    origin = digest(str(objects))
    place = store.root / CHECKOUT / origin[:16]
    with held_alone(place, progress):
        (place / "source").mkdir(exist_ok=True)
        progress(f"checking {revision} out of {repository}")
        key = _check_out(place, objects, commit)
        must_be_kernel(place / "source", f"{repository}@{revision}")
        yield Tree(place / "source", key, origin)


def _check_out(place: Path, objects: Path, commit: str) -> str:
    """Make the source that of a commit, and return the key of its tree."""
    borrowed = place / "git"
    if not (borrowed / "HEAD").exists():
        borrow(objects, borrowed)
    # A killed git leaves it; we are the only ones here.
    (borrowed / "index.lock").unlink(missing_ok=True)
    ours = ("--git-dir", borrowed, "--work-tree", place / "source", "-c", "core.bare=false")
    named = git(*ours, "rev-parse", f"{commit}^{{tree}}", cwd=place)
    done = git(*ours, "read-tree", "--reset", "-u", commit, cwd=place / "source")
    for each in (named, done):
        if each.returncode:
            said = each.stderr.decode(errors="replace")
            if "No space left" in said:
                raise disk_full(str(place), "set KSUITE_STORE")
            raise InfrastructureError(
                f"git can't check {commit[:12]} out in {place}: {said[-300:]}"
            )
    return named.stdout.decode().strip()
