# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels that somebody else has built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.errors import UserError
from ksuite.kernels import given
from ksuite.kernels.dependencies import read_dependencies
from ksuite.kernels.given import built_tree, image_with_modules, release_of_image
from ksuite.kernels.store import Store
from ksuite.kernels.trees import PARTS

if TYPE_CHECKING:
    from pathlib import Path

    from ksuite.kernels.source import KernelSource

RELEASE = "6.13.0-rc2-mine"


def image_of(release: str) -> bytes:
    head = bytearray(0x1000)
    head[given.MAGIC_AT : given.MAGIC_AT + 4] = given.MAGIC
    head[given.VERSION_AT : given.VERSION_AT + 2] = (0x400).to_bytes(2, "little")
    text = f"{release} (x@y) #1 SMP\0".encode()
    head[0x600 : 0x600 + len(text)] = text
    return bytes(head)


def write(top: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(content if isinstance(content, bytes) else content.encode())


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
            ".config": 'CONFIG_CC_VERSION_TEXT="gcc (Debian) 12"\n',
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


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"MZ" + bytes(0x1000), bytes(0x202) + b"Hdr"])
def test_what_is_no_image(tmp_path: Path, content: bytes) -> None:
    """As an image of another architecture is none."""
    (tmp_path / "Image").write_bytes(content)
    with pytest.raises(UserError, match="is no bzImage for x86"):
        release_of_image(tmp_path / "Image")


def test_image_without_a_release(tmp_path: Path) -> None:
    (tmp_path / "bzImage").write_bytes(image_of("?"))
    with pytest.raises(UserError, match="does not say which release"):
        release_of_image(tmp_path / "bzImage")


def test_distros_own_as_image_with_modules(source: KernelSource) -> None:
    kernel = image_with_modules(source.image, source.modules, "mine")
    assert (kernel.release, kernel.config, kernel.tree) == (source.release, source.config, None)


def test_modules_of_another_release(source: KernelSource, tmp_path: Path) -> None:
    (tmp_path / "bzImage").write_bytes(image_of("6.1.0-1-amd64"))
    said = rf"bzImage is 6\.1\.0-1-amd64, but .*\.ko was built for {source.release}"
    with pytest.raises(UserError, match=said):
        image_with_modules(tmp_path / "bzImage", source.modules, "mine")


def test_parts_that_are_not_there(source: KernelSource, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no kernel image"):
        image_with_modules(tmp_path / "none", source.modules, "mine")
    with pytest.raises(UserError, match=r"is no directory of modules: it has no modules\.order"):
        image_with_modules(source.image, tmp_path, "mine")
    (tmp_path / "modules.order").touch()
    lone = tmp_path / "bzImage"
    lone.write_bytes(source.image.read_bytes())
    with pytest.raises(UserError, match=r"the configuration of .* is not there"):
        image_with_modules(lone, tmp_path, "mine")
