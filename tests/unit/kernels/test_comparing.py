# SPDX-License-Identifier: GPL-2.0-or-later
"""Patches made of what differs from a tree, and put on it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.errors import DoesNotApply
from ksuite.kernels.comparing import as_patch
from ksuite.kernels.patching import changed_files
from ksuite.kernels.series import Patch, read_series

if TYPE_CHECKING:
    from pathlib import Path

CHANGED = {"a/kept.c": b"one\nTWO\n", "a/new.h": b"x\n", "a/gone.c": None, "end.c": b"no newline"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "tree"
    (top / "a").mkdir(parents=True)
    (top / "a" / "kept.c").write_text("one\ntwo\n", encoding="utf-8")
    (top / "a" / "gone.c").write_text("three\n", encoding="utf-8")
    (top / "end.c").write_text("newline\n", encoding="utf-8")
    return top


def read(text: bytes, place: Path) -> tuple[Patch, ...]:
    place.write_bytes(text)
    return read_series(str(place)).patches


def test_patch_makes_of_a_tree_what_was_asked_for(tree: Path, tmp_path: Path) -> None:
    patches = read(as_patch(tree, CHANGED), tmp_path / "all.patch")
    assert changed_files(tree, patches) == CHANGED


def test_nothing_is_an_empty_patch(tree: Path) -> None:
    assert as_patch(tree, {}) == b""
    assert as_patch(tree, {"a/kept.c": b"one\ntwo\n"}) == b""


def test_patches_on_top_of_what_differs_already(tree: Path, tmp_path: Path) -> None:
    own = {"a/kept.c": b"one\ntwo\nthree\n", "b.c": b"new\n"}
    edit = read(as_patch(tree, {"a/kept.c": b"ONE\ntwo\n"}), tmp_path / "edit.patch")
    assert changed_files(tree, edit, onto=own) == {"a/kept.c": b"ONE\ntwo\nthree\n"}
    # One that takes back what differs leaves the tree's own content.
    back = tmp_path / "back.patch"
    back.write_text(
        "--- a/a/kept.c\n+++ b/a/kept.c\n@@ -1,3 +1,2 @@\n one\n two\n-three\n", encoding="utf-8"
    )
    patches = read_series(str(back)).patches
    assert changed_files(tree, patches, onto=own) == {"a/kept.c": b"one\ntwo\n"}


def test_patches_for_what_is_gone(tree: Path, tmp_path: Path) -> None:
    edit = read(as_patch(tree, {"a/gone.c": b"3\n"}), tmp_path / "edit.patch")
    with pytest.raises(DoesNotApply, match=r"a/gone\.c, which the patches touch, is not there"):
        changed_files(tree, edit, onto={"a/gone.c": None})
