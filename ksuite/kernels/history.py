# SPDX-License-Identifier: GPL-2.0-or-later
"""The commits between two revisions of a git tree, and what each holds that the first has not.

The tree itself is only asked for its revisions, as in `gitrange`: all else is read in a repository
of our own that borrows its objects. Neither its files nor what is checked out there matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
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
        self._changes: dict[frozenset[str] | None, dict[str, tuple[Change, ...]]] = {}
        self._outside: dict[tuple[str, frozenset[str] | None], dict[str, str]] = {}
        self.places = {commit.id: place for place, commit in enumerate(self.commits)}

    @property
    def parents(self) -> list[list[int]]:
        """The places of each commit's parents, where they are in the range."""
        return [
            [self.places[parent] for parent in commit.parents if parent in self.places]
            for commit in self.commits
        ]

    def touched(self, *others: str) -> frozenset[str]:
        """Return the files in which anything differs: commits, and what they begin after.

        :param others: commits that may not be in the range, and are wanted too.
        """
        parents = {parent for commit in self.commits for parent in commit.parents}
        outside = {self.good, *self.bases, *parents, *others} - self.places.keys()
        found = {change.file for commit in self.commits for change in commit.changes}
        for one in sorted(outside):
            found.update(self._difference(one))
        if any(not commit.parents for commit in self.commits):
            found.update(self._blobs)
        return frozenset(found)

    def state(self, commit: str, counts: frozenset[str] | None = None) -> State:
        """Return what a commit holds that differs from the good revision.

        It is made anew each time: all commits' together are too much to be kept.

        :param commit: it need not be in the range.
        :param counts: leave out all other files.
        """
        latest: dict[str, str] = {}
        changes = self._counting(counts)
        name = commit
        while name in self.places:
            for change in changes.get(name, ()):
                latest.setdefault(change.file, change.blob)
            if not (parents := self.commits[self.places[name]].parents):
                break
            name = parents[0]
        before = self._begun(name, counts)
        return {
            file: blob
            for file, blob in (before | latest).items()
            if (counts is None or file in counts) and blob != self._blobs.get(file, GONE)
        }

    def tells(self, counts: frozenset[str]) -> frozenset[str]:
        """Return the commits that differ from all of their parents in files that count."""
        return frozenset(commit.id for commit in self.commits if self._tells(commit, counts))

    def _tells(self, commit: Commit, counts: frozenset[str]) -> bool:
        if commit.parents and commit.id not in self._counting(counts):
            return False
        if len(commit.parents) < 2:
            return True
        state = self.state(commit.id, counts)
        return all(state != self.state(parent, counts) for parent in commit.parents[1:])

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

    def _counting(self, counts: frozenset[str] | None) -> dict[str, tuple[Change, ...]]:
        """Return the changes that count, of commits that have any."""
        if counts not in self._changes:
            kept = {
                commit.id: tuple(
                    one for one in commit.changes if counts is None or one.file in counts
                )
                for commit in self.commits
            }
            self._changes[counts] = {name: changes for name, changes in kept.items() if changes}
        return self._changes[counts]

    def _begun(self, name: str, counts: frozenset[str] | None) -> dict[str, str]:
        """Return the same of what a line of commits begins with, or after."""
        if name in self.places:
            # It has no parent, and nothing of what the good revision has.
            return dict.fromkeys(self._blobs, GONE)
        if (name, counts) not in self._outside:
            whole = self._difference(name)
            kept = {file: blob for file, blob in whole.items() if counts is None or file in counts}
            self._outside[name, counts] = kept
        return self._outside[name, counts]

    @cached_property
    def _blobs(self) -> dict[str, str]:
        return self.files(self.good)

    def _ask(self, *question: str) -> bytes:
        done = git("--no-replace-objects", *question, cwd=self._scratch)
        must_have_worked(done, f"read {question[-1][:12]}")
        return done.stdout


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
        _, mode, before, blob, _ = meta.decode().split()
        gone = mode == NO_FILE
        if blob != before:
            changes.append(Change(_name(parts[place + 1]), GONE if gone else blob))
        place += 2
    return tuple(changes), place


def _name(path: bytes) -> str:
    return path.decode(errors="surrogateescape")
