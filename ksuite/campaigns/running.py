# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of the modules that revisions change run, and which files may get into one of these.

Where it isn't certain, a file counts: a change that is passed over would be blamed on another.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ksuite.errors import NothingToCompare
from ksuite.kernels.dependencies import read_dependencies
from ksuite.kernels.kbuild import makefile_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ksuite.kernels.dependencies import Dependencies
    from ksuite.kernels.plan import ModuleTarget


def that_run(
    targets: Sequence[ModuleTarget],
    files: frozenset[str],
    loaded: frozenset[str],
    tree: Path,
    dependencies: Path | None,
) -> tuple[tuple[ModuleTarget, ...], frozenset[str]]:
    """Return the modules that are loaded, and the files that may get into one of them.

    :param targets: the plan for these files: it refuses a header that is read outside of the
        directory whose Makefile it belongs to, unless all its readers are known.
    :param tree: the kernel's source.
    :param dependencies: what its build has told of its headers, if it has.
    :raises NothingToCompare: none is loaded.
    """
    running = tuple(target for target in targets if target.name in loaded)
    if not running:
        names = ", ".join(target.name for target in targets)
        raise NothingToCompare(f"what differs is in {names}, and this cost takes none of them")
    idle = [target for target in targets if target not in running]
    read = read_dependencies(dependencies)
    return running, frozenset(
        file for file in files if not _is_idle(file, running, idle, tree, read)
    )


def _is_idle(
    file: str,
    running: Sequence[ModuleTarget],
    idle: Sequence[ModuleTarget],
    tree: Path,
    read: Dependencies,
) -> bool:
    """Say whether a file gets into none of the modules that run."""
    made = f"{file.removesuffix('.c')}.o"
    ours = {part for target in running for part in target.objects}
    if made in ours:
        return False
    if readers := read.modules_reading(file):
        return not {f"{target.directory}/{target.file}" for target in running} & {*readers}
    if any(made in target.objects for target in idle):
        return True
    owner = next(
        (str(one) for one in PurePosixPath(file).parents[:-1] if makefile_of(tree, str(one))), None
    )
    return owner is not None and not any(part.startswith(f"{owner}/") for part in ours)
