# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels that their owner has built in place: a tree as make left it."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from ksuite.errors import InfrastructureError, UserError
from ksuite.kernels import dependencies
from ksuite.kernels.bzimage import release_of_image
from ksuite.kernels.dependencies import write_dependencies
from ksuite.kernels.headers import collect_headers
from ksuite.kernels.source import KernelSource
from ksuite.kernels.store import digest, file_digest
from ksuite.kernels.trees import Tree, must_be_kernel
from ksuite.processes import run, tool

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ksuite.kernels.store import Store

FORMAT = "2"
"""Part of every key: raise it when the same tree would give another entry."""
KIND = "given"
CONFIG = ".config"
IMAGE = "arch/x86/boot/bzImage"
AUTO = "include/config/auto.conf"
"""What make(1) has read of the configuration."""
_NEEDED = (CONFIG, IMAGE, "Module.symvers", "modules.order", "include/config/kernel.release", AUTO)
_64_BIT = re.compile(r"^CONFIG_X86_64=y$", re.MULTILINE)
_ARCHITECTURE = re.compile(r"^# Linux/(\S+) ", re.MULTILINE)
_COMPILER = re.compile(r'^CONFIG_CC_VERSION_TEXT="(.+)"$', re.MULTILINE)


def built_tree(
    tree: Path, store: Store, progress: Callable[[str], None] = lambda _: None
) -> KernelSource:
    """Return the kernel of a tree that has been built in place.

    :raises UserError: it is no kernel, or not built, or changed since, or for another architecture,
        or by another compiler than gcc.
    :raises InfrastructureError: the lists of its modules can't be made.
    """
    must_be_kernel(tree, str(tree))
    top = tree.resolve()
    if (top / CONFIG).is_file():
        _must_be_x86_64(top / CONFIG, tree)
    if missing := [name for name in _NEEDED if not (top / name).exists()]:
        raise UserError(
            f"{tree} is not built: it has no {', '.join(missing)}; run make there, or give "
            f"{tree}@REV to have a revision built"
        )
    if _changed_at(top / CONFIG) > _changed_at(top / AUTO):
        raise UserError(f"{tree} was configured anew since it was built: run make there")
    compiler = _compiler(top / CONFIG, tree)
    release = (top / "include/config/kernel.release").read_text(encoding="utf-8").strip()
    image = top / IMAGE
    _must_be_release(image, release, top)
    progress(f"reading {tree}")
    key = state_of(top)

    def collect(into: Path) -> None:
        modules = into / "lib" / "modules" / release
        for name in (top / "modules.order").read_text(encoding="utf-8").split():
            built = (top / name.removeprefix("kernel/")).with_suffix(".ko")
            if not built.is_file():
                raise UserError(f"{tree} is not built: modules.order names {name}: run make there")
            target = modules / "kernel" / built.relative_to(top)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(built, target)
        _lists(top, modules)
        _depmod(into, release)
        headers = into / "src" / f"linux-headers-{release}"
        collect_headers([top], top, headers)
        (modules / "build").symlink_to(f"/usr/src/{headers.name}")
        shutil.copyfile(image, into / "vmlinuz")
        shutil.copyfile(top / CONFIG, into / "config")
        write_dependencies(top, {str(top): [top]}, into / dependencies.FILE)

    entry = store.obtain(KIND, digest(FORMAT, release, key, file_digest(image)), collect)
    kept = entry / dependencies.FILE
    return KernelSource(
        name=str(tree),
        release=release,
        version=Tree(top, key, key).version,
        image=entry / "vmlinuz",
        config=entry / "config",
        headers=entry / "src" / f"linux-headers-{release}",
        modules=entry / "lib" / "modules" / release,
        compiler=compiler,
        tree=Tree(top, key, origin=digest(str(top))),
        dependencies=kept if kept.is_file() else None,
    )


def is_in_place(tree: Path) -> bool:
    """Say whether a tree was configured in place, which is why make builds it nowhere else."""
    return (tree / CONFIG).exists()


def must_be_clean(tree: Path, name: str, why: str = "") -> None:
    """Refuse to build a whole kernel of a tree that was configured in place.

    :param name: what the user calls it.
    :param why: a whole kernel is wanted.
    :raises UserError: it says what can be built instead.
    """
    if not is_in_place(tree):
        return
    instead = "a source tarball, or a tree in which nothing was configured"
    if (tree / ".git").exists():
        instead = f"{name}@REV to have a revision built, or a source tarball"
    reason = f"{why}; and " if why else ""
    raise UserError(
        f"{reason}no whole kernel can be built from {name}, which was configured in place: make "
        f"wants a clean tree; give {instead}"
    )


def must_be_as_read(tree: Tree, name: str) -> None:
    """Make sure that a tree which was built in place has not changed since it was read.

    :raises UserError: it has, so that nobody knows what was built from it meanwhile.
    """
    if is_in_place(tree.path) and state_of(tree.path) != tree.key:
        raise UserError(
            f"{name} was changed while it was used, and what came of it is worth nothing: run make "
            "there, and leave it alone until ksuite has ended"
        )


def state_of(top: Path) -> str:
    """Return what tells one state of a file, or a directory, from another: what make(1) goes by."""
    seen = []

    def look(path: str) -> None:
        # What goes away while we look is no part of it.
        with suppress(FileNotFoundError):
            status = os.lstat(path)
            seen.append((os.path.relpath(path, top), status.st_size, status.st_mtime_ns))

    if not top.is_dir():
        look(str(top))
    for directory, directories, names in os.walk(top):
        directories[:] = sorted(one for one in directories if one != ".git")
        for name in sorted(names):
            look(os.path.join(directory, name))  # noqa: PTH118 (90,000 files)
    return digest(repr(seen))


def _must_be_x86_64(config: Path, tree: Path) -> None:
    text = config.read_text(encoding="utf-8", errors="replace")
    if _64_BIT.search(text):
        return
    named = _ARCHITECTURE.search(text)
    what = named[1] if named else "another architecture"
    what = "32-bit x86" if what in {"x86", "i386"} else what
    raise UserError(f"{tree} is configured for {what}: a DUT is x86-64 (CONFIG_X86_64)")


def _compiler(config: Path, tree: Path) -> str:
    """Return what built a tree, which must be what will build its modules."""
    found = _COMPILER.search(config.read_text(encoding="utf-8", errors="replace"))
    if found is None:
        raise UserError(
            f"the configuration of {tree} does not say what compiles it (CONFIG_CC_VERSION_TEXT): "
            "run make there"
        )
    if "clang" in found[1]:
        raise UserError(
            f"{tree} was built by {found[1]!r}, and ksuite builds modules with gcc only: build it "
            f"with gcc, or give {tree}@REV to have that done"
        )
    return found[1]


def _must_be_release(image: Path, release: str, top: Path) -> None:
    if (found := release_of_image(image)) != release:
        raise UserError(f"{image} is {found}, but {top} is configured as {release}: run make there")


def _changed_at(path: Path) -> int:
    return path.stat().st_mtime_ns


def _lists(top: Path, modules: Path) -> None:
    """Write the lists that depmod(8) reads, as ``make modules_install`` does."""
    names = (top / "modules.order").read_text(encoding="utf-8").split()
    files = [f"kernel/{name.removeprefix('kernel/').rpartition('.')[0]}.ko" for name in names]
    (modules / "modules.order").write_text("".join(f"{one}\n" for one in files), encoding="utf-8")
    for name in ("modules.builtin", "modules.builtin.modinfo"):
        shutil.copyfile(top / name, modules / name)


def _depmod(into: Path, release: str) -> None:
    """Write what modprobe(8) reads, and who uses whose exports."""
    done = run([tool("depmod", "kmod"), "-b", into, release])
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-300:]
        raise InfrastructureError(f"the modules of {release} can't be listed: {said}")
