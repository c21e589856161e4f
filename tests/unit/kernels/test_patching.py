# SPDX-License-Identifier: GPL-2.0-or-later
"""Patches on copies of the files that they touch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.errors import DoesNotApply, ExitCode, UserError
from ksuite.kernels.diff import touched_files
from ksuite.kernels.patching import apply_series
from ksuite.kernels.series import Patch

if TYPE_CHECKING:
    from pathlib import Path


def patch(text: str, files: tuple[str, ...] | None = None) -> Patch:
    names = touched_files(text.encode(), "p") if files is None else files
    return Patch("p.patch", "the subject", text.encode(), names)


CHANGE = patch("--- a/d/f\n+++ b/d/f\n@@ -2,3 +2,3 @@\n 2\n-3\n+three\n 4\n")
AGAIN = patch("--- a/d/f\n+++ b/d/f\n@@ -2,3 +2,3 @@\n 2\n-three\n+THREE\n 4\n")
CREATE = patch("--- /dev/null\n+++ b/d/n\n@@ -0,0 +1 @@\n+new\n")
RENAME = patch("diff --git a/d/f b/g\nsimilarity index 100%\nrename from d/f\nrename to g\n")


@pytest.fixture
def tiny_tree(tmp_path: Path) -> Path:
    """Return a tree of two files and a link."""
    (tmp_path / "tree/d").mkdir(parents=True)
    (tmp_path / "tree/d/f").write_text("".join(f"{number}\n" for number in range(1, 21)))
    (tmp_path / "tree/untouched").touch()
    (tmp_path / "tree/link").symlink_to("d")
    return tmp_path / "tree"


@pytest.fixture
def into(tmp_path: Path) -> Path:
    (tmp_path / "into").mkdir()
    return tmp_path / "into"


def test_patches_build_on_one_another(tiny_tree: Path, into: Path) -> None:
    apply_series(tiny_tree, [CHANGE, AGAIN, CREATE], into)
    assert (into / "d/f").read_text().splitlines()[1:4] == ["2", "THREE", "4"]
    assert (into / "d/n").read_text() == "new\n"
    assert (tiny_tree / "d/f").read_text().splitlines()[2] == "3"
    assert not (into / "untouched").exists()


def test_a_rename_moves(tiny_tree: Path, into: Path) -> None:
    apply_series(tiny_tree, [RENAME], into)
    assert (into / "g").exists()
    assert not (into / "d/f").exists()


def test_lines_may_have_moved(tiny_tree: Path, into: Path) -> None:
    moved = patch(CHANGE.text.decode().replace("-2,3 +2,3", "-12,3 +12,3"))
    apply_series(tiny_tree, [moved], into)
    assert "three" in (into / "d/f").read_text()


def test_a_refused_hunk_is_shown(tiny_tree: Path, into: Path) -> None:
    wrong = patch(CHANGE.text.decode().replace("-3", "-drei"))
    with pytest.raises(DoesNotApply) as caught:
        apply_series(tiny_tree, [wrong], into)
    text = str(caught.value)
    assert "patch p.patch (the subject) does not apply at d/f:2" in text
    assert "made against another version?" in text
    assert "@@ -2,3 +2,3 @@\n 2\n-drei\n+three\n 4\n" in text
    assert "     3  3\n" in text
    assert caught.value.exit_code == ExitCode.FAIL


def test_the_second_of_two_hunks_is_the_one_shown(tiny_tree: Path, into: Path) -> None:
    text = CHANGE.text.decode() + "@@ -10,3 +10,3 @@\n 10\n-elf\n+ELF\n 12\n"
    with pytest.raises(DoesNotApply, match="at d/f:10") as caught:
        apply_series(tiny_tree, [patch(text)], into)
    assert "-elf" in str(caught.value)
    assert "+three" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("--- a/d/absent\n+++ b/d/absent\n@@ -1 +1 @@\n-1\n+2\n", "d/absent: No such file"),
        ("--- /dev/null\n+++ b/d/f\n@@ -0,0 +1 @@\n+new\n", "d/f: already exists"),
        ("--- a/link/f\n+++ b/link/f\n@@ -1 +1 @@\n-1\n+2\n", "link is a symbolic link"),
    ],
)
def test_what_the_tree_hasnt_is_told(text: str, says: str, tiny_tree: Path, into: Path) -> None:
    with pytest.raises(DoesNotApply, match=says):
        apply_series(tiny_tree, [patch(text)], into)
    assert (tiny_tree / "d/f").read_text().startswith("1\n2\n3\n")


def test_git_must_see_the_same_files(tiny_tree: Path, into: Path) -> None:
    with pytest.raises(UserError, match="ambiguous: git reads that it touches d/n"):
        apply_series(tiny_tree, [patch(CREATE.text.decode(), ("d/f",))], into)


def test_what_git_cant_read_is_damaged(tiny_tree: Path, into: Path) -> None:
    with pytest.raises(UserError, match="is damaged: git says"):
        apply_series(tiny_tree, [patch("no diff", ("d/f",))], into)


def test_git_itself_leaves_the_outside_alone(tiny_tree: Path, into: Path) -> None:
    outside = patch("--- a/../n\n+++ b/../n\n@@ -0,0 +1 @@\n+new\n", ("../n",))
    with pytest.raises((DoesNotApply, UserError)):
        apply_series(tiny_tree, [outside], into)
    assert not (into.parent / "n").exists()
