# SPDX-License-Identifier: GPL-2.0-or-later
"""What modules of a kernel are built against, picked from its source and its build.

As a directory that was configured and built in place has it: the Makefiles, headers and scripts of
the source, and over them what make(1) generated.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

OF_SOURCE = (
    "Makefile",
    "include",
    "scripts",
    "arch/x86/Makefile",
    "arch/x86/Makefile_32.cpu",
    "arch/x86/Makefile.um",
    "arch/x86/include",
)
OF_BUILD = (
    ".config",
    "Module.symvers",
    "include",
    "scripts",
    "arch/x86/include",
    "tools/objtool/objtool",
)
_LEFT_OUT = shutil.ignore_patterns("*.o", "*.cmd", "*.a", "kconfig", "gdb", "coccinelle")


def collect_headers(sources: Sequence[Path], build: Path, into: Path) -> None:
    """Fill a directory.

    :param sources: a file is taken from the first that has it.
    :param build: where make was run.
    """
    for source in reversed(sources):
        for name in OF_SOURCE:
            _copy(source / name, into / name)
    for name in OF_BUILD:
        _copy(build / name, into / name)


def _copy(source: Path, target: Path) -> None:
    """Add a file or directory; links stay links, wherever they lead."""
    if source.is_symlink() or not source.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        # copytree() can write over files, and not over links.
        for link in filter(Path.is_symlink, source.rglob("*") if target.exists() else ()):
            (target / link.relative_to(source)).unlink(missing_ok=True)
        shutil.copytree(source, target, symlinks=True, ignore=_LEFT_OUT, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target, follow_symlinks=False)
