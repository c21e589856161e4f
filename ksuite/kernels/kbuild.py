# SPDX-License-Identifier: GPL-2.0-or-later
"""What a directory of the kernel builds in a given configuration, as make itself has it.

A Makefile can run commands while it is read, and it is somebody's: make is confined like a build.
"""

from __future__ import annotations

import os.path
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ksuite.errors import InfrastructureError, NeedsFullBuild
from ksuite.kernels.git import CLEAN_PATH
from ksuite.kernels.held import scratch_directory
from ksuite.processes import MOUNTS, contained, run, tool

if TYPE_CHECKING:
    from pathlib import Path

    from ksuite.kernels.source import KernelSource

_TREE, _HEADERS = (MOUNTS / name for name in ("source", "headers"))
"""Where make finds them, who may not get to where they are."""
_MOST_BYTES = 4 << 20
"""Of what it prints; all that the largest directory builds has a hundredth of it."""
_LIMITS = ("--as=268435456", "--cpu=10", f"--fsize={_MOST_BYTES}", "--core=0")
_NOT_MAKES = {1, 125, 126, 127}
"""Exit statuses of what starts it: make's own is 2, or a signal's."""
_QUESTION = f"""\
.DEFAULT_GOAL := nothing
ARCH := x86
SRCARCH := x86
srctree := {_TREE}
objtree := {_HEADERS}
src := {{directory}}
obj := {{directory}}
include {_HEADERS}/include/config/auto.conf
include {_TREE}/scripts/Kbuild.include
include {_TREE}/{{makefile}}
parts = $(or $(strip $($(1:.o=-objs)) $($(1:.o=-y)) $(if $(2),$($(1:.o=-m)))),$(1))
$(foreach o,$(filter %.o,$(obj-y) $(lib-y) $(lib-m)),$(info builtin $(o) $(call parts,$(o),)))
$(foreach o,$(filter-out $(obj-y),$(filter %.o,$(obj-m))),$(info module $(o) $(call parts,$(o),m)))
nothing: ;
"""


@dataclass(frozen=True)
class Directory:
    """What one directory's Makefile builds; objects are named relative to the tree.

    :param builtin: objects that are linked into the kernel.
    :param modules: the objects of each module, by the name of its ``.ko`` file.
    """

    path: str
    builtin: frozenset[str]
    modules: Mapping[str, tuple[str, ...]]


def makefile_of(tree: Path, directory: str) -> Path | None:
    """Return the Makefile that Kbuild would take in a directory, or None."""
    places = (tree / directory / name for name in ("Kbuild", "Makefile"))
    return next((place for place in places if place.is_file()), None)


def evaluate(source: KernelSource, tree: Path, directory: str) -> Directory:
    """Return what a directory's Makefile builds with the configuration of a source.

    :raises NeedsFullBuild: the Makefile can't be evaluated by itself.
    :raises InfrastructureError: make can't be run.
    """
    place = makefile_of(tree, directory)
    makefile = place.relative_to(tree) if place else f"{directory}/Makefile"
    text = _QUESTION.format(directory=directory, makefile=makefile)
    tool("make", "make")
    with scratch_directory() as nothing:
        command = [
            *contained(
                drop_root=True,
                # Laid over, so that it does not matter who may enter the tree itself.
                mounts={_TREE.name: [nothing, tree], _HEADERS.name: [source.headers]},
                read_only={_TREE.name, _HEADERS.name},
            ),
            *("env", "-i", f"--chdir={_TREE}", f"PATH={CLEAN_PATH}", "LC_ALL=C"),
            *("prlimit", *_LIMITS, "--", "make", "-rRs", "-f", "-", "nothing"),
        ]
        done = run(command, env={"PATH": CLEAN_PATH}, stdin=text.encode(), most_bytes=_MOST_BYTES)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").partition("\n")[0][:300]
        if done.returncode in _NOT_MAKES:
            raise InfrastructureError(f"make could not be run: {said}")
        msg = f"needs a full build: the Makefile in {directory} doesn't stand by itself: {said}"
        raise NeedsFullBuild(msg)
    builtin: set[str] = set()
    modules: dict[str, tuple[str, ...]] = {}
    for line in done.stdout.decode(errors="replace").splitlines():
        kind, *names = line.split() or [""]
        objects = tuple(os.path.normpath(f"{directory}/{name}") for name in names)
        if kind == "builtin":
            builtin.update(objects)
        elif kind == "module":
            modules[f"{names[0].removesuffix('.o')}.ko"] = tuple(dict.fromkeys(objects[1:]))
    return Directory(directory, frozenset(builtin), modules)
