# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a tree that was built in place is still what was built, as make(1) would see it.

An object is out of date when a file that it was made from is newer: the ``.cmd`` file beside it
has their names (scripts/basic/fixdep.c). Only objects of the modules that are to be built are
looked at, with every header that they read. Of what else an image is made, this tells nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ksuite.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from ksuite.kernels.plan import ModuleTarget

_SOURCE = re.compile(r"^source_\S+ := (\S+)$", re.MULTILINE)
_READ = re.compile(r"^deps_\S+ := \\\n((?: .*\\\n)*)\n", re.MULTILINE)
_OPTION = re.compile(r"\$\(wildcard (\S+)\)")


def must_be_current(top: Path, name: str, targets: Iterable[ModuleTarget]) -> None:
    """Refuse a tree where make would build objects of some modules anew.

    :param name: what the user calls the tree.
    :raises UserError: a file was changed after one of them was made from it.
    """
    for part in sorted({part for target in targets for part in target.objects}):
        made = _changed_at(top / part)
        if made is None:
            continue
        for file in _made_from(top, part):
            changed = _changed_at(top / file)
            if changed is not None and changed > made:
                raise UserError(
                    f"{name} was changed since it was built: {file} is newer than {part}, which "
                    "was made from it: run make there"
                )


def _made_from(top: Path, part: str) -> Iterator[str]:
    """Yield the files that an object was made from, as make calls them."""
    place = top / part
    command = place.with_name(f".{place.name}.cmd")
    if not command.is_file():
        return
    text = command.read_text(encoding="utf-8", errors="replace")
    if source := _SOURCE.search(text):
        yield source[1]
    if listed := _READ.search(text):
        for line in listed[1].splitlines():
            word = line.strip(" \\")
            option = _OPTION.fullmatch(word)
            # A file that is touched when the option changes.
            yield option[1] if option else word


def _changed_at(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.exists() else None
