# SPDX-License-Identifier: GPL-2.0-or-later
"""Which files a diff touches, read from its headers, and whether it may touch them.

Hunks are counted line by line, so that a removed line that looks like a header isn't taken for
one. Nothing here opens any of the named files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ksuite.errors import UserError

_HUNK = re.compile(rb"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_MODE = re.compile(
    rb"(?:old mode|new mode|new file mode|deleted file mode|index [0-9a-f]+\.\.[0-9a-f]+) (\d+)$"
)
_MOVE = re.compile(rb"(?:rename|copy) (?:from|to) (.+)$")
_ESCAPE = re.compile(rb'\\([abtnvfr"\\]|[0-3][0-7]{2})')
_ESCAPES = dict(zip(b'abtnvfr"\\', b'\a\b\t\n\v\f\r"\\', strict=True))
_SPECIAL_MODES = {b"120000": "symbolic link", b"160000": "submodule"}


@dataclass
class _Reader:
    """Goes through a diff once, collecting names.

    :param label: how to call the diff in messages.
    """

    label: str
    lines: list[bytes]
    at: int = 0
    names: dict[str, None] = field(default_factory=dict)
    hunks: int = 0

    def refuse(self, what: str) -> UserError:
        return UserError(f"{self.label}, line {self.at + 1}: {what}")

    def read(self) -> None:
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if line.startswith(b"diff --git "):
                self._git_header(line)
            elif line.startswith(b"--- ") and self._next().startswith(b"+++ "):
                self._plain_header()
            elif line.startswith((b"GIT binary patch", b"Binary files ")):
                raise self.refuse("a binary patch; only text can be judged")
            else:
                self.at += 1

    def _next(self) -> bytes:
        return self.lines[self.at + 1] if self.at + 1 < len(self.lines) else b""

    def _git_header(self, line: bytes) -> None:
        halves = _git_halves(line.removeprefix(b"diff --git "))
        moved: dict[str, None] = {}
        self.at += 1
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if mode := _MODE.match(line):
                self._check_mode(mode[1])
            elif move := _MOVE.match(line):
                moved[self._inside(_unquoted(move[1], self), stripped=True)] = None
            elif line.startswith(b"--- ") and self._next().startswith(b"+++ "):
                sides = [self._side(line), self._side(self._next())]
                self.names.update({name: None for name in sides if name is not None} | moved)
                self.at += 2
                self._hunks()
                return
            elif not line.startswith((b"similarity index", b"dissimilarity index", b"index ")):
                break
            self.at += 1
        if not moved:
            if halves is None:
                raise self.refuse("a diff header that names no file")
            moved[self._inside(_unquoted(halves, self))] = None
        self.names.update(moved)

    def _check_mode(self, mode: bytes) -> None:
        if kind := _SPECIAL_MODES.get(mode):
            raise self.refuse(f"a {kind} (mode {mode.decode()}), which could lead out of the tree")

    def _plain_header(self) -> None:
        sides = [self._side(self.lines[self.at]), self._side(self._next())]
        names = [name for name in sides if name is not None]
        # As git and patch have it: of file and file.orig, the shorter one is meant.
        if len(names) == 2:
            names = names[:1] if names[1].startswith(names[0]) else names[1:]
        self.names.update(dict.fromkeys(names))
        self.at += 2
        self._hunks()

    def _side(self, line: bytes) -> str | None:
        """Return the file that a ``---`` or ``+++`` line names, or None for /dev/null."""
        name = _name(line)
        return None if name == b"/dev/null" else self._inside(_unquoted(name, self))

    def _inside(self, name: str, *, stripped: bool = False) -> str:
        """Return a file's name, less its first directory unless it is ``stripped`` of it."""
        inside = name
        if not stripped and not name.startswith("/"):
            inside = name.partition("/")[2]
            if not inside:
                raise self.refuse(f"{name!r} has no leading directory; a diff for -p1 is needed")
        parts = PurePosixPath(inside).parts
        if inside.startswith("/") or ".." in parts or ".git" in [part.lower() for part in parts]:
            raise self.refuse(f"the diff names {name!r}, which is outside the tree; not touched")
        if str(PurePosixPath(inside)) != inside or not inside.isprintable():
            raise self.refuse(f"the diff names {name!r}, which is no plain file name")
        return inside

    def _hunks(self) -> None:
        before = self.hunks
        while self.at < len(self.lines) and (hunk := _HUNK.match(self.lines[self.at])):
            self._hunk(*(int(count) if count else 1 for count in hunk.groups(b"1")))
            self.hunks += 1
        if self.hunks == before:
            raise self.refuse("no hunk (@@ -n,m +n,m @@) follows the file names: cut short?")

    def _hunk(self, old: int, new: int) -> None:
        start = self.at
        self.at += 1
        while old > 0 or new > 0 or self._is_remark():
            if self.at >= len(self.lines):
                self.at = start
                raise self.refuse("the patch ends in the middle of this hunk: it is cut short")
            kind = self.lines[self.at][:1]
            old -= kind in {b" ", b"-", b""}
            new -= kind in {b" ", b"+", b""}
            if kind not in {b" ", b"-", b"+", b"", b"\\"} or old < 0 or new < 0:
                raise self.refuse(f"damaged: the hunk of line {start + 1} is cut short or changed")
            self.at += 1

    def _is_remark(self) -> bool:
        return self.at < len(self.lines) and self.lines[self.at].startswith(b"\\ ")


def touched_files(diff: bytes, label: str) -> tuple[str, ...]:
    """Return the files that a diff touches, both sides of renames, in order of appearance.

    :param label: what the diff is called in error messages.
    :raises UserError: it is no diff, is damaged, binary, or reaches outside the tree.
    """
    reader = _Reader(label, diff.removesuffix(b"\n").split(b"\n"))
    reader.read()
    if not reader.names:
        raise UserError(f"{label}: no patch: there is no diff in it")
    return tuple(reader.names)


def _name(line: bytes) -> bytes:
    """Return the name in a ``---`` or ``+++`` line, without the timestamp that may follow."""
    text = line[4:]
    if text.startswith(b'"'):
        return text[: text.rfind(b'"') + 1]
    return text.partition(b"\t")[0].rstrip()


def _git_halves(names: bytes) -> bytes | None:
    """Return the second of the names in ``a/NAME b/NAME``, which are the same but for a/ and b/."""
    first, second = names[: len(names) // 2], names[len(names) // 2 + 1 :]
    strip = [half.strip(b'"').partition(b"/")[2] for half in (first, second)]
    return second if strip[0] and strip[0] == strip[1] else None


def _unquoted(name: bytes, reader: _Reader) -> str:
    """Return a name as text, without the quotes and escapes that git puts around odd ones."""
    if name.startswith(b'"') and name.endswith(b'"') and len(name) > 1:
        name = _ESCAPE.sub(_unescaped, name[1:-1])
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise reader.refuse(f"the diff names {name!r}, which is not UTF-8") from None


def _unescaped(match: re.Match[bytes]) -> bytes:
    code = match[1]
    return bytes([_ESCAPES[code[0]] if len(code) == 1 else int(code, 8)])
