# SPDX-License-Identifier: GPL-2.0-or-later
"""From what a user calls a kernel to the kernel, and what none is called."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from ksuite.errors import UserError
from ksuite.kernels import sources
from ksuite.kernels.fragments import Configuration
from ksuite.kernels.sources import find_source, must_be_known, pinned
from ksuite.kernels.store import Store
from ksuite.kernels.trees import PARTS, Tree
from tests.unit.kernels.images import write
from tests.unit.kernels.test_history import Tree as Repository

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def find(name: str, top: Path) -> Any:
    with ExitStack() as held:
        return find_source(name, Store(top / "store"), Configuration((), ()), held)


@pytest.mark.parametrize("name", ["", "@v6.13", "linux@", ",modules", "bzImage,", "@", ","])
def test_names_with_a_part_left_out(name: str, tmp_path: Path) -> None:
    """It would stand for the current directory."""
    with pytest.raises(UserError, match="unknown kernel"):
        must_be_known(name)
    with pytest.raises(UserError, match="unknown kernel"):
        find(name, tmp_path)


@pytest.mark.parametrize(
    ("name", "place", "revision"),
    [
        ("linux@v6.13", "linux", "v6.13"),
        ("linux@user@branch", "linux", "user@branch"),
        ("linux@HEAD@{0}", "linux", "HEAD@{0}"),
        ("with@sign@v6.13", "with@sign", "v6.13"),
        ("nowhere@a@b", "nowhere@a", "b"),
    ],
)
def test_revisions_and_trees_with_a_sign_in_them(
    name: str, place: str, revision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    @contextmanager
    def checked_out(repository: Path, revision: str, *_: object) -> Iterator[Tree]:
        asked.append((repository, revision))
        yield Tree(tmp_path, "", "")

    for directory in ("linux", "with@sign"):
        (tmp_path / directory).mkdir()
    monkeypatch.setattr(sources, "checked_out", checked_out)
    monkeypatch.setattr(sources, "build_kernel", lambda *_: None)
    monkeypatch.setattr(sources, "read_built", lambda *_: "built")
    assert find(f"{tmp_path}/{name}", tmp_path) == "built"
    assert asked == [(tmp_path / place, revision)]


@pytest.mark.parametrize("name", ["linux", "linux@v6.13", "linux.tar"])
def test_what_may_not_be_read(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "linux").mkdir()
    (tmp_path / "linux.tar").touch()
    monkeypatch.setattr(os, "access", lambda *_: False)
    place = tmp_path / name.partition("@")[0]
    with pytest.raises(UserError, match=f"^{place} can't be read: permission denied"):
        find(f"{tmp_path}/{name}", tmp_path)


def test_tarball_of_a_tree_that_was_built_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = tmp_path / "linux"
    write(top, {**{name: "" for name in PARTS if "/" not in name}, ".config": ""})
    write(top, {"arch/x86/Makefile": ""})
    write(tmp_path, {"linux.tar": ""})
    monkeypatch.setattr(sources, "unpack_tarball", lambda *_: Tree(top, "", ""))
    with pytest.raises(UserError, match=r"linux\.tar, which was configured in place"):
        find(f"{tmp_path}/linux.tar", tmp_path)


def test_name_stands_for_the_same_kernel_when_a_branch_moves(tmp_path: Path) -> None:
    tree = Repository(tmp_path / "linux@home")
    name = pinned(f"{tree.path}@main")
    assert name == pinned(name) == f"{tree.path}@{tree.last}"
    tree.commit("more", kept="3")
    assert pinned(f"{tree.path}@main") != name
    assert [pinned(one) for one in ("distro", "debian:6.12")] == ["distro", "debian:6.12"]
    with pytest.raises(UserError, match="revision 'nothing' does not exist"):
        pinned(f"{tree.path}@nothing")
    with pytest.raises(UserError, match="there is no such directory"):
        pinned(f"{tmp_path}/nowhere@main")
