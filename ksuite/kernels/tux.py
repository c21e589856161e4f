# SPDX-License-Identifier: GPL-2.0-or-later
"""tuxmake, used as a library by a child that runs as nobody, without network, always in one place.

What a build is called by then is the same on every machine, and so is what it makes: equal sources
give equal kernels, and ccache finds what it has seen in another tree.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ksuite.errors import InfrastructureError
from ksuite.kernels.git import CLEAN_PATH
from ksuite.processes import MOUNTS, contained, tool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SOURCE, OUT, CCACHE, GIVEN, LIBRARY = (
    MOUNTS / name for name in ("source", "out", "ccache", "given", "library")
)
PYTHON = "/usr/bin/python3"
"""Another one on the path may be in somebody's home, where nobody gets at it."""
TOOLS = "x86_64-linux-gnu-"
"""What the names of compiler and linker begin with, as tuxmake calls them."""
FRAGMENT = "asked.config"
RESULTS = "results"
"""Below the place where make's results are, those that tuxmake picks out."""
CCACHE_LINKS = "/usr/lib/ccache"
"""Debian's ccache has links there that are called like the compilers."""
EPOCH = "2026-01-01T00:00:00Z"
"""The time of every build, so that the same source makes the same kernel."""
SECONDS = 3600
FILE_BYTES = 4 << 30
LOG_BYTES = 32 << 20

_CHILD = f"""\
import json, sys
sys.path.insert(0, {str(LIBRARY)!r})
from tuxmake.build import build
sys.exit(not build(**json.loads(sys.argv[1])).passed)
"""
_ENVIRONMENT = {
    "PATH": f"{CCACHE_LINKS}:{CLEAN_PATH}",
    "LC_ALL": "C",
    "HOME": str(OUT),
    "TMPDIR": str(OUT),
    "PYTHONDONTWRITEBYTECODE": "1",
    "CCACHE_DIR": str(CCACHE),
    "CCACHE_MAXSIZE": "5G",
    # By the dependencies that the compiler writes anyway: else each miss is preprocessed twice.
    "CCACHE_DEPEND": "1",
}
_READING_CACHE = {"CCACHE_READONLY": "1", "CCACHE_TEMPDIR": str(OUT / ".ccache")}
_OF_KBUILD = {
    "KBUILD_BUILD_TIMESTAMP": EPOCH,
    "KBUILD_BUILD_USER": "ksuite",
    "KBUILD_BUILD_HOST": "ksuite",
    "KBUILD_BUILD_VERSION": "1",
    # The places are the same everywhere.
    "KCFLAGS": "",
}


@dataclass(frozen=True)
class Workplace:
    """Where a kernel is built.

    :param source: directories; a file is taken from the first that has it. They are only read.
    :param out: what make made so far; the builder's.
    :param ccache: its cache; the builder's.
    :param given: holds the fragment `FRAGMENT` of the configuration, on top of allnoconfig.
    :param trusted: it may write into the cache, for other builds to find.
    """

    source: tuple[Path, ...]
    out: Path
    ccache: Path
    given: Path
    trusted: bool


def tuxmake(
    place: Workplace, targets: Sequence[str], said: Callable[[str], None] = lambda _: None
) -> tuple[bool, str]:
    """Have targets made, and return whether they were, and the log.

    :param targets: tuxmake's: config, kernel, modules, ...
    :param said: is told each line of the log.
    :raises InfrastructureError: it could not be started.
    """
    asked = {
        "tree": str(SOURCE),
        "build_dir": str(OUT),
        "output_dir": str(OUT / RESULTS),
        "target_arch": "x86_64",
        "kconfig": "allnoconfig",
        "kconfig_add": [str(GIVEN / FRAGMENT)],
        "environment": _OF_KBUILD,
        "targets": list(targets),
        "compression_type": "none",
        "jobs": os.cpu_count() or 1,
        "runtime": "null",
        "fail_fast": True,
        # Silent, it would have nothing to tell.
        "verbose": True,
    }
    python = [tool(PYTHON, "python3"), "-I", "-u", "-c", _CHILD, json.dumps(asked)]
    return _listen([*_confined(place), *python], said)


def _confined(place: Workplace) -> list[str]:
    spec = find_spec("tuxmake")
    if spec is None or spec.origin is None:
        raise InfrastructureError("tuxmake is missing: `pip install tuxmake`, or run ./bootstrap")
    mounts = {
        SOURCE.name: place.source,
        OUT.name: [place.out],
        CCACHE.name: [place.ccache],
        GIVEN.name: [place.given],
        LIBRARY.name: [Path(spec.origin).parent.parent],
    }
    read_only = {GIVEN.name, LIBRARY.name} | (set() if place.trusted else {CCACHE.name})
    environment = _ENVIRONMENT | ({} if place.trusted else _READING_CACHE)
    return [
        *contained(drop_root=True, mounts=mounts, read_only=read_only),
        *("env", "-i", f"--chdir={SOURCE}", *(f"{k}={v}" for k, v in environment.items())),
        *("prlimit", f"--fsize={FILE_BYTES}", "--core=0", "--", "timeout", str(SECONDS)),
    ]


def _listen(command: Sequence[str], said: Callable[[str], None]) -> tuple[bool, str]:
    """Run a command, and return whether it succeeded, and the first of what it said."""
    log: list[str] = []
    size = 0
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as child:
        try:
            said_so: IO[str] = child.stdout  # type: ignore[assignment]
            for line in iter(partial(said_so.readline, LOG_BYTES), ""):
                size += len(line)
                if size < LOG_BYTES:
                    log.append(line)
                said(line.rstrip())
        except BaseException:
            child.kill()
            raise
    return child.returncode == 0, "".join(log)
