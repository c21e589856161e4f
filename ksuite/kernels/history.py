# SPDX-License-Identifier: GPL-2.0-or-later
"""The commits between two revisions of a git tree, and what each holds that the first has not.

The tree itself is only asked for its revisions, as in `gitrange`: all else is read in a repository
of our own that borrows its objects. Neither its files nor what is checked out there matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ksuite.errors import UserError
from ksuite.kernels.git import git, must_have_worked
from ksuite.kernels.gitrange import borrow, commit_of, objects_of
from ksuite.kernels.held import scratch_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

State = Mapping[str, str]
"""By file, the name of its content where it differs from the good revision's; empty: gone."""

NOTHING = "0" * 40
GONE = ""
REGULAR = {"100644", "100755"}
NO_FILE = "000000"
_LOG = [
    *("log", "-z", "--topo-order", "--reverse", "--raw", "-r", "--no-abbrev", "--no-renames"),
    *("--diff-merges=first-parent", "--no-show-signature", "--no-notes", "--no-color"),
    "--format=%H%x00%P%x00%T%x00%s",
]


@dataclass(frozen=True)
class Change:
    """A file that a commit leaves different from its first parent.

    :param blob: git's name of its content; `GONE` where it is removed.
    """

    file: str
    blob: str


@dataclass(frozen=True)
class Commit:
    """A commit.

    :param id: its hash.
    :param parents: theirs, as git has them in order.
    :param tree: the hash of its tree.
    """

    id: str
    parents: tuple[str, ...]
    tree: str
    subject: str
    changes: tuple[Change, ...]


class History:
    """The commits that a bad revision has and a good one has not, parents first.

    :param scratch: a repository that has their objects.
    :param bases: the best common ancestors of both; the good revision itself where it is one.
    """

    def __init__(
        self, scratch: Path, good: str, bad: str, bases: tuple[str, ...], commits: Sequence[Commit]
    ) -> None:
        self._scratch = scratch
        self.good = good
        self.bad = bad
        self.bases = bases
        self.commits = tuple(commits)
        self.places = {commit.id: place for place, commit in enumerate(self.commits)}

    @property
    def parents(self) -> list[list[int]]:
        """The places of each commit's parents, where they are in the range."""
        return [
            [self.places[parent] for parent in commit.parents if parent in self.places]
            for commit in self.commits
        ]

    def states(self, *others: str) -> dict[str, State]:
        """Return what each commit holds that differs from the good revision, by its hash.

        The parents that the range begins after and the bases are among them.

        :param others: commits that may not be in the range, and are wanted too.
        """
        parents = {parent for commit in self.commits for parent in commit.parents}
        outside = {self.good, *self.bases, *parents, *others} - self.places.keys()
        states = {one: self._difference(one) for one in outside}
        touched = {change.file for commit in self.commits for change in commit.changes}
        good = self._blobs(self.good, sorted(touched))
        for commit in self.commits:
            before = states[commit.parents[0]] if commit.parents else {}
            states[commit.id] = _after(before, commit.changes, good)
        return dict(states)

    def files(self, commit: str) -> dict[str, str]:
        """Return all files of a commit, and git's names of their content."""
        done = self._ask("ls-tree", "-r", "-z", "--full-tree", commit)
        return {
            _name(path): meta.split()[2].decode()
            for meta, _, path in (row.partition(b"\t") for row in done.split(b"\0") if row)
        }

    def tree_of(self, commit: str) -> str:
        """Return the hash of a commit's tree."""
        return self._ask("rev-parse", f"{commit}^{{tree}}").decode().strip()

    def content(self, blob: str) -> bytes:
        """Return the content that git has under a name."""
        return self._ask("cat-file", "blob", blob)

    def patch(self, commit: str) -> bytes:
        """Return a commit as a patch with its message; a merge against its first parent."""
        how = ["--first-parent", "--stat", "--no-renames", "--no-ext-diff", "--no-textconv"]
        return self._ask("show", "--format=fuller", "--patch", "-m", *how, commit)

    def _difference(self, commit: str) -> dict[str, str]:
        """Return where a commit that is not in the range differs from the good one."""
        if commit == self.good:
            return {}
        raw = self._ask("diff-tree", "-r", "-z", "--raw", "--no-renames", self.good, commit)
        changes, _ = _changes(raw.split(b"\0"), 0)
        return {change.file: change.blob for change in changes}

    def _blobs(self, commit: str, files: Sequence[str]) -> dict[str, str]:
        return {file: blob for file, blob in self.files(commit).items() if file in set(files)}

    def _ask(self, *question: str) -> bytes:
        done = git("--no-replace-objects", *question, cwd=self._scratch)
        must_have_worked(done, f"read {question[-1][:12]}")
        return done.stdout


def _after(before: State, changes: Sequence[Change], good: Mapping[str, str]) -> dict[str, str]:
    state = dict(before)
    for change in changes:
        if change.blob == good.get(change.file, GONE):
            state.pop(change.file, None)
        else:
            state[change.file] = change.blob
    return state


@contextmanager
def read_history(tree: Path, good: str, bad: str) -> Iterator[History]:
    """Yield the history of a range; what it reads later needs the tree's objects to stay.

    :raises UserError: there is no such tree or revision, or no way from good to bad.
    """
    objects = objects_of(tree)
    ends = {revision: commit_of(tree, revision) for revision in (good, bad)}
    first, last = ends[good], ends[bad]
    if first == last:
        raise UserError(f"good {good!r} and bad {bad!r} are the same commit, {first[:12]}")
    with scratch_directory() as scratch:
        borrow(objects, scratch)
        bases = _bases(scratch, first, last)
        if not bases:
            raise UserError(f"good {good!r} and bad {bad!r} have no common ancestor in {tree}")
        if last in bases:
            raise UserError(f"bad {bad!r} comes before good {good!r} in {tree}: are they swapped?")
        yield History(scratch, first, last, bases, _read_commits(scratch, first, last, tree))


def _bases(scratch: Path, good: str, bad: str) -> tuple[str, ...]:
    done = git("--no-replace-objects", "merge-base", "--all", good, bad, cwd=scratch)
    if done.returncode > 1:
        must_have_worked(done, f"find what {good[:12]} and {bad[:12]} have in common")
    return tuple(done.stdout.decode().split())


def _read_commits(scratch: Path, good: str, bad: str, tree: Path) -> list[Commit]:
    done = git("--no-replace-objects", *_LOG, f"{good}..{bad}", cwd=scratch)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-300:]
        raise UserError(f"git can't read all of {tree}; is it a shallow or partial clone? {said}")
    parts = done.stdout.split(b"\0")
    commits = []
    place = 0
    while place + 4 < len(parts):
        commit, parents, top, subject = (
            part.decode(errors="replace") for part in parts[place : place + 4]
        )
        changes, place = _changes(parts, place + 4)
        commits.append(Commit(commit, tuple(parents.split()), top, subject, changes))
    return commits


def _changes(parts: Sequence[bytes], place: int) -> tuple[tuple[Change, ...], int]:
    """Return the changes that git's raw format tells from a place on, and the place behind them."""
    changes = []
    while place + 1 < len(parts) and (meta := parts[place].lstrip(b"\n")).startswith(b":"):
        _, mode, _, blob, _ = meta.decode().split()
        gone = mode == NO_FILE
        changes.append(Change(_name(parts[place + 1]), GONE if gone else blob))
        place += 2
    return tuple(changes), place


def _name(path: bytes) -> str:
    return path.decode(errors="surrogateescape")
