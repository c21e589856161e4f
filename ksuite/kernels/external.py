# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds out-of-tree modules for a kernel, as Kbuild does it or as their DKMS configuration says.

They are somebody's, and so is what builds them: like patches, they are built by nobody, without a
network, from a copy.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ksuite.errors import DoesNotCompile, InfrastructureError, UserError
from ksuite.kernels.beneath import is_linked
from ksuite.kernels.built import ModuleBuild, read_modules, write_modules
from ksuite.kernels.dkms import Dkms, read_dkms, variables
from ksuite.kernels.held import scratch_directory
from ksuite.kernels.makelog import MakeLog
from ksuite.kernels.modulesource import ModuleSource
from ksuite.kernels.room import FILE_BYTES, Room, built_for
from ksuite.kernels.source import KernelSource, check_compiler, linker_version
from ksuite.kernels.store import Store, digest

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = "2"
"""Part of every key: raise it when the same input would give another build."""
KIND = "modules"
_FILE = re.compile(r"[A-Za-z0-9_][\w.+-]*\.ko", re.ASCII)


@dataclass(frozen=True)
class How:
    """How modules are built.

    :param kbuild: the directory that make is told as ``M=``; where `dkms` is empty.
    :param dkms: the DKMS configuration's file.
    :param modules: which of what is built to load, by name; all when empty.
    :param make: more arguments for make.
    """

    kbuild: str = "."
    dkms: str = ""
    modules: tuple[str, ...] = ()
    make: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Job:
    kernel: KernelSource
    source: ModuleSource
    how: How
    linker: str

    @property
    def key(self) -> str:
        own = repr(self.how), self.source.key
        return digest("external", FORMAT, *built_for(self.kernel, self.linker), *own)


def build_external(
    kernel: KernelSource, source: ModuleSource, how: How, store: Store
) -> ModuleBuild:
    """Build modules, or find them in the store.

    :raises UserError: the configuration says nothing that can be built.
    :raises DoesNotCompile: what they are made of is at fault.
    :raises InfrastructureError: the build was killed, ran out of time or of space.
    """
    check_compiler(kernel)
    job = _Job(kernel, source, how, "" if kernel.build_root else linker_version())
    cached = store.entry(KIND, job.key) is not None
    place = store.obtain(KIND, job.key, lambda into: _build(job, into, store))
    modules = read_modules(place)
    return ModuleBuild(job.key, modules, cached=cached, vmlinux_id=kernel.build_id)


def _build(job: _Job, into: Path, store: Store) -> None:
    with scratch_directory() as scratch:
        room = Room(job.kernel, scratch / "top")
        dkms, top = _laid_out(job, room)
        room.give()
        command = _command(job, room, dkms, top)
        status, log = room.run(command, _environment(job, room, dkms))
        if status:
            raise _failure(job, log, store)
        made = _taken(room, _places(job, room, dkms, top))
        try:
            write_modules(into, log, made)
        except InfrastructureError as error:
            raise DoesNotCompile(f"the build made what is no module: {error}") from error


def _laid_out(job: _Job, room: Room) -> tuple[Dkms | None, str]:
    """Write the source where its builder takes it from; return that, relative to the room."""
    if not job.how.dkms:
        job.source.write(room.top / "source")
        return None, "source"
    if (file := job.source.files.get(job.how.dkms)) is None:
        raise UserError(f"there is no {job.how.dkms} in {job.source.name}")
    dkms = read_dkms(file.content, job.how.dkms, room)
    top = f"{dkms.name}/{dkms.version}/build"
    below = PurePosixPath(job.how.dkms).parent
    files = {
        str(PurePosixPath(name).relative_to(below)): one
        for name, one in job.source.files.items()
        if PurePosixPath(name).is_relative_to(below)
    }
    replace(job.source, files=files).write(room.top / top)
    return dkms, top


def _command(job: _Job, room: Room, dkms: Dkms | None, top: str) -> list[str]:
    if dkms is None:
        place = os.path.normpath(f"{room.seen}/{top}/{job.how.kbuild}")
        return ["make", "-C", room.headers, f"M={place}", *job.how.make, "modules"]
    return ["sh", "-ec", f'cd "$1"; {dkms.make}', "sh", f"{room.seen}/{top}"]


def _environment(job: _Job, room: Room, dkms: Dkms | None) -> dict[str, str]:
    """Return what make finds there: flags that count as if they were on its command line."""
    jobs = f" -j{os.cpu_count() or 1} -- "
    more = job.how.make if dkms else ()
    flags = {"MAKEFLAGS": jobs + " ".join(_escaped(one) for one in (*room.overrides, *more))}
    return flags | (variables(room) if dkms else {})


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace(" ", "\\ ")


def _places(job: _Job, room: Room, dkms: Dkms | None, top: str) -> list[str]:
    """Return where the modules to load are, relative to the room."""
    if dkms is not None:
        found = {name: f"{top}/{place}" for name, place in dkms.built.items()}
    else:
        below = os.path.normpath(f"{top}/{job.how.kbuild}")
        found = {PurePosixPath(place).stem: place for place in sorted(_made(room, below))}
    wanted = job.how.modules or tuple(found)
    if missing := [name for name in wanted if name not in found]:
        have = ", ".join(found) or "none"
        raise DoesNotCompile(f"the build made no module {', '.join(missing)}; it made: {have}")
    if not wanted:
        raise DoesNotCompile(f"the build made no module in {job.how.kbuild}: is there a Kbuild?")
    return [found[name] for name in wanted]


def _made(room: Room, below: str) -> Iterator[str]:
    """Yield the modules below a directory; how deep they may be is the builder's choice."""
    left = [] if is_linked(room.top, below) else [below]
    while left:
        place = left.pop()
        # A path may be longer than any that can be used.
        with suppress(OSError), os.scandir(room.top / place) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    left.append(f"{place}/{entry.name}")
                elif _FILE.fullmatch(entry.name):
                    yield f"{place}/{entry.name}"


def _taken(room: Room, places: list[str]) -> dict[str, tuple[str, bytes]]:
    """Return the file name and content of each module, by what it is called."""
    taken: dict[str, tuple[str, bytes]] = {}
    total = 0
    for place in places:
        file = PurePosixPath(place).name
        try:
            content = room.take(place)
        except InfrastructureError as error:
            raise DoesNotCompile(f"the build made no {place}") from error
        # One file may have any number of names, and be as good as empty on a disk.
        total += len(content)
        if total >= FILE_BYTES:
            raise DoesNotCompile(f"the build made modules of more than {FILE_BYTES >> 20} MiB")
        # In the kernel, and so wherever it is looked for by name, there are no dashes.
        taken[file.removesuffix(".ko").replace("-", "_")] = file, content
    return taken


def _failure(job: _Job, log: str, store: Store) -> Exception:
    """Return the error that says whose fault a failed build is."""
    kept = store.keep_log(job.key, log)
    said = MakeLog(log)
    if said.host_at_fault:
        return InfrastructureError(f"the module build broke off; the log is {kept}\n{said.last}")
    fault = said.errors or said.stopped or said.last
    return DoesNotCompile(
        f"{job.source.name} does not compile for {job.kernel.release}; the log is {kept}\n{fault}"
    )
