# SPDX-License-Identifier: GPL-2.0-or-later
"""Modules see what a series makes of the kernel's own headers, where it may change them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import NeedsFullBuild
from ksuite.kernels.build import build_modules
from ksuite.kernels.diff import touched_files
from ksuite.kernels.plan import ModuleTarget
from ksuite.kernels.series import Patch
from ksuite.kernels.store import Store
from ksuite.kernels.trees import Tree

if TYPE_CHECKING:
    from pathlib import Path

    from ksuite.kernels.source import KernelSource

SHARED = "include/linux/shared.h"
MAKEFILE = """\
.RECIPEPREFIX = >
%.ko:
> {compiler} $(KCFLAGS) -shared -nostdlib $(LDFLAGS_MODULE:%=-Wl,%) -Iinclude \\
  -o $(M)/$@ $(M)/$(@:.ko=.c)
> touch $(M)/Module.symvers
"""
TARGETS = [ModuleTarget(name, f"d/{name}", (), f"{name}.ko") for name in ("one", "two")]


@pytest.fixture
def kernel(source: KernelSource, tmp_path: Path) -> KernelSource:
    """Return a kernel of two modules in two directories, which read one header."""
    tree, headers = tmp_path / "tree", tmp_path / "headers"
    texts = {
        headers / "Makefile": MAKEFILE.format(compiler=source.compiler.partition(" ")[0]),
        headers / "Module.symvers": "",
        tmp_path / "modules.dep": "",
        tmp_path / "config": "",
        tmp_path / "dependencies.json": "",
        tree / "net/core/own.h": "old\n",
    }
    for top in (tree, headers):
        texts[top / SHARED] = '#define TEXT "as it was"\n'
    for name in ("one", "two"):
        code = f'#include <linux/shared.h>\nconst char *{name}(void) {{ return TEXT " {name}"; }}\n'
        texts[tree / f"d/{name}/{name}.c"] = code
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return replace(
        source,
        config=tmp_path / "config",
        headers=headers,
        modules=tmp_path,
        tarball=None,
        tree=Tree(tree, "5eed", "0r161n"),
        dependencies=tmp_path / "dependencies.json",
    )


def changed(file: str, old: str, new: str) -> Patch:
    text = f"--- a/{file}\n+++ b/{file}\n@@ -1 +1 @@\n-{old}\n+{new}\n".encode()
    return Patch("edit.patch", "an edit", text, touched_files(text, "edit.patch"))


HEADER = changed(SHARED, '#define TEXT "as it was"', '#define TEXT "as it shall be"')


def built(kernel: KernelSource, store: Path, *patches: Patch) -> list[bytes]:
    assert kernel.tree is not None
    build = build_modules(kernel, kernel.tree.path, TARGETS, patches, Store(store))
    return [module.path.read_bytes() for module in build.modules]


def test_changed_header_is_what_all_modules_see(kernel: KernelSource, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in kernel.headers.rglob("*") if path.is_file()}
    for number, module in zip(("one", "two"), built(kernel, tmp_path / "s"), strict=True):
        assert f"as it was {number}\0".encode() in module
    for number, module in zip(("one", "two"), built(kernel, tmp_path / "s", HEADER), strict=True):
        assert f"as it shall be {number}\0".encode() in module
        assert b"as it was" not in module
    assert {path: path.read_bytes() for path in before} == before


def test_nobody_knows_what_else_reads_it(kernel: KernelSource, tmp_path: Path) -> None:
    unknown = replace(kernel, dependencies=None)
    with pytest.raises(NeedsFullBuild, match=r"shared\.h is outside of what gets built"):
        built(unknown, tmp_path / "s", HEADER)


def test_header_that_is_not_among_the_kernels(kernel: KernelSource, tmp_path: Path) -> None:
    other = changed("net/core/own.h", "old", "new")
    with pytest.raises(NeedsFullBuild, match=r"own\.h is outside of what gets built"):
        built(kernel, tmp_path / "s", HEADER, other)
