# SPDX-License-Identifier: GPL-2.0-or-later
"""Ranges of git trees, read without trusting the tree."""

from __future__ import annotations

import subprocess
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import UserError
from ksuite.kernels.history import GONE, Change, Commit, History, read_history

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("-c", "user.name=a", "-c", "user.email=a@example.org")


class Tree:
    """A git tree with a branch that is merged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.git("init", "-q", "-b", "main")
        self.first = self.commit("first", kept="1", gone="1")
        self.second = self.commit("second", kept="2")
        self.git("switch", "-q", "-c", "side", self.first)
        self.side = self.commit("on the side", other="1")
        self.git("switch", "-q", "main")
        self.git("merge", "-q", "--no-ff", "-m", "merge", "side")
        self.merge = self.git("rev-parse", "HEAD")
        self.git("rm", "-q", "gone")
        self.last = self.commit("last", kept="1")

    def git(self, *words: str) -> str:
        command = ["git", *NAMES, *words]
        done = subprocess.run(command, cwd=self.path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, subject: str, **files: str) -> str:
        for name, text in files.items():
            (self.path / name).write_text(text, encoding="utf-8")
        self.git("add", "--all")
        self.git("commit", "-q", "-m", subject)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "tree")


def subjects(history: History) -> list[str]:
    return [commit.subject for commit in history.commits]


def test_commits_come_behind_their_parents(tree: Tree) -> None:
    with read_history(tree.path, tree.first, "main") as history:
        assert sorted(subjects(history)) == ["last", "merge", "on the side", "second"]
        assert subjects(history)[-2:] == ["merge", "last"]
        assert history.bases == (tree.first,)
        places = history.places
        assert sorted(history.parents[places[tree.merge]]) == [0, 1]
        assert history.parents[places[tree.second]] == []


def test_states_are_told_by_what_differs_from_the_good_end(tree: Tree) -> None:
    with read_history(tree.path, tree.first, "main") as history:
        read = {
            one: {
                file: history.content(blob) if blob else GONE
                for file, blob in history.state(one).items()
            }
            for one in (tree.first, tree.second, tree.side, tree.merge, tree.last)
        }
    assert read == {
        tree.first: {},
        tree.second: {"kept": b"2"},
        tree.side: {"other": b"1"},
        tree.merge: {"kept": b"2", "other": b"1"},
        # What is as it was there again is no difference.
        tree.last: {"other": b"1", "gone": GONE},
    }


def test_parents_before_the_range_have_states_too(tree: Tree) -> None:
    """The side began before the good end, and never had what that has."""
    with read_history(tree.path, tree.second, "main") as history:
        assert "on the side" in subjects(history)
        first = history.state(tree.first)
        assert history.content(first["kept"]) == b"1"


def test_good_end_on_a_branch_of_its_own(tree: Tree) -> None:
    with read_history(tree.path, "side", tree.second) as history:
        assert history.bases == (tree.first,)
        assert subjects(history) == ["second"]
        assert history.state(tree.second).keys() == {"kept", "other"}
        assert history.state(tree.last).keys() == {"gone"}


def test_files_and_patches(tree: Tree) -> None:
    with read_history(tree.path, tree.first, "main") as history:
        assert history.files(tree.first).keys() == {"kept", "gone"}
        assert history.tree_of(tree.first) == tree.git("rev-parse", f"{tree.first}^{{tree}}")
        shown = history.patch(tree.merge).decode()
    assert "merge" in shown
    assert "+1" in shown


def test_neither_work_tree_nor_configuration_matter(tree: Tree) -> None:
    (tree.path / "kept").write_text("not committed", encoding="utf-8")
    ran = tree.path.parent / "ran"
    tree.git("config", "core.fsmonitor", f"touch {ran}")
    tree.git("config", "diff.external", f"touch {ran}")
    tree.git("config", "log.showSignature", "true")
    with read_history(tree.path, tree.first, "main") as history:
        assert len(history.commits) == 4
        history.state(tree.last)
        history.patch(tree.last)
    assert not ran.exists()
    assert (tree.path / "kept").read_text(encoding="utf-8") == "not committed"


def test_subjects_and_names_may_be_anything(tree: Tree) -> None:
    name = 'a "b"\n:100644 c\té'
    (tree.path / name).write_text("x", encoding="utf-8")
    tree.git("add", "--all")
    tree.git("commit", "-q", "-m", ":100644 100644 no change <script>\x1b[31m")
    with read_history(tree.path, tree.last, "main") as history:
        [commit] = history.commits
    assert commit.subject.startswith(":100644")
    assert [change.file for change in commit.changes] == [name]


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("main", "main", "the same commit"),
        ("main", "side", "are they swapped"),
        ("nowhere", "main", "'nowhere' does not exist"),
        ("main", "-x", "is no revision"),
    ],
)
def test_ends_that_make_no_range(tree: Tree, good: str, bad: str, said: str) -> None:
    with pytest.raises(UserError, match=said), read_history(tree.path, good, bad):
        pass


def test_ends_that_have_nothing_in_common(tree: Tree) -> None:
    tree.git("switch", "-q", "--orphan", "alone")
    tree.commit("alone", kept="9")
    said = "no common ancestor"
    with pytest.raises(UserError, match=said), read_history(tree.path, "main", "alone"):
        pass


def test_no_tree(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a git tree"), read_history(tmp_path, "a", "b"):
        pass
    with pytest.raises(UserError, match="no such dir"), read_history(tmp_path / "x", "a", "b"):
        pass


def test_shallow_clone(tree: Tree, tmp_path: Path) -> None:
    url = f"file://{tree.path}"
    shallow = tmp_path / "shallow"
    subprocess.run(["git", "clone", "-q", "--depth=2", url, shallow], check=True)
    said = "shallow or partial clone|no common ancestor|does not exist"
    with pytest.raises(UserError, match=said), read_history(shallow, tree.first, "main"):
        pass


def test_only_files_that_count_are_part_of_a_state(tree: Tree) -> None:
    with read_history(tree.path, tree.first, "main") as history:
        assert history.touched() == {"kept", "other", "gone"}
        assert history.state(tree.merge, frozenset({"other"})).keys() == {"other"}


def test_commits_that_differ_from_all_of_their_parents(tree: Tree) -> None:
    tree.git("switch", "-q", "-c", "beside", tree.second)
    tree.commit("beside", kept="3", beside="1")
    tree.git("switch", "-q", "main")
    tree.git("merge", "-q", "--no-ff", "-s", "ours", "-m", "ours", "beside")
    (tree.path / "kept").chmod(0o755)
    tree.commit("another mode")
    with read_history(tree.path, tree.first, "main") as history:

        def told(*files: str) -> set[str]:
            names = history.tells(frozenset(files))
            return {one.subject for one in history.commits if one.id in names}

        assert told("kept") == {"second", "last", "beside"}
        # Each of its parents has one of them, and not the other.
        assert told("kept", "other") == {"second", "on the side", "merge", "last", "beside"}
        assert told("gone") == {"last"}


def test_commit_without_a_parent_has_nothing_of_the_good_end(tree: Tree) -> None:
    tree.git("switch", "-q", "--orphan", "alone")
    alone = tree.commit("alone", other="9")
    tree.git("switch", "-q", "main")
    tree.git("merge", "-q", "--no-ff", "-s", "ours", "--allow-unrelated-histories", "alone")
    with read_history(tree.path, tree.first, "main") as history:
        state = history.state(alone)
        assert state.keys() == {"kept", "gone", "other"}
        assert (state["kept"], state["gone"]) == (GONE, GONE)
        assert alone in history.tells(frozenset({"kept"}))


def test_states_of_a_long_history_take_little_room(tmp_path: Path) -> None:
    """Each holds all that its parents changed."""
    count = 1500
    changes = [(Change(f"net/file{number}.c", f"{number:040x}"),) for number in range(count)]
    names = [f"c{number}" for number in range(count)]
    before = [("good",), *((name,) for name in names[:-1])]
    commits = [
        Commit(name, parents, "", "", changed)
        for name, parents, changed in zip(names, before, changes, strict=True)
    ]
    history = History(tmp_path, "good", names[-1], ("good",), commits)
    history.__dict__["_blobs"] = {}
    counts = frozenset({"net/file7.c", "net/file1400.c"})
    tracemalloc.start()
    try:
        assert len(history.touched()) == count
        assert history.tells(counts) == {"c7", "c1400"}
        assert [len(history.state(name, counts)) for name in (names[0], names[-1])] == [0, 2]
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 4 << 20
