# SPDX-License-Identifier: GPL-2.0-or-later
"""What modules of a kernel are built against, picked from its source and its build.

As a directory that was configured and built in place has it: the Makefiles, headers and scripts of
the source, and over them what make(1) generated.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.kernels.beneath import is_linked

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
_NOT_READ = shutil.ignore_patterns("*.o", "*.cmd", "*.a", "kconfig", "gdb", "coccinelle")


def collect_headers(sources: Sequence[Path], build: Path, into: Path) -> None:
    """Fill a directory.

    :param sources: a file is taken from the first that has it.
    :param build: where make was run.
    """
    for source in reversed(sources):
        for name in OF_SOURCE:
            _copy(source, name, into)
    for name in OF_BUILD:
        _copy(build, name, into)
    for directory, _, names in os.walk(into):
        for path in (Path(directory), *(Path(directory, name) for name in names)):
            mode = path.lstat().st_mode
            if not stat.S_ISLNK(mode):
                # Nobody reads them, whatever the umask of who built the kernel.
                path.chmod(0o755 if stat.S_ISDIR(mode) or mode & stat.S_IXUSR else 0o644)


def _copy(top: Path, name: str, into: Path) -> None:
    """Add a file or directory; links stay links, wherever they lead, and none is followed."""
    source, target = top / name, into / name
    if is_linked(top, name) or not source.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        # copytree() can write over files, and not over links.
        for link in filter(Path.is_symlink, source.rglob("*") if target.exists() else ()):
            (target / link.relative_to(source)).unlink(missing_ok=True)
        shutil.copytree(source, target, symlinks=True, ignore=_left_out, dirs_exist_ok=True)
    elif source.is_file():
        shutil.copy2(source, target, follow_symlinks=False)


def _left_out(directory: str, names: list[str]) -> set[str]:
    """Return what no module is built against, and what can't be copied: it is no file."""
    modes = {name: Path(directory, name).lstat().st_mode for name in names}
    kinds = (stat.S_ISREG, stat.S_ISDIR, stat.S_ISLNK)
    strange = {name for name, mode in modes.items() if not any(kind(mode) for kind in kinds)}
    return strange | _NOT_READ(directory, names)
