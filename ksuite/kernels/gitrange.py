# SPDX-License-Identifier: GPL-2.0-or-later
"""The patches of ``TREE:REV..REV``, read from a git tree whose configuration isn't trusted.

Only the two revisions are resolved in the tree itself, which runs nothing of it. The patches are
made in an empty repository of our own that borrows the tree's objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksuite.errors import UserError
from ksuite.kernels.git import git, must_have_worked
from ksuite.kernels.held import scratch_directory

if TYPE_CHECKING:
    from pathlib import Path


def format_range(tree: Path, revisions: str) -> bytes:
    """Return a mailbox of the patches of a range, as ``git format-patch`` makes it.

    :param revisions: ``REV..REV``.
    :raises UserError: there is no such tree or revision, or the range is empty.
    """
    first, _, last = revisions.partition("..")
    if not first or not last or last.startswith("."):
        raise UserError(f"{tree}:{revisions}: give both ends of the range, as REV..REV")
    objects = objects_of(tree)
    ends = [commit_of(tree, revision) for revision in (first, last)]
    with scratch_directory() as scratch:
        borrow(objects, scratch)
        return _format(scratch, ends, f"{tree}:{revisions}")


def must_be_tree(tree: Path) -> None:
    """Refuse what is no git tree.

    :raises UserError: it is none.
    """
    objects_of(tree)


def objects_of(tree: Path) -> Path:
    """Return where a git tree has its objects.

    :raises UserError: it is none.
    """
    if not tree.is_dir():
        raise UserError(f"{tree} is not a git tree: there is no such directory")
    common = _resolve(tree, "--git-common-dir", complaint=f"{tree} is not a git tree")
    return (tree / common).resolve() / "objects"


def commit_of(tree: Path, revision: str) -> str:
    """Return the commit that a revision stands for.

    :raises UserError: there is none.
    """
    if revision.startswith("-"):
        raise UserError(f"{revision!r} is no revision")
    what = f"revision {revision!r} does not exist in {tree}"
    return _resolve(tree, "--verify", "-q", f"{revision}^{{commit}}", complaint=what)


def commits_of_range(tree: Path, good: str, bad: str) -> frozenset[str]:
    """Return the hashes of the commits that one has and another has not.

    :raises UserError: there is no such tree or revision, or git can't read all of it.
    """
    objects = objects_of(tree)
    span = "..".join(commit_of(tree, revision) for revision in (good, bad))
    with scratch_directory() as scratch:
        borrow(objects, scratch)
        done = git("--no-replace-objects", "rev-list", span, cwd=scratch)
    if done.returncode:
        raise UserError(f"git can't read all of {tree}: {done.stderr.decode()[:300].strip()}")
    return frozenset(done.stdout.decode().split())


def _resolve(tree: Path, *question: str, complaint: str) -> str:
    done = git("-c", "safe.directory=*", "rev-parse", *question, cwd=tree)
    if done.returncode != 0:
        raise UserError(complaint)
    return done.stdout.decode().strip()


def borrow(objects: Path, place: Path) -> None:
    """Make an empty repository that has another one's objects, and nothing else of it.

    :raises OSError: there is no space left.
    :raises InfrastructureError: git can't.
    """
    done = git("init", "--bare", "--quiet", "--template=", place, cwd=place.parent)
    must_have_worked(done, f"make a repository in {place}")
    (place / "objects/info").mkdir(exist_ok=True)
    (place / "objects/info/alternates").write_text(f"{objects}\n", encoding="utf-8")


def _format(scratch: Path, ends: list[str], origin: str) -> bytes:
    span = "..".join(ends)
    merges = git("rev-list", "--merges", span, cwd=scratch)
    if merges.returncode != 0:
        raise UserError(f"{origin}: git can't read it: {merges.stderr.decode()[:300].strip()}")
    if merges.stdout:
        commit = merges.stdout.decode()[:12]
        raise UserError(f"{origin}: has a merge ({commit}) in it; give a range without merges")
    plain = ["--no-renames", "--no-signature", "--no-ext-diff", "--no-textconv", "--full-index"]
    done = git("format-patch", "--stdout", *plain, span, cwd=scratch)
    if done.returncode != 0:
        raise UserError(f"{origin}: git can't read it: {done.stderr.decode()[:300].strip()}")
    if not done.stdout:
        raise UserError(f"{origin}: the range is empty: {ends[1][:12]} has no commit of its own")
    return done.stdout
