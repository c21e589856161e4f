# SPDX-License-Identifier: GPL-2.0-or-later
"""A patch series, wherever it comes from: mailbox, single patch, quilt directory or git range."""

from __future__ import annotations

import shlex
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.errors import UserError
from ksuite.kernels.diff import touched_files
from ksuite.kernels.gitrange import format_range
from ksuite.kernels.mail import is_mail, read_mails
from ksuite.kernels.store import digest

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_BYTES = 64 << 20
"""No file of patches is larger."""


@dataclass(frozen=True)
class Patch:
    """One diff.

    :param name: file name, or place in its mailbox.
    :param subject: what its author calls it.
    :param text: what ``git apply`` gets; of a mail, the decoded part below its message.
    :param files: what it touches, relative to the tree, both sides of renames.
    """

    name: str
    subject: str
    text: bytes
    files: tuple[str, ...]


@dataclass(frozen=True)
class Meta:
    """What a quilt directory's ``meta.toml`` says about its series.

    :param upstream: commits that the series corresponds to.
    :param kernels: range of kernels it applies to, such as ``>=6.1,<6.2``.
    :param base: patch files of the directory that make the base kernel.
    """

    title: str
    upstream: tuple[str, ...]
    kernels: str
    expected_effect: str
    base: tuple[str, ...]


@dataclass(frozen=True)
class Series:
    """Ordered patches, read and found harmless to apply.

    :param origin: where it was read from, as the user gave it.
    :param digest: SHA-256 of all that it changes, base included.
    :param base_patches: what makes the base of it, applied to the source first.
    """

    title: str
    origin: str
    patches: tuple[Patch, ...]
    digest: str
    base_patches: tuple[Patch, ...] = ()
    meta: Meta | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """Return what the series itself touches, sorted."""
        return tuple(sorted({file for patch in self.patches for file in patch.files}))


def read_series(spec: str) -> Series:
    """Read a mailbox, a patch, a quilt directory with a ``series`` file, or ``TREE:REV..REV``.

    :raises UserError: there is no such thing, it is no series, or reaches outside the tree.
    """
    path = Path(spec)
    tree, _, revisions = spec.rpartition(":")
    try:
        if path.is_dir():
            return _quilt(path)
        if path.exists():
            return _series(spec, _patches(path, _content(path)))
        if tree and ".." in revisions:
            return _range(Path(tree), revisions)
    except OSError as error:
        raise UserError(f"{spec[:200]} can't be read: {error.strerror}") from error
    raise UserError(f"{spec!r} does not exist: give a mailbox, patch, directory or TREE:REV..REV")


def _range(tree: Path, revisions: str) -> Series:
    if not tree.is_dir():
        raise UserError(f"{tree} does not exist, or is no git tree")
    origin = f"{tree}:{revisions}"
    return _series(origin, _patches(Path(origin), format_range(tree, revisions)))


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise UserError(f"{path} is neither a file nor a directory")
    if path.stat().st_size > MOST_BYTES:
        raise UserError(f"{path} is larger than {MOST_BYTES >> 20} MiB: no patch series is")
    data = path.read_bytes()
    if not data.strip():
        raise UserError(f"{path} is empty: no patch in it")
    if b"\0" in data:
        raise UserError(f"{path} is not a patch but binary data")
    return data


def _patches(path: Path, data: bytes) -> tuple[Patch, ...]:
    """Return the patches in a file's content, none of which is skipped."""
    if not is_mail(data):
        return (_patch(path.name, path.name, data, str(path)),)
    mails = read_mails(data, path)
    if len(mails) == 1:
        return (_patch(path.name, mails[0].subject, mails[0].diff, str(path)),)
    if not mails:
        raise UserError(f"{path}: no patch: there is no diff in any of its messages")
    total = len(mails)
    return tuple(
        _patch(f"{path.name} {number}/{total}", mail.subject, mail.diff, f"{path} {number}/{total}")
        for number, mail in enumerate(mails, 1)
    )


def _patch(name: str, subject: str, diff: bytes, label: str) -> Patch:
    return Patch(name, subject or name, diff, touched_files(diff, label))


def _series(
    origin: str,
    patches: tuple[Patch, ...],
    base_patches: tuple[Patch, ...] = (),
    meta: Meta | None = None,
) -> Series:
    parts = [patch.text for patch in (*base_patches, *patches)]
    return Series(
        title=meta.title if meta else patches[0].subject,
        origin=origin,
        patches=patches,
        digest=digest(str(len(base_patches)), *parts),
        base_patches=base_patches,
        meta=meta,
    )


def _quilt(directory: Path) -> Series:
    listing = directory / "series"
    if not listing.is_file():
        raise UserError(f"{directory} has no file `series` that lists its patches")
    names = [name for line in _text(listing).splitlines() if (name := _entry(line, listing))]
    patches = _read_named(directory, names, listing)
    if not patches:
        raise UserError(f"{listing} lists no patch")
    if not (directory / "meta.toml").exists():
        return _series(str(directory), patches)
    meta = _meta(directory / "meta.toml")
    base = _read_named(directory, meta.base, directory / "meta.toml")
    return _series(str(directory), patches, base, meta)


def _entry(line: str, listing: Path) -> str | None:
    """Return the patch that a line of a series file names, or None for a comment."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        words = line.split()
    if any(option not in {"-p1", "-p", "1"} for option in words[1:]):
        raise UserError(f"{listing}: {line.strip()!r}: only the option -p1 is supported")
    return words[0] if words else None


def _read_named(directory: Path, names: Iterable[str], listing: Path) -> tuple[Patch, ...]:
    patches: list[Patch] = []
    for name in names:
        path = directory / name
        if not path.resolve().is_relative_to(directory.resolve()):
            raise UserError(f"{listing} names {name!r}, which is outside {directory}; not read")
        if not path.is_file():
            raise UserError(f"{listing} names {name!r}, which does not exist in {directory}")
        patches.extend(_patches(path, _content(path)))
    return tuple(patches)


def _meta(path: Path) -> Meta:
    try:
        table = tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is not valid TOML: {error}") from error
    texts = {key: table.pop(key, "") for key in ("title", "kernels", "expected_effect")}
    lists = {key: table.pop(key, []) for key in ("upstream", "base")}
    if table:
        raise UserError(f"{path} has the unknown keys {', '.join(sorted(table))}")
    for key, text in texts.items():
        if not isinstance(text, str):
            raise UserError(f"{path}: {key} must be a string")
    for key, words in lists.items():
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise UserError(f"{path}: {key} must be a list of strings")
    if not texts["title"]:
        raise UserError(f"{path} has no title")
    return Meta(**texts, upstream=tuple(lists["upstream"]), base=tuple(lists["base"]))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text") from None
