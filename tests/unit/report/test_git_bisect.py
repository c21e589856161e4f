# SPDX-License-Identifier: GPL-2.0-or-later
"""Logs that git replays, and logs of git's."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from ksuite.errors import UserError
from ksuite.measure.finding import SKIPPED, TOLD_BAD, TOLD_GOOD
from ksuite.report.git_bisect import as_log, read_log

if TYPE_CHECKING:
    from pathlib import Path

A, B, C, D = (letter * 40 for letter in "abcd")


def test_git_replays_what_was_written(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words]
        return subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "-q")
    commits = []
    for number in range(9):
        git("commit", "-q", "--allow-empty", "-m", f"number {number}\nwith more")
        commits.append(git("rev-parse", "HEAD"))
    # Of four suspects one is in the middle; of three, git takes one of two by their hashes.
    told = [("good", commits[3]), ("skip", commits[1]), ("bad", commits[7])]
    log = as_log(commits[0], commits[8], told, {commits[7]: "number 7"}, commits[7])
    (tmp_path / "log").write_text(log, encoding="utf-8")
    git("bisect", "replay", "log")
    assert git("rev-parse", "HEAD") == commits[5]
    git("bisect", "good")
    # What git has written then can be read, too.
    (tmp_path / "log").write_text(git("bisect", "log"), encoding="utf-8")
    assert read_log(tmp_path / "log") == [
        (TOLD_BAD, commits[8]),
        (TOLD_GOOD, commits[0]),
        (TOLD_GOOD, commits[3]),
        (SKIPPED, commits[1]),
        (TOLD_BAD, commits[7]),
        (TOLD_GOOD, commits[5]),
    ]


def test_ends_behind_start_and_other_terms(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(
        f"# a remark\ngit bisect start '--term-new=slow' '--term-old=fast' '{A}' '{B}' '--' 'net'\n"
        f"git bisect slow {C}\ngit bisect fast {D}\n",
        encoding="utf-8",
    )
    assert read_log(path) == [(TOLD_BAD, A), (TOLD_GOOD, B), (TOLD_BAD, C), (TOLD_GOOD, D)]


def test_first_word_behind_start_is_the_bad_end(tmp_path: Path) -> None:
    """Whatever it is called; the others are good ones."""
    path = tmp_path / "log"
    start = f"git bisect start --no-checkout --term-new slow --term-old fast main {A} {B[:9]}"
    path.write_text(f"{start} -- net\ngit bisect slow {C}\n", encoding="utf-8")
    assert read_log(path) == [(TOLD_GOOD, A), (TOLD_GOOD, B[:9]), (TOLD_BAD, C)]


def test_subject_stays_on_its_line() -> None:
    log = as_log(A, B, [], {A: "good\ngit bisect bad x\x1b[1m"})
    assert log.count("\n") == 5
    assert "\x1b" not in log


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "says nothing"),
        ("# only this\n", "says nothing"),
        ("hello\n", r":1 is no line"),
        (f"git bisect perhaps {A}\n", "no `git bisect perhaps`"),
        ("git bisect good main\n", "'main' is no commit's hash"),
        ("git bisect good 'x\n", r":1 is no line"),
    ],
)
def test_what_is_no_log(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "log"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=said):
        read_log(path)


def test_no_log(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="can't be read"):
        read_log(tmp_path / "log")
    (tmp_path / "log").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="can't be read"):
        read_log(tmp_path / "log")
