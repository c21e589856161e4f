# SPDX-License-Identifier: GPL-2.0-or-later
"""From what a user calls a kernel to the kernel.

============================  ====================================================
``distro``                    what this host has installed
``debian:SERIES``             fetched from Debian
``TREE@REV``                  a revision of a git tree, built
``FILE.tar.xz``               a source tarball, built
``TREE``                      a tree that its owner has built
``IMAGE,MODULES``             a bzImage, and the directory of its modules
============================  ====================================================
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.errors import UserError
from ksuite.kernels.debian import DEBIAN, RELEASES, debian_source
from ksuite.kernels.full import build_kernel, read_built
from ksuite.kernels.gitrange import commit_of, must_be_tree
from ksuite.kernels.given import built_tree, must_be_clean
from ksuite.kernels.installed import image_with_modules
from ksuite.kernels.looking import looking_at
from ksuite.kernels.source import KNOWN, KernelSource, distro_source, unpack_tarball
from ksuite.kernels.trees import checked_out, must_be_kernel

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager, ExitStack

    from ksuite.kernels.fragments import Configuration
    from ksuite.kernels.store import Store
    from ksuite.kernels.trees import Tree

TARBALLS = (".tar", ".tar.gz", ".tar.xz", ".tar.zst", ".tgz")
FORMS = "TREE@REV, a tree that is built, a source tarball, or IMAGE,MODULES"


def find_source(
    name: str,
    store: Store,
    configuration: Configuration,
    held: ExitStack,
    progress: Callable[[str], None] = lambda _: None,
) -> KernelSource:
    """Return the kernel of a name; one that is only a source is built.

    :param configuration: what kernels are built with.
    :param held: keeps others from changing a revision's files until it is closed.
    :raises UserError: there is no such kernel, or it can't be read.
    :raises DoesNotCompile: it can't be built.
    :raises InfrastructureError: parts of it are missing, or can't be fetched.
    """
    must_be_known(name)
    with looking_at(name):
        return _found(name, store, configuration, held, progress)


def _found(
    name: str,
    store: Store,
    configuration: Configuration,
    held: ExitStack,
    progress: Callable[[str], None],
) -> KernelSource:
    if name in KNOWN:
        return distro_source(name)
    if name.startswith(DEBIAN):
        return debian_source(name.removeprefix(DEBIAN), store, progress)
    tree = _tree(name, store, held, progress)
    if tree is not None:
        must_be_clean(tree.path, name)
        return read_built(build_kernel(tree, configuration, [], store, progress), name, tree)
    if Path(name).is_dir():
        _must_be_readable(Path(name))
        return built_tree(Path(name), store, progress)
    image, _, modules = name.partition(",")
    return image_with_modules(Path(image), Path(modules), name, store)


def pinned(name: str) -> str:
    """Return a name that stands for the same kernel even after a branch has moved.

    :raises UserError: there is no such kernel.
    """
    must_be_known(name)
    with looking_at(name):
        if not _is_revision(name):
            return name
        place, revision = _revision(name)
        _must_be_readable(place)
        must_be_tree(place)
        return f"{place}@{commit_of(place, revision)}"


def taken_again(
    name: str, tree: Tree, store: Store, progress: Callable[[str], None]
) -> AbstractContextManager[Tree]:
    """Return what yields the source of a kernel that was let go of; nobody changes it meanwhile.

    :param name: of the kernel, `pinned`.
    :param tree: its source: only a revision's may have become another one's since.
    """
    if not _is_revision(name):
        return nullcontext(tree)
    return checked_out(*_revision(name), store, progress)


def must_be_known(name: str) -> None:
    """Refuse a name that stands for no kernel; what it stands for may still be amiss.

    :raises UserError: it lists the known ones.
    """
    known = [*sorted(KNOWN), *(f"{DEBIAN}{series}" for series in RELEASES)]
    # A name that begins or ends so leaves out a part, which would stand for the current directory.
    whole = name.strip("@,") == name != ""
    with looking_at(name):
        form = "@" in name or "," in name or name.endswith(TARBALLS) or Path(name).is_dir()
    if name not in known and (not whole or not form or name.startswith(DEBIAN)):
        msg = f"unknown kernel {name!r}: known are {', '.join(known)}; or give {FORMS}"
        raise UserError(msg)


def _tree(name: str, store: Store, held: ExitStack, progress: Callable[[str], None]) -> Tree | None:
    """Return the source of a name that stands for nothing else."""
    if _is_revision(name):
        place, revision = _revision(name)
        _must_be_readable(place)
        return held.enter_context(checked_out(place, revision, store, progress))
    if name.endswith(TARBALLS):
        if not Path(name).is_file():
            raise UserError(f"there is no tarball {name}")
        _must_be_readable(Path(name))
        progress(f"unpacking {name}")
        tree = unpack_tarball(Path(name), store, "give a source tarball of a kernel")
        must_be_kernel(tree.path, name)
        return tree
    return None


def _is_revision(name: str) -> bool:
    return "@" in name and not Path(name).exists()


def _revision(name: str) -> tuple[Path, str]:
    """Return the tree and the revision that a name stands for; both may have an @ in it."""
    parts = name.split("@")
    splits = [("@".join(parts[:at]), "@".join(parts[at:])) for at in range(len(parts) - 1, 0, -1)]
    place, revision = next((one for one in splits if Path(one[0]).is_dir()), splits[0])
    return Path(place), revision


def _must_be_readable(path: Path) -> None:
    """Refuse what exists and may not be read, before some tool says so in its own words."""
    mode = os.R_OK | (os.X_OK if path.is_dir() else 0)
    if path.exists() and not os.access(path, mode):
        raise UserError(f"{path} can't be read: permission denied")
