# SPDX-License-Identifier: GPL-2.0-or-later
"""What belongs to a module's source, and what somebody's repository can't make of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import ExitCode, UserError
from ksuite.kernels import modulesource
from ksuite.kernels.modulesource import File, ModuleSource, read_module
from tests.git import asked, git

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

WRITTEN = File(b"evil\n")


def new_repository(top: Path, files: Mapping[str, str]) -> Path:
    top.mkdir()
    git(top, "init", "--quiet", "--initial-branch=main")
    for name, text in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text)
    git(top, "add", "--all")
    git(top, "commit", "--quiet", "-m", "first")
    return top


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    files = {"Kbuild": "obj-m := a.o\n", "a.c": "a\n", "d/b.c": "b\n", ".gitignore": "*.o\n"}
    return new_repository(tmp_path / "repository", files)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    top = tmp_path / "directory"
    (top / "d").mkdir(parents=True)
    (top / "Kbuild").write_text("obj-m := a.o\n")
    (top / "d/run").write_text("#!/bin/sh\n")
    (top / "d/run").chmod(0o755)
    (top / "link").symlink_to("d/run")
    (top / "linked").symlink_to("d")
    return top


def refuse(top: Path, says: str, revision: str = "") -> None:
    """Check that a source is refused in one line and with the exit code of bad usage."""
    with pytest.raises(UserError, match=says) as caught:
        read_module(top, revision)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == ExitCode.USAGE


def test_a_directory_as_it_is(directory: Path) -> None:
    source = read_module(directory)
    assert source.name == modulesource.AS_IT_IS
    assert source.files == {
        "Kbuild": File(b"obj-m := a.o\n"),
        "d/run": File(b"#!/bin/sh\n", executable=True),
        "link": File(b"d/run", link=True),
        "linked": File(b"d", link=True),
    }


def test_what_tools_leave_there_is_no_part_of_it(directory: Path) -> None:
    before = read_module(directory).files
    for name in (".tox", ".venv", "d/__pycache__"):
        (directory / name).mkdir()
        (directory / name / "file").touch()
    assert read_module(directory).files == before


@pytest.mark.parametrize("kind", ["repository", "directory"])
def test_what_a_gate_leaves_there_is_no_part_of_it(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    top: Path = request.getfixturevalue(kind)
    before = read_module(top)
    for name in ("results/gate/x.log", "d/__pycache__/x.pyc", ".pytest_cache/y", ".ksuite/big"):
        (top / name).parent.mkdir(parents=True)
        (top / name).touch()
    (top / "linked-store").symlink_to(tmp_path)
    (top / "results/mine.c").touch()
    ours = [top / "results/gate", top / ".ksuite", top / "linked-store", tmp_path]
    (tmp_path / "link").symlink_to(top)
    for place in (top, tmp_path / "link"):
        assert sorted(set(read_module(place, "", ours).files) - set(before.files)) == (
            ["results/mine.c"]
        )


def test_what_is_tracked_is_part_of_it_wherever_it_is(repository: Path) -> None:
    (repository / "results").mkdir()
    (repository / "results/kept.c").touch()
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "-m", "second")
    (repository / "results/x.log").touch()
    assert read_module(repository, "", [repository / "results"]).key == (
        read_module(repository, "HEAD").key
    )


def test_it_is_written_as_it_was_read(directory: Path, tmp_path: Path) -> None:
    source = read_module(directory)
    source.write(tmp_path / "copy")
    assert read_module(tmp_path / "copy") == source
    modes = [(tmp_path / "copy" / name).stat().st_mode & 0o777 for name in ("Kbuild", "d/run")]
    assert modes == [0o644, 0o755]


def test_a_work_tree_is_what_git_tracks_or_would(repository: Path) -> None:
    (repository / "a.o").touch()
    (repository / "new.c").write_text("new\n")
    (repository / "a.c").write_text("changed\n")
    (repository / "d/b.c").unlink()
    files = read_module(repository).files
    assert sorted(files) == [".gitignore", "Kbuild", "a.c", "new.c"]
    assert files["a.c"].content == b"changed\n"


def test_below_the_top_git_is_asked_too(repository: Path) -> None:
    below = repository / "d"
    (below / "old.o").write_text("ignored")
    (below / "new.c").write_text("not yet added")
    assert set(read_module(below).files) == {"b.c", "new.c"}


def test_a_directory_that_git_ignores_is_taken_as_it_is(repository: Path) -> None:
    below = repository / "apart"
    below.mkdir()
    (repository / ".gitignore").write_text("apart\n")
    (below / "a.c").write_text("a")
    assert set(read_module(below).files) == {"a.c"}


def test_a_revision_is_what_was_committed(repository: Path) -> None:
    (repository / "a.c").write_text("changed\n")
    (repository / "new.c").touch()
    source = read_module(repository, "main")
    assert source.name == f"main ({asked(repository, 'rev-parse', 'main')[:12]})"
    assert sorted(source.files) == [".gitignore", "Kbuild", "a.c", "d/b.c"]
    assert source.files["a.c"].content == b"a\n"


def test_links_and_executables_of_a_revision(repository: Path) -> None:
    (repository / "a.c").chmod(0o755)
    (repository / "link").symlink_to("a.c")
    (repository / "empty").touch()
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "-m", "second")
    source = read_module(repository, "HEAD")
    assert source.files["a.c"] == File(b"a\n", executable=True)
    assert source.files["link"] == File(b"a.c", link=True)
    assert source.files["empty"] == File(b"")
    assert source.key == read_module(repository).key
    assert source.key != read_module(repository, "HEAD~1").key


def test_a_revision_of_a_directory_below_the_top(repository: Path, tmp_path: Path) -> None:
    (repository / "d/b.c").write_text("changed\n")
    assert read_module(repository / "d", "main").files == {"b.c": File(b"b\n")}
    (tmp_path / "link").symlink_to(repository / "d")
    assert read_module(tmp_path / "link", "main").files == {"b.c": File(b"b\n")}
    (repository / "new/deep").mkdir(parents=True)
    assert read_module(repository / "new/deep", "main").files == {}
    refuse(repository / "d", "revision 'none' does not exist", "none")


def test_another_repository_in_it_is_left_out(repository: Path, tmp_path: Path) -> None:
    other = new_repository(tmp_path / "other", {"x.c": "x\n"})
    before = sorted(read_module(repository).files)
    new_repository(repository / "untracked", {"x.c": "x\n"})
    assert sorted(read_module(repository).files) == before
    add = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other), "sub")
    git(repository, *add)
    git(repository, "commit", "--quiet", "-m", "second")
    for revision in ("", "HEAD"):
        assert sorted(read_module(repository, revision).files) == [".gitignore", ".gitmodules"] + [
            name for name in before if name != ".gitignore"
        ]


def test_the_key_is_of_what_is_in_it(directory: Path) -> None:
    key = read_module(directory).key
    for path in directory.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    (directory / "Kbuild").chmod(0o600)
    assert read_module(directory).key == key
    keys = {key}
    (directory / "Kbuild").write_text("obj-m := b.o\n")
    keys.add(read_module(directory).key)
    (directory / "d/run").chmod(0o644)
    keys.add(read_module(directory).key)
    (directory / "link").unlink()
    (directory / "link").write_text("d/run")
    keys.add(read_module(directory).key)
    (directory / "link").rename(directory / "other")
    keys.add(read_module(directory).key)
    assert len(keys) == 5


def test_no_such_source(repository: Path, directory: Path) -> None:
    refuse(directory / "none", "none is no directory")
    refuse(directory / "Kbuild", "Kbuild is no directory")
    refuse(repository, "revision 'none' does not exist", "none")
    refuse(repository, "'--all' is no revision", "--all")
    refuse(directory, "is not a git tree", "main")


def test_nothing_is_read_through_a_linked_directory(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    (tmp_path / "away/b.c").write_text("secret\n")
    (repository / "d/b.c").unlink()
    (repository / "d").rmdir()
    (repository / "d").symlink_to(tmp_path / "away")
    # Git says "d" as well as "d/b.c", which is in its index.
    refuse(repository, r"d/b\.c can't be read: Too many levels of symbolic links")


def test_what_is_no_file_is_refused(directory: Path) -> None:
    os.mkfifo(directory / "fifo")
    refuse(directory, "fifo can't be read: it is no regular file")


@pytest.mark.parametrize("revision", ["", "HEAD"])
def test_too_large(revision: str, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = sum(len(file.content) for file in read_module(repository, revision).files.values())
    monkeypatch.setattr(modulesource, "MOST_BYTES", size)
    read_module(repository, revision)
    monkeypatch.setattr(modulesource, "MOST_BYTES", size - 1)
    refuse(repository, "has more than 0 MiB in it", revision)


def committed(repository: Path, tree: bytes) -> str:
    """Commit a tree as no git would make it."""
    made = asked(
        repository, "hash-object", "-w", "-t", "tree", "--stdin", "--literally", stdin=tree
    )
    return asked(repository, "commit-tree", "-m", "evil", made)


def entry(repository: Path, mode: str, name: str, content: bytes) -> bytes:
    kind = "tree" if mode == "40000" else "blob"
    made = asked(
        repository, "hash-object", "-w", "-t", kind, "--stdin", "--literally", stdin=content
    )
    return f"{mode} {name}\0".encode() + bytes.fromhex(made)


@pytest.mark.parametrize("name", ["..", ".", "/tmp/ks-evil", "a/../../b", "a//b"])  # noqa: S108
def test_a_tree_that_leads_out_of_its_directory(name: str, repository: Path) -> None:
    inner = entry(repository, "100644", "evil", b"evil\n")
    commit = committed(repository, entry(repository, "40000", name, inner))
    refuse(repository, "evil' is no file below it", commit)


def test_a_tree_that_leads_through_its_own_link(repository: Path, tmp_path: Path) -> None:
    """The link would be made first, and the file written to where it leads."""
    away = tmp_path / "away"
    away.mkdir()
    inner = entry(repository, "100644", "evil", b"evil\n")
    tree = entry(repository, "120000", "a", os.fsencode(away))
    commit = committed(repository, tree + entry(repository, "40000", "a", inner))
    refuse(repository, "'a/evil' is no file below it", commit)
    # That is what would come of it.
    files = {"a": File(os.fsencode(away), link=True), "a/evil": WRITTEN}
    ModuleSource("evil", files).write(tmp_path / "copy")
    assert (away / "evil").read_bytes() == WRITTEN.content


def test_a_tree_deeper_than_can_be_made(repository: Path) -> None:
    tree = entry(repository, "100644", "evil", b"evil\n")
    for _ in range(300):
        tree = entry(repository, "40000", "d", tree)
    refuse(repository, "is no file below it", committed(repository, tree))


def test_a_repository_that_lacks_a_file(repository: Path) -> None:
    blob = asked(repository, "rev-parse", "HEAD:a.c")
    (repository / ".git/objects" / blob[:2] / blob[2:]).unlink()
    refuse(repository, r"doesn't have all of HEAD: 'a\.c' is missing", "HEAD")


@pytest.mark.parametrize(
    "key", ["core.fsmonitor", "core.pager", "filter.x.clean", "alias.ls-files"]
)
def test_nothing_of_the_repositorys_is_run(key: str, repository: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    git(repository, "config", key, f"touch {ran}; cat")
    (repository / ".gitattributes").write_text("* filter=x\n")
    if key == "core.fsmonitor":
        git(repository, "status")
        assert ran.exists(), "git ran it by itself"
        ran.unlink()
    for revision in ("", "HEAD"):
        read_module(repository, revision)
    assert not ran.exists()
