# SPDX-License-Identifier: GPL-2.0-or-later
"""``git bisect log``: what git can replay, written and read."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from ksuite.errors import UserError
from ksuite.measure.finding import SKIPPED, TOLD_BAD, TOLD_GOOD

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

BAD, GOOD, SKIP = "bad", "good", "skip"
_TERMS = {
    "bad": TOLD_BAD,
    "new": TOLD_BAD,
    "good": TOLD_GOOD,
    "old": TOLD_GOOD,
    "skip": SKIPPED,
}
_NAMING = {
    "--term-new": TOLD_BAD,
    "--term-bad": TOLD_BAD,
    "--term-old": TOLD_GOOD,
    "--term-good": TOLD_GOOD,
}
_COMMIT = re.compile("[0-9a-f]{7,64}")


def as_log(
    good: str,
    bad: str,
    told: Iterable[tuple[str, str]],
    subjects: Mapping[str, str],
    first_bad: str = "",
    remark: str = "",
) -> str:
    """Return a log that ``git bisect replay`` takes.

    :param told: a term, good, bad or skip, and a commit, in the order of the search.
    :param first_bad: the culprit, where it was found.
    :param remark: stands in its place where there is nothing that git could search for.
    """
    if remark:
        return f"# {remark}\n"

    def about(commit: str) -> str:
        subject = "".join(letter for letter in subjects.get(commit, "") if letter.isprintable())
        return f"[{commit}] {subject}".rstrip()

    lines = ["git bisect start"]
    for term, commit in [(BAD, bad), (GOOD, good), *told]:
        lines += [f"# {term}: {about(commit)}", f"git bisect {term} {commit}"]
    if first_bad:
        lines.append(f"# first bad commit: {about(first_bad)}")
    return "\n".join(lines) + "\n"


def read_log(path: Path) -> list[tuple[str, str]]:
    """Return what a log says of commits: what each is, and its hash, in order.

    Custom terms (``git bisect start --term-new``) are understood.

    :raises UserError: it can't be read, or is no such log.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UserError(f"the log {path} can't be read: {error}") from error
    terms = dict(_TERMS)
    told: list[tuple[str, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            words = shlex.split(line)
        except ValueError:
            words = []
        if words[:2] != ["git", "bisect"] or len(words) < 3:
            raise UserError(f"{path}:{number} is no line of a `git bisect log`: {line[:80]!r}")
        told += _said(words[2], words[3:], terms, f"{path}:{number}")
    if not told:
        raise UserError(f"{path} says nothing of any commit")
    return told


def _said(
    word: str, rest: list[str], terms: dict[str, str], where: str
) -> Iterable[tuple[str, str]]:
    if word == "start":
        return _started(rest, terms)
    if word not in terms:
        raise UserError(f"{where}: there is no `git bisect {word}`; known are {', '.join(terms)}")
    if strange := [one for one in rest if not _COMMIT.fullmatch(one)]:
        raise UserError(f"{where}: {strange[0]!r} is no commit's hash")
    return [(terms[word], commit) for commit in rest]


def _started(rest: list[str], terms: dict[str, str]) -> list[tuple[str, str]]:
    """Take in the terms of ``git bisect start``, and return the ends that it was given.

    The first of them is the bad one. An end by another name than its hash is left out: a branch
    may be another one by now.
    """
    ends = []
    words = iter(rest)
    for word in words:
        name, equals, value = word.partition("=")
        if name in _NAMING:
            terms[value if equals else next(words, "")] = _NAMING[name]
        elif word == "--":
            break
        elif not word.startswith("-"):
            ends.append(word)
    return [
        (TOLD_GOOD if number else TOLD_BAD, one)
        for number, one in enumerate(ends)
        if _COMMIT.fullmatch(one)
    ]
