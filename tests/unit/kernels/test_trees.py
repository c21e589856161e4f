# SPDX-License-Identifier: GPL-2.0-or-later
"""Revisions of a git tree, checked out beside it."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import InfrastructureError, UserError
from ksuite.kernels.store import Store
from ksuite.kernels.trees import PARTS, Tree, checked_out, must_be_kernel

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

MAKEFILE = "# SPDX\nVERSION = 6\nPATCHLEVEL = 13\nSUBLEVEL = 0\nEXTRAVERSION = -rc2\n"


def git(repository: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", repository, "-c", "user.name=x", "-c", "user.email=x@y", *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def commit(repository: Path, files: dict[str, str]) -> str:
    for name, text in files.items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(text)
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "x")
    return git(repository, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    top = tmp_path / "linux"
    top.mkdir()
    git(top, "init", "-q")
    kernel = {name: "" for name in PARTS if "/" not in name}
    commit(top, kernel | {"Makefile": MAKEFILE, "arch/x86/Kconfig": "", "a.c": "1", "b.c": "1"})
    git(top, "tag", "first")
    commit(top, {"a.c": "2", "c.c": "1"})
    return top


@pytest.fixture
def look(repository: Path, tmp_path: Path) -> Callable[[str], dict[str, tuple[str, int]]]:
    """Return what a revision has: the content and the time of each file."""
    store = Store(tmp_path / "store")

    def look(revision: str) -> dict[str, tuple[str, int]]:
        with checked_out(repository, revision, store, lambda _: None) as tree:
            assert tree.version == "6.13.0"
            return {
                path.name: (path.read_text(), path.stat().st_mtime_ns)
                for path in tree.path.glob("*.c")
            }

    return look


def test_only_what_differs_is_written(look: Callable[[str], dict[str, tuple[str, int]]]) -> None:
    """Or make would compile all of it again."""
    first, second, again = look("first"), look("HEAD"), look("first")
    assert {name: text for name, (text, _) in first.items()} == {"a.c": "1", "b.c": "1"}
    assert {name: text for name, (text, _) in second.items()} == {
        "a.c": "2",
        "b.c": "1",
        "c.c": "1",
    }
    assert {name: text for name, (text, _) in again.items()} == {"a.c": "1", "b.c": "1"}
    assert first["b.c"] == second["b.c"] == again["b.c"]
    assert again["a.c"][1] > first["a.c"][1]


def test_key_is_of_the_content(repository: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    keys = []
    for revision in ("first", "HEAD"):
        with checked_out(repository, revision, store, lambda _: None) as tree:
            keys.append((tree.key, tree.origin))
    assert keys[0][0] != keys[1][0]
    assert keys[0][1] == keys[1][1]
    assert keys[0][0] == git(repository, "rev-parse", "first^{tree}")


def test_whatever_the_umask_all_can_read_it(repository: Path, tmp_path: Path) -> None:
    """One that an earlier ksuite left otherwise is written again."""
    before = os.umask(0o077)
    try:
        store = Store(tmp_path / "store")
        with checked_out(repository, "HEAD", store, lambda _: None) as tree:
            top = tree.path
        for _ in range(2):
            assert {oct(path.stat().st_mode & 0o777) for path in top.rglob("*.c")} == {"0o644"}
            assert top.stat().st_mode & 0o777 == (top / "arch").stat().st_mode & 0o777 == 0o755
            top.chmod(0o700)
            (top / "a.c").chmod(0o600)
            with checked_out(repository, "HEAD", store, lambda _: None) as tree:
                assert tree.path == top
    finally:
        os.umask(before)


def test_nothing_of_the_repository_is_run_or_written(repository: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\ncat\n")
    trap.chmod(0o755)
    for name in ("post-checkout", "post-index-change"):
        (repository / ".git" / "hooks" / name).symlink_to(trap)
    for option in ("core.fsmonitor", "filter.x.smudge"):
        git(repository, "config", option, str(trap))
    commit(repository, {".gitattributes": "* filter=x\n"})
    (tmp_path / "sprung").unlink(missing_ok=True)
    (repository / "a.c").write_text("dirty")
    before = sorted((path, path.stat().st_mtime_ns) for path in repository.rglob("*"))
    with checked_out(repository, "HEAD", Store(tmp_path / "store"), lambda _: None) as tree:
        assert (tree.path / "a.c").read_text() == "2"
    assert sorted((path, path.stat().st_mtime_ns) for path in repository.rglob("*")) == before
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("revision", "said"), [("nowhere", "does not exist"), ("--help", "is no revision")]
)
def test_revision_that_is_not_there(repository: Path, revision: str, said: str) -> None:
    with (
        pytest.raises(UserError, match=said),
        checked_out(repository, revision, Store(repository / "s"), lambda _: None),
    ):
        pass


def test_repository_that_is_none(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        with (
            pytest.raises(UserError, match="is not a git tree"),
            checked_out(place, "HEAD", Store(tmp_path / "store"), lambda _: None),
        ):
            pass


def test_revision_that_is_no_kernel(repository: Path, tmp_path: Path) -> None:
    git(repository, "rm", "-q", "Kbuild")
    commit(repository, {"x": ""})
    with (
        pytest.raises(UserError, match="@HEAD is no kernel tree: it has no Kbuild"),
        checked_out(repository, "HEAD", Store(tmp_path / "store"), lambda _: None),
    ):
        pass
    with pytest.raises(UserError, match="mine is no kernel tree: it has no Makefile, Kbuild"):
        must_be_kernel(tmp_path, "mine")


def test_interrupted_checkout_is_made_up_for(
    repository: Path, look: Callable[[str], dict[str, tuple[str, int]]], tmp_path: Path
) -> None:
    look("first")
    (place,) = (tmp_path / "store" / "checkout").iterdir()
    (place / "git" / "index.lock").touch()
    (place / "begun").touch()
    (place / "source" / "a.c").write_text("half")
    (place / "source" / "of-another-revision.c").write_text("half")
    seen = look("HEAD")
    assert seen["a.c"][0] == "2"
    assert seen.keys() == {"a.c", "b.c", "c.c"}
    assert repository.is_dir()


def test_disk_full(
    repository: Path, tiny_disk: Callable[[str], AbstractContextManager[Path]]
) -> None:
    """A checkout that breaks off leaves nothing, and the next one that fits is whole."""
    commit(repository, {"large.c": "/* */\n" * 300_000})
    with tiny_disk("1m") as directory:
        store = Store(directory / "store")
        with (
            pytest.raises(InfrastructureError, match=r"disk full in the store at .* set KSUITE_ST"),
            checked_out(repository, "HEAD", store, lambda _: None),
        ):
            pass
        assert [path.name for path in (store.root / "checkout").rglob("*")] == []
        with checked_out(repository, "first", store, lambda _: None) as tree:
            assert (tree.path / "a.c").read_text() == "1"


def test_store_that_is_no_directory(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(InfrastructureError, match="can't be written"),
        checked_out(repository, "HEAD", Store(tmp_path / "file"), lambda _: None),
    ):
        pass


def test_damaged_repository(repository: Path, tmp_path: Path) -> None:
    blob = git(repository, "rev-parse", "HEAD:a.c")
    (repository / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with (
        pytest.raises(InfrastructureError, match="git can't check"),
        checked_out(repository, "HEAD", Store(tmp_path / "store"), lambda _: None),
    ):
        pass


def test_version_without_extra(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("VERSION = 5\nPATCHLEVEL = 10\n")
    assert Tree(tmp_path, "", "").version == "5.10.0"
