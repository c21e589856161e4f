# SPDX-License-Identifier: GPL-2.0-or-later
"""From a name to a kernel, where what the name stands for can't be read."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import InfrastructureError, KsuiteError, UserError
from ksuite.kernels import sources
from ksuite.kernels.fragments import Configuration
from ksuite.kernels.sources import find_source, must_be_known
from ksuite.kernels.store import Store
from ksuite.kernels.trees import Tree

if TYPE_CHECKING:
    from pathlib import Path


def find(name: str, store: Path) -> None:
    find_source(name, Store(store), Configuration((), ()), ExitStack())


@pytest.mark.parametrize("name", ["x" * 5000, f"{'x' * 5000}@HEAD", f"{'x' * 5000}.tar.xz"])
def test_name_that_is_too_long(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="File name too long") as caught:
        find(name, tmp_path / "store")
    assert len(str(caught.value)) < 500
    if "@" not in name and "." not in name:
        with pytest.raises(UserError, match="File name too long"):
            must_be_known(name)


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        ("PermissionError(13, 'Permission denied', f'{top}/.config')", UserError, r"tree/\.config"),
        ("FileNotFoundError(2, 'No such file', f'{top}/modules.builtin')", UserError, r"builtin"),
        ("OSError(5, 'Input/output error', '/elsewhere')", InfrastructureError, "/elsewhere"),
        ("OSError(24, 'Too many open files')", InfrastructureError, "Too many open files"),
        ("UnicodeDecodeError('utf-8', b'x', 0, 1, 'invalid')", UserError, "is none: 'utf-8'"),
        ("ValueError('too few values')", InfrastructureError, "too few values"),
    ],
    ids=["denied", "missing", "disk", "files", "text", "value"],
)
def test_tree_that_can_not_be_read(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: str,
    kind: type[KsuiteError],
    said: str,
) -> None:
    top = tmp_path / "tree"
    top.mkdir()

    def built_tree(*_: object) -> None:
        raise eval(error, {"top": top})  # noqa: S307 (ours, from above)

    monkeypatch.setattr(sources, "built_tree", built_tree)
    with pytest.raises(kind, match=said) as caught:
        find(str(top), tmp_path / "store")
    assert str(top) in str(caught.value)
    assert type(caught.value) is kind


def test_makefile_that_is_no_text_has_a_version(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_bytes(b"VERSION = 6\n# \xff\nPATCHLEVEL = 1\n")
    assert Tree(tmp_path, "5eed", "0r161n").version == "6.1.0"
