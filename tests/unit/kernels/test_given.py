# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels that somebody else has built."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import UserError
from ksuite.kernels import given
from ksuite.kernels.dependencies import read_dependencies
from ksuite.kernels.exports import users_of
from ksuite.kernels.given import built_tree, must_be_as_read, must_be_clean
from ksuite.kernels.packed import unpacked
from ksuite.kernels.store import Store
from ksuite.kernels.trees import PARTS
from ksuite.machines.initrd import initrd
from ksuite.machines.recipe import read_recipe
from tests.unit.kernels.images import image_of, write

if TYPE_CHECKING:
    from pathlib import Path

    from ksuite.kernels.source import KernelSource

RELEASE = "6.13.0-rc2-mine"
CONFIG = """\
# Linux/x86 6.13.0-rc2 Kernel Configuration
CONFIG_CC_VERSION_TEXT="gcc (Debian) 12"
CONFIG_X86_64=y
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "linux"
    parts: dict[str, str | bytes] = {name: "" for name in PARTS if "/" not in name}
    write(
        top,
        parts
        | {
            "Makefile": "VERSION = 6\nPATCHLEVEL = 13\nSUBLEVEL = 0\n",
            "arch/x86/Makefile": "",
            ".config": CONFIG,
            given.AUTO: "",
            given.IMAGE: image_of(RELEASE),
            "Module.symvers": "",
            "modules.order": "net/a/b.o\n",
            "net/a/b.ko": "a module",
            "modules.builtin": "",
            "modules.builtin.modinfo": "",
            "include/config/kernel.release": f"{RELEASE}\n",
            "scripts/mod/modpost": "a tool",
            "vmlinux.o": "not for modules",
        },
    )
    return top


def test_tree_that_is_built(tree: Path, tmp_path: Path) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in tree.rglob("*"))
    kernel = built_tree(tree, Store(tmp_path / "store"))
    assert (kernel.release, kernel.version) == (RELEASE, "6.13.0")
    assert kernel.image.read_bytes() == image_of(RELEASE)
    assert (kernel.modules / "kernel/net/a/b.ko").read_text() == "a module"
    assert (kernel.modules / "modules.order").read_text() == "kernel/net/a/b.ko\n"
    assert (kernel.headers / "scripts/mod/modpost").is_file()
    assert kernel.header_directories == (kernel.headers,)
    assert not (kernel.headers / "vmlinux.o").exists()
    assert kernel.tree is not None
    assert kernel.tree.path == tree.resolve()
    assert sorted((path, path.stat().st_mtime_ns) for path in tree.rglob("*")) == before


def test_links_among_the_headers_of_a_tree(tree: Path, tmp_path: Path) -> None:
    """As source and build are one directory, each is met twice."""
    link = tree / "include/dt-bindings/input/codes.h"
    link.parent.mkdir(parents=True)
    link.symlink_to("../../uapi/linux/codes.h")
    kernel = built_tree(tree, Store(tmp_path / "store"))
    assert (kernel.headers / link.relative_to(tree)).readlink() == link.readlink()


def test_what_reads_a_header_of_a_tree_that_is_built(tree: Path, tmp_path: Path) -> None:
    write(
        tree,
        {
            "include/net/own.h": "",
            "net/a/b.mod": "net/a/b.o\n",
            "net/a/b.o": "an object",
            "net/a/.b.o.cmd": "savedcmd_net/a/b.o := gcc -Iinclude -c net/a/b.c\n\n"
            "source_net/a/b.o := net/a/b.c\n\n"
            "deps_net/a/b.o := \\\n  include/net/own.h \\\n\n",
        },
    )
    found = read_dependencies(built_tree(tree, Store(tmp_path / "store")).dependencies)
    assert found.modules_reading("include/net/own.h") == ("net/a/b.ko",)
    (tree / "net/a/.b.o.cmd").unlink()
    lost = read_dependencies(built_tree(tree, Store(tmp_path / "store")).dependencies)
    assert lost.doubt == "nothing says how net/a/b.o was made"


def test_tree_that_an_earlier_ksuite_has_read(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(given, "write_dependencies", lambda *_: None)
    assert built_tree(tree, Store(tmp_path / "store")).dependencies is None
    monkeypatch.undo()
    assert built_tree(tree, Store(tmp_path / "store")).dependencies is None


def test_tree_that_was_changed_is_another(tree: Path, tmp_path: Path) -> None:
    def key() -> str:
        kernel = built_tree(tree, Store(tmp_path / "store"))
        assert kernel.tree is not None
        return kernel.tree.key

    first = key()
    assert key() == first
    (tree / "net/a/b.c").write_text("new")
    assert key() != first


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("Kbuild", "is no kernel tree: it has no Kbuild"),
        (".config", "is not built: it has no .config; run make there, or give .*@REV"),
        (given.IMAGE, "is not built: it has no arch/x86/boot/bzImage"),
        ("net/a/b.ko", r"modules\.order names net/a/b\.o: run make there"),
    ],
)
def test_tree_that_is_not_built(tree: Path, tmp_path: Path, gone: str, said: str) -> None:
    (tree / gone).unlink()
    with pytest.raises(UserError, match=said):
        built_tree(tree, Store(tmp_path / "store"))


def test_image_of_another_release(tree: Path, tmp_path: Path) -> None:
    write(tree, {given.IMAGE: image_of("6.12.0")})
    with pytest.raises(UserError, match=r"bzImage is 6\.12\.0, but .* is configured as 6\.13\.0"):
        built_tree(tree, Store(tmp_path / "store"))


def test_modules_of_a_tree_are_found_and_say_whom_they_need(
    tree: Path, tmp_path: Path, source: KernelSource
) -> None:
    """As a boot and a build of modules ask for."""
    names = ("drivers/vhost/vhost", "drivers/vhost/vhost_iotlb", "drivers/net/tap")
    for name in names:
        packed = next((source.modules / "kernel").glob(f"{name}.ko*"))
        write(tree, {f"{name}.ko": unpacked(packed)[1]})
    write(tree, {"modules.order": "".join(f"{name}.o\n" for name in names)})
    kernel = built_tree(tree, Store(tmp_path / "store"))
    assert users_of(kernel, "vhost_iotlb") == {"vhost"}
    recipe = replace(read_recipe(), boot_modules=("vhost",), may_lack=())
    assert b"vhost_iotlb.ko" in initrd(b"", kernel.modules.parents[2], RELEASE, recipe)


def test_entry_that_an_earlier_ksuite_has_made_is_not_taken(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had no list of what its modules depend on."""
    store = Store(tmp_path / "store")
    before = built_tree(tree, store).image
    monkeypatch.setattr(given, "FORMAT", "1")
    assert built_tree(tree, store).image != before


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("# Linux/arm64 6.13.0 Kernel Configuration\n", "is configured for arm64: a DUT is x86-64"),
        ("# Linux/i386 6.13.0 Kernel Configuration\n", "is configured for 32-bit x86"),
        (CONFIG.replace("X86_64", "X86_32"), "is configured for 32-bit x86"),
        ("", "is configured for another architecture"),
        (CONFIG.replace("gcc (Debian) 12", ""), "does not say what compiles it"),
        (
            CONFIG.replace("gcc (Debian)", "Debian clang version"),
            "was built by 'Debian clang version 12', and ksuite builds modules with gcc only",
        ),
    ],
)
def test_tree_that_is_for_or_by_something_else(
    tree: Path, tmp_path: Path, config: str, said: str
) -> None:
    """Whatever else it lacks."""
    if "configured for" in said:
        (tree / given.IMAGE).unlink()
    write(tree, {".config": config, given.AUTO: ""})
    with pytest.raises(UserError, match=re.escape(said)):
        built_tree(tree, Store(tmp_path / "store"))


def test_tree_that_was_configured_anew(tree: Path, tmp_path: Path) -> None:
    later = (tree / given.AUTO).stat().st_mtime + 1
    os.utime(tree / ".config", (later, later))
    with pytest.raises(UserError, match="was configured anew since it was built: run make there"):
        built_tree(tree, Store(tmp_path / "store"))


def test_tree_that_changes_while_it_is_used(tree: Path, tmp_path: Path) -> None:
    kernel = built_tree(tree, Store(tmp_path / "store"))
    assert kernel.tree
    must_be_as_read(kernel.tree, "mine")
    write(tree, {"net/a/b.c": "new"})
    with pytest.raises(UserError, match="mine was changed while it was used"):
        must_be_as_read(kernel.tree, "mine")
    (tree / ".config").unlink()
    must_be_as_read(kernel.tree, "a source that has a key of another kind")


def test_tree_of_which_no_whole_kernel_can_be_built(tree: Path) -> None:
    with pytest.raises(UserError, match=r"^no whole kernel .* from mine, .*; give a source tar"):
        must_be_clean(tree, "mine")
    (tree / ".git").mkdir()
    with pytest.raises(UserError, match=r"^needs it; and no whole kernel .*; give mine@REV"):
        must_be_clean(tree, "mine", "needs it")
    (tree / ".config").unlink()
    must_be_clean(tree, "mine")
