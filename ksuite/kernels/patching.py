# SPDX-License-Identifier: GPL-2.0-or-later
"""Patches put on copies of the files that they touch, the tree itself left alone.

``git apply`` does the work of ``git am`` here: the mails have been taken apart before, and what it
may touch was checked then. It refuses on its own what leads out of the directory.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from ksuite.errors import DoesNotApply, UserError
from ksuite.kernels.git import git
from ksuite.kernels.held import scratch_directory
from ksuite.kernels.plan import is_inert

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ksuite.kernels.series import Patch

SHOWN_LINES = 40
"""As much of a refused hunk as an error message shows."""

_FAILED = re.compile(r"error: patch failed: (.+):(\d+)$", re.MULTILINE)
_HUNK = re.compile(r"^@@ ", re.MULTILINE)


def apply_series(tree: Path, patches: Sequence[Patch], into: Path) -> None:
    """Write the files that patches touch to a directory, as they are after all of them.

    :param tree: what the patches are for; it is only read.
    :param into: an empty directory.
    :raises DoesNotApply: a hunk was refused, or a file isn't there.
    :raises UserError: git reads a patch in another way than we did.
    """
    for patch in patches:
        for file in patch.files:
            _copy(tree, file, into, patch)
    for patch in patches:
        _check_names(patch, into)
        done = git("apply", "-p1", "--whitespace=nowarn", "-", cwd=into, stdin=patch.text)
        if done.returncode != 0:
            raise DoesNotApply(_explained(patch, into, done.stderr.decode(errors="replace")))


def _copy(tree: Path, file: str, into: Path, patch: Patch) -> None:
    place = tree
    for part in file.split("/"):
        place /= part
        if place.is_symlink():
            msg = f"{_called(patch)} touches {file}, but {place.relative_to(tree)} is a symbolic "
            raise DoesNotApply(msg + "link in the tree: patch the file that it stands for")
    target = into / file
    if place.is_file() and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(place, target)


def _check_names(patch: Patch, cwd: Path) -> None:
    """Make sure that git sees the patch touch nothing but the files that were checked."""
    done = git("apply", "-p1", "--numstat", "-z", "-", cwd=cwd, stdin=patch.text)
    if done.returncode != 0:
        text = done.stderr.decode(errors="replace").strip()[:300]
        raise UserError(f"{_called(patch)} is damaged: git says {text}")
    rows = done.stdout.decode(errors="replace").rstrip("\0").split("\0")
    strange = {row.split("\t")[-1] for row in rows} - set(patch.files)
    if strange:
        names = ", ".join(sorted(strange))
        raise UserError(f"{_called(patch)} is ambiguous: git reads that it touches {names}")


def _explained(patch: Patch, scratch: Path, said: str) -> str:
    """Return where and why a patch was refused, with the hunk and what the file has there."""
    failed = _FAILED.search(said)
    if failed is None:
        reasons = [line.removeprefix("error: ") for line in said.splitlines() if "error: " in line]
        why = reasons[0] if reasons else said.strip()[:300]
        return f"{_called(patch)} does not apply: {why}; is it made against another version?"
    file, line = failed[1], int(failed[2])
    found = _excerpt(scratch / file, line)
    git("apply", "-p1", "--whitespace=nowarn", "--reject", "-", cwd=scratch, stdin=patch.text)
    return (
        f"{_called(patch)} does not apply at {file}:{line}; is it made against another version?\n"
        f"The hunk that was refused:\n{_refused(scratch / f'{file}.rej')}\n"
        f"What {file} has there:\n{found}"
    )


def _refused(path: Path) -> str:
    """Return the first hunk of a reject file."""
    if not path.is_file():
        return "(git did not keep it)"
    text = path.read_text(encoding="utf-8", errors="replace")
    start, *following = [match.start() for match in _HUNK.finditer(text)] or [0]
    lines = text[start : following[0] if following else None].splitlines()
    return "\n".join(lines[:SHOWN_LINES])


def _excerpt(path: Path, line: int) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    first = max(line - 1, 0)
    shown = enumerate(lines[first : first + 8], first + 1)
    return "\n".join(f"{number:6}  {text}" for number, text in shown) or "(the file ends before)"


def _called(patch: Patch) -> str:
    title = "" if patch.subject == patch.name else f" ({patch.subject})"
    return f"patch {patch.name}{title}"


def changed_files(
    tree: Path, patches: Sequence[Patch], onto: Mapping[str, bytes | None] | None = None
) -> dict[str, bytes | None]:
    """Return the content of all files that patches leave different.

    :param onto: what is different from the tree before they are put on.
    :return: by name; None for one that they remove.
    :raises DoesNotApply: a patch was refused.
    """
    before = dict(onto or {})
    files = sorted({file for patch in patches for file in patch.files})
    with scratch_directory() as scratch:
        for file in files:
            if file not in before:
                before[file] = _content(tree / file)
            elif (content := before[file]) is None:
                raise DoesNotApply(f"{file}, which the patches touch, is not there any more")
            else:
                (scratch / file).parent.mkdir(parents=True, exist_ok=True)
                (scratch / file).write_bytes(content)
        apply_series(tree, patches, scratch)
        after = {file: _content(scratch / file) for file in files if not is_inert(file)}
        return {file: content for file, content in after.items() if content != before[file]}


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
