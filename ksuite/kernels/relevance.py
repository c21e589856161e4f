# SPDX-License-Identifier: GPL-2.0-or-later
"""Which files of a tree can make no difference to a kernel of a given configuration.

Where it isn't certain, a file counts: a change that is passed over would be blamed on another.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ksuite.errors import NeedsFullBuild
from ksuite.kernels.includes import touched_through_includes
from ksuite.kernels.kbuild import evaluate, makefile_of
from ksuite.kernels.plan import is_inert

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ksuite.kernels.kbuild import Directory
    from ksuite.kernels.source import KernelSource

ARCHITECTURES = "arch/"
OURS = {"x86"}
_DECIDING = ("Makefile", "Kbuild", "Kconfig")
_TOOLS_USED = ("tools/objtool/", "tools/lib/", "tools/include/", "tools/arch/x86/", "tools/build/")
"""Of the tools, a kernel's build makes objtool, and resolve_btfids of its libraries."""
_BUILD_TOOLS = ("scripts", "tools", "usr")


def that_count(source: KernelSource, tree: Path, files: Iterable[str]) -> frozenset[str]:
    """Return the files that may get into a kernel or its modules.

    :param source: a kernel in the configuration that is asked about.
    :param tree: its source.
    :param files: relative to the tree.
    """
    asked = frozenset(file for file in files if not _is_elsewhere(file))
    if any(PurePosixPath(file).name.startswith(_DECIDING) for file in asked):
        # What this tree does not compile another revision may.
        return asked
    idle = {file for file in asked if file.endswith(".c") and _is_not_compiled(source, tree, file)}
    if not idle:
        return asked
    included = set(touched_through_includes(tree, idle).values())
    return asked - (idle - included)


def _is_elsewhere(file: str) -> bool:
    """Say whether a file is for people, for another architecture, or a tool that no build uses."""
    if is_inert(file):
        return True
    path = PurePosixPath(file)
    if path.parts[0] == "arch" and len(path.parts) > 2:
        return path.parts[1] not in OURS
    return path.parts[0] == "tools" and not file.startswith(_TOOLS_USED)


def _is_not_compiled(source: KernelSource, tree: Path, file: str) -> bool:
    """Say whether no Makefile above a source has it made into something that was built."""
    wanted = f"{file.removesuffix('.c')}.o"
    built = (source.modules / "modules.order").read_text(encoding="utf-8").split()
    nearest = next(
        (
            str(parent)
            for parent in PurePosixPath(file).parents[:-1]
            if makefile_of(tree, str(parent))
        ),
        None,
    )
    if nearest is None or _makes_programs(tree, nearest):
        return False
    try:
        directory = evaluate(source, tree, nearest)
    except NeedsFullBuild:
        return False
    if wanted in directory.builtin:
        return False
    return _knows(directory, file) and not any(
        wanted in objects and f"kernel/{nearest}/{name}" in built
        for name, objects in directory.modules.items()
    )


def _makes_programs(tree: Path, directory: str) -> bool:
    """Say whether a directory may hold sources of what runs while a kernel is built."""
    makefile = makefile_of(tree, directory)
    text = makefile.read_text(encoding="utf-8", errors="replace") if makefile else ""
    return directory.startswith(_BUILD_TOOLS) or "progs" in text


def _knows(directory: Directory, file: str) -> bool:
    """Say whether a directory's Makefile answers for a file: one below may be another's."""
    return str(PurePosixPath(file).parent) == directory.path
