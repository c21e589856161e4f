# SPDX-License-Identifier: GPL-2.0-or-later
"""Which files of a tree include which, erring on the side of too many."""

from __future__ import annotations

import os.path
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ksuite.errors import InfrastructureError
from ksuite.kernels.git import CLEAN_PATH
from ksuite.processes import run, tool

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_NOT_KERNEL = {"Documentation", "samples", "scripts", "tools", "arch"}
_INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*(["<])([^">\n]+)[">]', re.MULTILINE)


def touched_through_includes(tree: Path, files: Iterable[str]) -> dict[str, str]:
    """Return what includes files, directly or through others, with the file each includes.

    An include that could mean one of the files, by the end of its path, counts as meaning it.
    """
    found: dict[str, str] = {}
    known = set(files)
    fresh = known
    while fresh:
        pairs = {
            includer: file
            for includer in _mentioning(tree, {PurePosixPath(file).name for file in fresh})
            if includer not in known
            for file in fresh
            if _includes(tree, includer, file)
        }
        found |= pairs
        fresh = set(pairs)
        known |= fresh
    return found


def named_by_makefile(tree: Path, header: str) -> str | None:
    """Return a Makefile that names a header: it may have something made from it."""
    path = PurePosixPath(header)
    places = ""
    for part in path.parts[:-1]:
        places = f"({places}{re.escape(part)}/)?"
    question = rf"(^|[^[:alnum:]_/-]|[).]/){places}{re.escape(path.name)}\>"
    found = _grep(tree, question, ["Makefile*", "Kbuild*"])
    return found[0] if found else None


def _mentioning(tree: Path, names: set[str]) -> list[str]:
    """Return the sources of an x86 kernel with an include that ends in one of some names."""
    pattern = "|".join(re.escape(name) for name in sorted(names))
    return _grep(tree, f'#[[:space:]]*include[[:space:]]*["<](.*/)?({pattern})[">]', ["*.[chS]"])


def _grep(tree: Path, pattern: str, kinds: Iterable[str]) -> list[str]:
    """Return the files of an x86 kernel that an extended regular expression is found in, sorted."""
    # A link that is named to it grep follows, wherever it leads.
    places = [top for top in tree.iterdir() if top.is_dir() and not top.is_symlink()]
    tops = [top.name for top in places if top.name not in _NOT_KERNEL]
    wanted = [f"--include={kind}" for kind in kinds]
    command = [tool("grep", "grep"), "-rlEs", *wanted, "-e", pattern, "--"]
    environment = {"PATH": CLEAN_PATH, "LC_ALL": "C"}
    done = run([*command, *sorted(tops), "arch/x86"], cwd=tree, env=environment)
    if done.returncode < 0 or (done.returncode > 1 and not done.stdout):
        raise InfrastructureError(f"grep in {tree} failed: {done.stderr.decode()[:300]}")
    return sorted(done.stdout.decode().splitlines())


def _includes(tree: Path, includer: str, file: str) -> bool:
    directory = os.path.dirname(includer)  # noqa: PTH120 - a name in the tree, not a path
    for quote, name in _INCLUDE.findall((tree / includer).read_bytes()):
        path = name.decode(errors="replace")
        beside = os.path.normpath(f"{directory}/{path}")
        if quote == b'"' and (beside == file or (tree / beside).is_file()):
            if beside == file:
                return True
            continue
        tail = re.sub(r"^(\.{1,2}/)+", "", path)
        if f"/{file}".endswith(f"/{tail}"):
            return True
    return False
