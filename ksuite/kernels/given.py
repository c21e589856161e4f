# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels that their owner has built: a tree as make left it, or an image and its modules."""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

from ksuite.errors import UserError
from ksuite.kernels import dependencies
from ksuite.kernels.dependencies import write_dependencies
from ksuite.kernels.headers import collect_headers
from ksuite.kernels.source import KernelSource, config_text
from ksuite.kernels.store import digest, file_digest
from ksuite.kernels.trees import Tree, must_be_kernel
from ksuite.processes import run, tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ksuite.kernels.store import Store

IMAGE = "arch/x86/boot/bzImage"
MAGIC_AT, MAGIC = 0x202, b"HdrS"
VERSION_AT, VERSION_FROM = 0x20E, 0x200
"""Documentation/arch/x86/boot.rst: header, kernel_version."""
BOOT_SECTORS_BYTES = 64 << 10
_RELEASE = re.compile(rb"[0-9][\w.+~-]*")
_NEEDED = (".config", IMAGE, "Module.symvers", "modules.order", "include/config/kernel.release")


def built_tree(
    tree: Path, store: Store, progress: Callable[[str], None] = lambda _: None
) -> KernelSource:
    """Return the kernel of a tree that has been built in place.

    :raises UserError: it is no kernel, or not built, or for another architecture.
    """
    must_be_kernel(tree, str(tree))
    top = tree.resolve()
    if missing := [name for name in _NEEDED if not (top / name).exists()]:
        raise UserError(
            f"{tree} is not built: it has no {', '.join(missing)}; run make there, or give "
            f"{tree}@REV to have a revision built"
        )
    release = (top / "include/config/kernel.release").read_text(encoding="utf-8").strip()
    image = top / IMAGE
    _must_be_release(image, release, top)
    progress(f"reading {tree}")
    key = _state(top)

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
        headers = into / "src" / f"linux-headers-{release}"
        collect_headers([top], top, headers)
        (modules / "build").symlink_to(f"/usr/src/{headers.name}")
        shutil.copyfile(image, into / "vmlinuz")
        shutil.copyfile(top / ".config", into / "config")
        write_dependencies(top, {str(top): [top]}, into / dependencies.FILE)

    entry = store.obtain("given", digest(release, key, file_digest(image)), collect)
    kept = entry / dependencies.FILE
    return KernelSource(
        name=str(tree),
        release=release,
        version=Tree(top, key, key).version,
        image=entry / "vmlinuz",
        config=entry / "config",
        headers=entry / "src" / f"linux-headers-{release}",
        modules=entry / "lib" / "modules" / release,
        compiler=config_text(entry / "config", "CONFIG_CC_VERSION_TEXT"),
        tree=Tree(top, key, origin=digest(str(top))),
        dependencies=kept if kept.is_file() else None,
    )


def image_with_modules(image: Path, modules: Path, name: str) -> KernelSource:
    """Return the kernel of an image and the directory of its modules, which has no source.

    :raises UserError: one of them is something else, or they are of different releases.
    """
    if not image.is_file():
        raise UserError(f"there is no kernel image {image}")
    listed = modules / "modules.order"
    if not listed.is_file():
        raise UserError(f"{modules} is no directory of modules: it has no modules.order")
    release = release_of_image(image)
    for module in _some_module(modules):
        vermagic = _vermagic(module)
        if vermagic != release:
            raise UserError(
                f"{image} is {release}, but {module} was built for {vermagic}: give the "
                f"directory that `make modules_install` made for that image"
            )
    config = next((one for one in _configs(image, modules, release) if one.is_file()), None)
    if config is None:
        raise UserError(f"the configuration of {image} is not there: put it at {modules}/config")
    return KernelSource(
        name=name,
        release=release,
        version=release.partition("-")[0],
        image=image.resolve(),
        config=config,
        headers=(modules / "build").resolve(),
        modules=modules.resolve(),
        compiler=config_text(config, "CONFIG_CC_VERSION_TEXT"),
    )


def release_of_image(image: Path) -> str:
    """Return the release that a bzImage says it is.

    :raises UserError: it is none.
    """
    with image.open("rb") as file:
        head = file.read(BOOT_SECTORS_BYTES)
    if head[MAGIC_AT : MAGIC_AT + len(MAGIC)] != MAGIC:
        raise UserError(f"{image} is no bzImage for x86: it has no boot header")
    at = int.from_bytes(head[VERSION_AT : VERSION_AT + 2], "little") + VERSION_FROM
    match = _RELEASE.match(head, at)
    if match is None:
        raise UserError(f"{image} does not say which release it is")
    return match[0].decode()


def _must_be_release(image: Path, release: str, top: Path) -> None:
    if (found := release_of_image(image)) != release:
        raise UserError(f"{image} is {found}, but {top} is configured as {release}: run make there")


def _some_module(modules: Path) -> Iterator[Path]:
    """Yield one module: they were installed together."""
    found = sorted((modules / "kernel").rglob("*.ko*"))
    yield from found[:1]


def _vermagic(module: Path) -> str:
    """Return the release that a module was built for."""
    done = run([tool("modinfo", "kmod"), "-F", "vermagic", module])
    return done.stdout.decode(errors="replace").partition(" ")[0].strip()


def _configs(image: Path, modules: Path, release: str) -> Iterator[Path]:
    yield modules / "config"
    yield image.with_name(f"config-{release}")
    yield modules / "build" / ".config"


def _lists(top: Path, modules: Path) -> None:
    """Write the lists that depmod(8) reads, as ``make modules_install`` does."""
    names = (top / "modules.order").read_text(encoding="utf-8").split()
    files = [f"kernel/{name.removeprefix('kernel/').rpartition('.')[0]}.ko" for name in names]
    (modules / "modules.order").write_text("".join(f"{one}\n" for one in files), encoding="utf-8")
    for name in ("modules.builtin", "modules.builtin.modinfo"):
        shutil.copyfile(top / name, modules / name)


def _state(top: Path) -> str:
    """Return what tells one state of a tree from another: what make(1) goes by."""
    seen = []
    for directory, directories, names in os.walk(top):
        directories[:] = sorted(one for one in directories if one != ".git")
        for name in sorted(names):
            path = os.path.join(directory, name)  # noqa: PTH118 (90,000 files)
            status = os.lstat(path)
            seen.append((os.path.relpath(path, top), status.st_size, status.st_mtime_ns))
    return digest(repr(seen))
