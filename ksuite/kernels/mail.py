# SPDX-License-Identifier: GPL-2.0-or-later
"""Patches out of mailboxes: the threads of lore by b4, others message by message."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ksuite.errors import InfrastructureError, UserError
from ksuite.kernels.git import git, git_environment
from ksuite.kernels.held import scratch_directory
from ksuite.processes import run, tool

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_HEADER = re.compile(
    rb"(From |(From|Subject|Date|Message-ID|Received|Return-Path|MIME-Version):)", re.IGNORECASE
)
_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>\s]+>)", re.IGNORECASE | re.MULTILINE)
_TAG = re.compile(r"\s*((?:Re:\s*)*)\[([^\]]*)\]\s*")
_NUMBER = re.compile(r"(\d+)/(\d+)$")
_DIFF = re.compile(
    rb"^(diff --git |--- \S.*\n\+\+\+ \S|@@ -\d|GIT binary patch|Index: )", re.MULTILINE
)

# Without a user b4 0.12 stops in silence.
_B4_SETTINGS = {
    "b4.attestation-policy": "off",
    "user.name": "ksuite",
    "user.email": "ksuite@localhost",
}


@dataclass(frozen=True)
class Mail:
    """One message as git reads it.

    :param subject: without its ``[PATCH ...]``.
    :param revision: of the series, from ``[PATCH v2 1/3]``; 1 if it doesn't say.
    :param number: its place in the series, or None if it doesn't say.
    :param total: patches in the series, or None if it doesn't say.
    :param diff: what follows the message's ``---``, decoded; empty if there is no diff.
    """

    subject: str
    reply: bool
    revision: int
    number: int | None
    total: int | None
    message_id: str
    diff: bytes


def is_mail(data: bytes) -> bool:
    """Say whether a file starts like a mail or a mailbox, and not like a plain diff."""
    return _HEADER.match(data.lstrip()) is not None


def read_mails(data: bytes, origin: Path) -> list[Mail]:
    """Return the patches of a mailbox in order, without cover letters, replies and old versions.

    :raises UserError: a patch of the series is missing, or there is more than one series.
    """
    with scratch_directory() as scratch:
        mails = _split(data, origin, scratch)
        if len(mails) > 1 and all(mail.message_id for mail in mails):
            ordered = _split(_by_b4(origin, scratch), origin, scratch)
            _check_nothing_lost(mails, ordered, origin)
            return ordered
    if len(mails) == 1:
        return mails
    patches = [mail for mail in mails if mail.diff or not (mail.number == 0 or mail.reply)]
    for mail in patches:
        if not mail.diff:
            raise UserError(f"{origin}: message {mail.subject!r} has no diff: is it cut short?")
    _check_numbers(patches, origin)
    return patches


def _split(data: bytes, origin: Path, scratch: Path) -> list[Mail]:
    with scratch_directory() as into:
        done = git("mailsplit", "-b", f"-o{into}", cwd=scratch, stdin=data)
        if done.returncode != 0:
            raise UserError(f"{origin}: no mailbox that git can read: {_line(done.stderr)}")
        return [_read(path.read_bytes(), origin, into) for path in sorted(into.iterdir())]


def _read(message: bytes, origin: Path, scratch: Path) -> Mail:
    text, patch = scratch / "message", scratch / "patch"
    done = git("mailinfo", "-k", text, patch, cwd=scratch, stdin=message)
    if done.returncode != 0:
        raise UserError(f"{origin}: a message that git can't read: {_line(done.stderr)}")
    match = re.search(rb"^Subject: (.*)$", done.stdout, re.MULTILINE)
    subject = match[1].decode(errors="replace") if match else ""
    tag = _TAG.match(subject)
    words = tag[2].split() if tag else []
    number = _NUMBER.match(words[-1]) if words else None
    revisions = [int(word[1:]) for word in words if re.fullmatch(r"[vV]\d+", word)]
    identity = _MESSAGE_ID.search(message.replace(b"\r\n", b"\n").partition(b"\n\n")[0])
    diff = patch.read_bytes()
    text.unlink()
    patch.unlink()
    return Mail(
        subject=subject[tag.end() :] if tag else subject,
        reply=subject.lower().startswith("re:"),
        revision=revisions[0] if revisions else 1,
        number=int(number[1]) if number else None,
        total=int(number[2]) if number else None,
        message_id=identity[1].decode(errors="replace") if identity else "",
        diff=diff if _DIFF.search(diff) else b"",
    )


def _by_b4(origin: Path, scratch: Path) -> bytes:
    """Return the newest series of a thread as b4 puts it together, offline."""
    environment = git_environment(scratch) | {"HOME": str(scratch)}
    environment["GIT_CONFIG_COUNT"] = str(len(_B4_SETTINGS))
    for number, (key, value) in enumerate(_B4_SETTINGS.items()):
        environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    am = ["--offline-mode", "--no-stdin", "am", "-o", "-", "-m", str(origin.absolute())]
    done = run([tool("b4", "b4"), *am], cwd=scratch, env=environment)
    said = done.stderr.decode(errors="replace")
    if "Traceback" in said:
        raise InfrastructureError(f"b4 broke on {origin}: {_line(done.stderr)}")
    if done.returncode != 0 or not done.stdout or "Thread incomplete" in said:
        saw = ", ".join(line.strip() for line in said.splitlines() if "[PATCH" in line)
        msg = f"{origin}: b4 finds no complete series in it: {saw or _line(done.stderr)}"
        raise UserError(msg)
    return done.stdout


def _check_nothing_lost(given: Iterable[Mail], used: list[Mail], origin: Path) -> None:
    """Make sure that what b4 left out are cover letters, replies and older versions."""
    known = {mail.message_id for mail in used}
    newest = max((mail.revision for mail in used), default=1)
    for mail in given:
        wanted = mail.diff and not mail.reply and mail.revision >= newest and mail.number != 0
        if wanted and mail.message_id not in known:
            msg = (
                f"{origin}: holds more than one series: {mail.subject!r} belongs to none of "
                f"{', '.join(repr(other.subject) for other in used)}; give one series a file"
            )
            raise UserError(msg)


def _check_numbers(patches: list[Mail], origin: Path) -> None:
    """Make sure that a mailbox whose subjects count the patches has them all, in order."""
    totals = {mail.total for mail in patches}
    if totals <= {None}:
        return
    total = patches[0].total
    numbers = [mail.number for mail in patches]
    if len(totals) > 1 or total is None or numbers != list(range(1, total + 1)):
        have = ", ".join(f"{mail.number}/{mail.total}" for mail in patches)
        raise UserError(f"{origin}: patches are missing or out of order, there are only {have}")


def _line(text: bytes) -> str:
    lines = text.decode(errors="replace").strip().splitlines()
    return lines[-1].strip()[:300] if lines else "it said nothing"
