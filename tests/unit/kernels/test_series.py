# SPDX-License-Identifier: GPL-2.0-or-later
"""Series from mailboxes, patches, quilt directories and git ranges, good and bad."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ksuite.errors import ExitCode, UserError
from ksuite.kernels.series import Series, read_series
from tests.git import git

PLAIN = b"--- a/file\n+++ b/file\n@@ -1,3 +1,3 @@\n 1\n-2\n+two\n 3\n"


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a git tree: base, then two changes to a file."""
    directory = tmp_path_factory.mktemp("repository")
    git(directory, "init", "--quiet", "--initial-branch=main")
    lines = [str(number) for number in range(1, 21)]
    for message, change in (("base", {}), ("change two", {1: "two"}), ("change 12", {11: "12!"})):
        for line, text in change.items():
            lines[line] = text
        (directory / "file").write_text("\n".join(lines) + "\n")
        git(directory, "add", "file")
        git(directory, "commit", "--quiet", "-m", message)
    return directory


def messages(repository: Path, *options: str) -> list[str]:
    """Return the messages of the two changes."""
    text = git(repository, "format-patch", "--stdout", *options, "HEAD~2").decode()
    parts = text.split("\nFrom ")
    return [part if number == 0 else f"From {part}" for number, part in enumerate(parts)]


def mailbox(path: Path, mails: list[str]) -> str:
    path.write_text("\n".join(mail.rstrip("\n") + "\n" for mail in mails))
    return str(path)


def subjects(series: Series) -> list[str]:
    return [patch.subject for patch in series.patches]


def refuse(spec: str | Path, says: str) -> None:
    """Check that a series is refused in one line and with the exit code of bad usage."""
    with pytest.raises(UserError, match=says) as caught:
        read_series(str(spec))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize("options", [[], ["--thread", "--cover-letter"], ["--thread"], ["-v3"]])
def test_a_mailbox(options: list[str], repository: Path, tmp_path: Path) -> None:
    spec = mailbox(tmp_path / "mbox", messages(repository, *options))
    series = read_series(spec)
    assert subjects(series) == ["change two", "change 12"]
    assert series.title == "change two"
    assert series.files == ("file",)
    assert series.origin == spec
    assert series.base_patches == ()


def test_b4_takes_the_newest_version_and_leaves_replies_out(
    repository: Path, tmp_path: Path
) -> None:
    older = messages(repository, "--thread", "-v1")
    newer = messages(repository, "--thread", "-v2", "--cover-letter")
    reply = (
        "From git@z Thu Jan  1 00:00:00 1970\nFrom: B <b@example.org>\nMessage-ID: <r@b>\n"
        "Date: Thu, 1 Jan 2026 00:00:00 +0000\n"
        "Subject: Re: [PATCH v2 1/2] change two\n\nWhy not\n--- a/file\n+++ b/file\n"
        "@@ -1 +1 @@\n-1\n+one\n"
    )
    series = read_series(mailbox(tmp_path / "mbox", [*older, *newer[::-1], reply]))
    assert subjects(series) == ["change two", "change 12"]


def test_an_encoded_mail_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "mail.patch").write_text(
        "From: A <a@example.org>\nSubject: =?utf-8?q?[PATCH]_=C3=B6?=\nMIME-Version: 1.0\n"
        "Content-Type: text/plain; charset=utf-8\n"
        "Content-Transfer-Encoding: quoted-printable\n\nmessage\n---\n"
        + PLAIN.decode()
        # What quoted-printable makes of "+two".
        .replace("+two", "+tw=6F")
    )
    series = read_series(str(tmp_path / "mail.patch"))
    assert subjects(series) == ["ö"]
    assert b"+two\n" in series.patches[0].text


@pytest.mark.parametrize("header", [b"", b"Some words first.\n\n", b"Description: DEP-3\n\n"])
def test_a_plain_patch(header: bytes, tmp_path: Path) -> None:
    (tmp_path / "fix.patch").write_bytes(header + PLAIN)
    series = read_series(str(tmp_path / "fix.patch"))
    assert [patch.name for patch in series.patches] == ["fix.patch"]
    assert series.title == "fix.patch"
    assert series.files == ("file",)


def quilt(directory: Path, listing: str, **files: bytes | str) -> Path:
    (directory / "series").write_text(listing)
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (directory / name.replace("_", ".")).write_bytes(data)
    return directory


META = """
title = "A title"
upstream = ["e2412c07f8f3"]
kernels = ">=6.1,<6.2"
expected_effect = "none"
base = ["b.patch"]
"""


def test_a_quilt_directory(tmp_path: Path) -> None:
    listing = "# comment\n\none.patch -p1 # why\ntwo.patch\n"
    files = {"one_patch": PLAIN, "two_patch": PLAIN.replace(b"file", b"other")}
    series = read_series(str(quilt(tmp_path, listing, **files)))
    assert subjects(series) == ["one.patch", "two.patch"]
    assert series.files == ("file", "other")
    assert series.meta is None


def test_a_quilt_directory_with_meta(tmp_path: Path) -> None:
    quilt(tmp_path, "one.patch\n", one_patch=PLAIN, meta_toml=META)
    (tmp_path / "b.patch").write_bytes(PLAIN.replace(b"file", b"base"))
    series = read_series(str(tmp_path))
    assert series.title == "A title"
    assert series.meta
    assert series.meta.kernels == ">=6.1,<6.2"
    assert series.meta.upstream == ("e2412c07f8f3",)
    assert [patch.name for patch in series.base_patches] == ["b.patch"]
    assert series.files == ("file",)


def test_a_git_range(repository: Path) -> None:
    series = read_series(f"{repository}:HEAD~2..main")
    assert subjects(series) == ["change two", "change 12"]
    assert subjects(read_series(f"{repository}:HEAD~1..HEAD")) == ["change 12"]


def test_nothing_of_a_git_tree_is_run_or_changed(repository: Path, tmp_path: Path) -> None:
    hostile = tmp_path / "hostile"
    subprocess.run(["git", "clone", "--quiet", repository, hostile], check=True)
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    script.chmod(0o755)
    for key in ("core.fsmonitor", "core.pager", "diff.external", "gpg.program", "core.sshCommand"):
        git(hostile, "config", key, str(script))
    # Runs nothing, but shows whether the tree's settings were read at all.
    git(hostile, "config", "diff.noprefix", "true")
    git(hostile, "config", "log.showSignature", "true")
    git(hostile, "config", "diff.text.textconv", str(script))
    (hostile / ".gitattributes").write_text("* diff=text\n")
    for name in ("post-index-change", "pre-auto-gc", "reference-transaction"):
        (hostile / f".git/hooks/{name}").symlink_to(script)
    before = sorted((path, path.lstat().st_mtime_ns) for path in hostile.rglob("*"))
    assert subjects(read_series(f"{hostile}:HEAD~2..HEAD")) == ["change two", "change 12"]
    assert not (tmp_path / "ran").exists()
    assert sorted((path, path.lstat().st_mtime_ns) for path in hostile.rglob("*")) == before


def test_a_shallow_tree(repository: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", "--depth=2", f"file://{repository}", "shallow")
    assert subjects(read_series(f"{tmp_path}/shallow:HEAD~1..HEAD")) == ["change 12"]


def test_digests_tell_content_from_content(tmp_path: Path) -> None:
    quilt(tmp_path, "one.patch\n", one_patch=PLAIN)
    first = read_series(str(tmp_path)).digest
    assert read_series(str(tmp_path / "one.patch")).digest == first
    (tmp_path / "one.patch").write_bytes(PLAIN.replace(b"two", b"TWO"))
    assert read_series(str(tmp_path)).digest != first


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty: no patch"),
        (b" \n\n", "is empty: no patch"),
        (b"Dear all,\n", "no patch: there is no diff"),
        (b"\x1f\x8b\x08\x00\x00", "not a patch but binary data"),
        (b"\xff\xfe\xfd" * 9, "no patch: there is no diff"),
        (PLAIN[:-4], "cut short"),
        (PLAIN.replace(b"b/file", b"b/../file"), "outside the tree"),
        (b"From: A <a@b>\nSubject: [PATCH] no diff\n\nwords\n", "no patch: there is no diff"),
    ],
)
def test_bad_files_are_refused(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "bad.patch").write_bytes(content)
    refuse(tmp_path / "bad.patch", says)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    refuse(tmp_path / "absent", "does not exist: give a mailbox, patch, directory or TREE:REV")
    refuse("/dev/zero", "neither a file nor a directory")
    refuse(f"/{'x' * 300}", "can't be read: File name too long")
    refuse("", "directory has no file `series`|does not exist|has no file `series`")
    with (tmp_path / "huge").open("wb") as huge:
        huge.truncate(1 << 40)
    refuse(tmp_path / "huge", "larger than 64 MiB")


@pytest.mark.parametrize(
    ("chosen", "options", "says"),
    [
        ([0], ["--thread"], None),
        ([0], [], None),
        ([1], [], None),
        ([1, 0], [], "missing or out of order, there are only 2/2, 1/2"),
        ([0, 1, 1], [], "missing or out of order"),
        ([0, 1], ["--thread", "--cover-letter"], "b4 finds no complete series in it"),
        ([0], ["--cover-letter"], "no patch: there is no diff"),
    ],
)
def test_missing_patches_are_told(
    chosen: list[int], options: list[str], says: str | None, repository: Path, tmp_path: Path
) -> None:
    mails = messages(repository, *options)
    spec = mailbox(tmp_path / "mbox", [mails[number] for number in chosen])
    if says is None:
        assert len(read_series(spec).patches) == 1
    else:
        refuse(spec, says)


@pytest.mark.parametrize("options", [[], ["--thread"]])
def test_a_mailbox_cut_short_is_refused(
    options: list[str], repository: Path, tmp_path: Path
) -> None:
    whole = Path(mailbox(tmp_path / "mbox", messages(repository, *options))).read_bytes()
    cut = tmp_path / "cut"
    cut.write_bytes(whole[: whole.rindex(b"+12!")])
    refuse(cut, "cut short|no complete series")
    cut.write_bytes(whole[: whole.rindex(b"diff --git")])
    refuse(cut, "has no diff: is it cut short|no complete series|missing")


def test_two_series_in_one_mailbox_are_refused(repository: Path, tmp_path: Path) -> None:
    mails = messages(repository, "--thread")
    others = [mail.replace("Message-Id: <", "Message-Id: <other.") for mail in mails]
    others = [mail.replace("change", "another") for mail in others]
    refuse(mailbox(tmp_path / "mbox", [*mails, *others]), "holds more than one series")


@pytest.mark.parametrize(
    ("listing", "says"),
    [
        ("", "lists no patch"),
        ("# nothing\n", "lists no patch"),
        ("absent.patch\n", "names 'absent.patch', which does not exist"),
        ("../outside.patch\n", "which is outside"),
        ("/etc/passwd\n", "which is outside"),
        ("link.patch\n", "which is outside"),
        ("one.patch -p0\n", "only the option -p1 is supported"),
        ("one.patch -R\n", "only the option -p1 is supported"),
        (".\n", "does not exist"),
    ],
)
def test_bad_series_files_are_refused(listing: str, says: str, tmp_path: Path) -> None:
    directory = tmp_path / "quilt"
    directory.mkdir()
    (tmp_path / "outside.patch").write_bytes(PLAIN)
    (directory / "link.patch").symlink_to("../outside.patch")
    refuse(quilt(directory, listing, one_patch=PLAIN), says)


def test_a_directory_without_series_is_refused(tmp_path: Path) -> None:
    refuse(tmp_path, "has no file `series`")
    (tmp_path / "series").write_bytes(b"\xff\xfe")
    refuse(tmp_path, "is not UTF-8 text")


@pytest.mark.parametrize(
    ("meta", "says"),
    [
        ("title = ", "is not valid TOML"),
        ("kernels = '>=6.1'\n", "has no title"),
        (META + "colour = 'red'\n", "unknown keys colour"),
        (META.replace('"A title"', "1"), "title must be a string"),
        (META.replace('["b.patch"]', '"b.patch"'), "base must be a list of strings"),
        (META, "names 'b.patch', which does not exist"),
        (META.replace("b.patch", "../b.patch"), "which is outside"),
    ],
)
def test_bad_meta_is_refused(meta: str, says: str, tmp_path: Path) -> None:
    refuse(quilt(tmp_path, "one.patch\n", one_patch=PLAIN, meta_toml=meta), says)


@pytest.mark.parametrize(
    ("revisions", "says"),
    [
        ("HEAD~2..absent", "revision 'absent' does not exist"),
        ("absent..HEAD", "revision 'absent' does not exist"),
        ("HEAD..HEAD", "the range is empty"),
        ("HEAD..", "give both ends"),
        ("..HEAD", "give both ends"),
        ("HEAD~2...HEAD", "give both ends"),
        ("--output=x..HEAD", "is no revision"),
        ("HEAD:file..HEAD", "does not exist"),
    ],
)
def test_bad_ranges_are_refused(revisions: str, says: str, repository: Path) -> None:
    refuse(f"{repository}:{revisions}", says)


def test_a_range_of_no_git_tree_is_refused(tmp_path: Path) -> None:
    refuse(f"{tmp_path}:A..B", "is not a git tree")
    refuse(f"{tmp_path}/absent:A..B", "is no git tree")


def test_a_range_with_a_merge_is_refused(repository: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", repository, clone], check=True)
    git(clone, "checkout", "--quiet", "-b", "side", "HEAD~1")
    (clone / "other").touch()
    git(clone, "add", "other")
    git(clone, "commit", "--quiet", "-m", "side")
    git(clone, "merge", "--quiet", "--no-edit", "main")
    refuse(f"{clone}:HEAD~2..HEAD", "has a merge")
