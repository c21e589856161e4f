# SPDX-License-Identifier: GPL-2.0-or-later
"""Building just the modules that a series touches, against the distro's headers.

What is compiled is somebody's patch: it is built by nobody, in namespaces without a network, from
copies, and only by the distro's own Makefiles, which a series can't touch (see plan). The result is
stored under what went in, not under who asked: patches that end in the same code share a build.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.errors import DoesNotCompile, InfrastructureError, NeedsFullBuild
from ksuite.kernels.built import ModuleBuild, read_modules, write_modules
from ksuite.kernels.exports import SYMVERS, refuse_changed_exports
from ksuite.kernels.held import scratch_directory
from ksuite.kernels.makelog import MakeLog
from ksuite.kernels.patching import changed_files
from ksuite.kernels.plan import ModuleTarget
from ksuite.kernels.room import Room, built_for
from ksuite.kernels.source import KernelSource, check_compiler, linker_version
from ksuite.kernels.store import Store, digest
from ksuite.processes import run, tool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ksuite.kernels.series import Patch

FORMAT = "3"
"""Part of every key: raise it when the same input would give another build."""

_SHARED = ("include/", "arch/x86/include/")
_NOT_IN_HEADERS = re.compile(r"No rule to make target|Makefile:\d+: .*No such file")


@dataclass(frozen=True)
class _Job:
    """All that a build needs, patches already applied.

    :param changed: new content of each file that differs from the tree.
    :param linker: what this host's says of itself; the assembler is of its version.
    """

    source: KernelSource
    tree: Path
    targets: tuple[ModuleTarget, ...]
    changed: Mapping[str, bytes]
    linker: str = ""

    @property
    def directories(self) -> tuple[str, ...]:
        """The directories to copy; one inside another comes with it."""
        every = {target.directory for target in self.targets}
        return tuple(sorted(one for one in every if not _below(one, every - {one})))

    def by_directory(self) -> Iterator[_Job]:
        """Yield the same in parts, so that a directory without a change is not built again."""
        for directory in self.directories:
            yield replace(
                self,
                targets=tuple(
                    target for target in self.targets if _below(f"{target.directory}/", [directory])
                ),
                changed={
                    name: content
                    for name, content in self.changed.items()
                    if _below(name, [directory]) or name in self.shared
                },
            )

    @property
    def shared(self) -> frozenset[str]:
        """The changed files that the kernel's headers have; it must be known who reads them."""
        if self.source.tree is None or self.source.dependencies is None:
            return frozenset()
        return frozenset(name for name in self.changed if name.startswith(_SHARED))

    @property
    def key(self) -> str:
        """SHA-256 of all that the result depends on."""
        wanted = sorted(f"{target.directory}/{target.file}" for target in self.targets)
        parts: list[bytes | str] = [FORMAT, *built_for(self.source, self.linker)]
        parts += [str(len(wanted)), *wanted]
        for name in sorted(self.changed):
            parts += [name, self.changed[name]]
        return digest(*parts)


def build_modules(
    source: KernelSource,
    tree: Path,
    targets: Iterable[ModuleTarget],
    patches: Sequence[Patch],
    store: Store,
) -> ModuleBuild:
    """Build modules with patches applied, or find them in the store.

    :param tree: the source's, unpacked; it is only read.
    :raises DoesNotApply: a patch was refused.
    :raises DoesNotCompile: the compiler refused what the patches made of it.
    :raises NeedsFullBuild: these modules don't build against the headers at all, or change what
        other modules of the kernel use of them.
    :raises InfrastructureError: the build was killed, ran out of time or of space.
    """
    return build_changed(source, tree, targets, changed_files(tree, patches), store)


def build_changed(
    source: KernelSource,
    tree: Path,
    targets: Iterable[ModuleTarget],
    changed: Mapping[str, bytes | None],
    store: Store,
) -> ModuleBuild:
    """Build modules of a tree in which some files are different; see `build_modules`.

    :param changed: their content, None for one that is removed.
    """
    check_compiler(source)
    together = tuple(targets)
    linker = "" if source.build_root else linker_version()
    job = _Job(source, tree, together, _kept(changed), linker)
    for name in job.changed:
        if not _below(name, job.directories) and name not in job.shared:
            raise NeedsFullBuild(f"needs a full build: {name} is outside of what gets built")
    if len(job.directories) == 1:
        return _obtain(job, store)
    try:
        return _joined([_obtain(part, store) for part in job.by_directory()])
    except NeedsFullBuild:
        # What one directory exports another may use.
        return _obtain(job, store)


def _obtain(job: _Job, store: Store) -> ModuleBuild:
    """Return the modules of a job, built unless they are in the store."""
    key = job.key
    cached = store.entry("modules", key) is not None
    place = store.obtain("modules", key, lambda into: _build(job, into, store))
    symvers = (place / SYMVERS).read_text(encoding="utf-8")
    refuse_changed_exports(job.source, symvers, [target.file for target in job.targets])
    return ModuleBuild(key, read_modules(place), cached)


def _joined(parts: Sequence[ModuleBuild]) -> ModuleBuild:
    """Return the build that some builds are together."""
    return ModuleBuild(
        digest(*(part.key for part in parts)),
        tuple(module for part in parts for module in part.modules),
        cached=all(part.cached for part in parts),
    )


def _kept(changed: Mapping[str, bytes | None]) -> dict[str, bytes]:
    """Return the files that are changed, where none is removed."""
    kept = {name: content for name, content in changed.items() if content is not None}
    if removed := sorted(changed.keys() - kept.keys()):
        raise NeedsFullBuild(f"needs a full build: the series removes {', '.join(removed)}")
    return kept


def _below(name: str, directories: Iterable[str]) -> bool:
    return any(name.startswith(f"{directory}/") for directory in directories)


def _build(job: _Job, into: Path, store: Store) -> None:
    """Fill a store entry with the modules of a job."""
    log, modules = _compile(job)
    if modules is None:
        raise _failure(job, log, store)
    (into / SYMVERS).write_bytes(modules[SYMVERS])
    made = {one.name: (one.file, modules[one.file]) for one in job.targets}
    write_modules(into, log, made)


def _compile(job: _Job) -> tuple[str, dict[str, bytes] | None]:
    """Return make's log, and what it made by file name, or None if it failed."""
    with scratch_directory() as scratch:
        top, headers = scratch / "top", scratch / "headers"
        room = Room(job.source, top, (headers,) if job.shared else ())
        _lay_out(job, top, headers)
        room.give()
        status, log = room.run(_make(job, room))
        if status != 0:
            return log, None
        places = {target.file: f"{target.directory}/{target.file}" for target in job.targets}
        places[SYMVERS] = SYMVERS
        return log, {name: room.take(place) for name, place in places.items()}


def _lay_out(job: _Job, top: Path, headers: Path) -> None:
    """Copy the directories to build, and put the changes in.

    :param headers: gets the changes that go before the kernel's own headers.
    """
    for directory in job.directories:
        (top / directory).parent.mkdir(parents=True, exist_ok=True)
        copied = run([tool("cp", "coreutils"), "-r", job.tree / directory, top / directory])
        if copied.returncode != 0:
            said = copied.stderr.decode(errors="replace").strip()[-300:]
            raise InfrastructureError(f"can't copy {directory} to {top}: {said}; free space there")
    for name, content in job.changed.items():
        place = (headers if name in job.shared else top) / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    lines = "".join(f"obj-m += {directory}/\n" for directory in job.directories)
    (top / "Kbuild").write_text(lines, encoding="utf-8")


def _make(job: _Job, room: Room) -> list[str]:
    return [
        *("make", f"-j{os.cpu_count() or 1}", "-C", room.headers, f"M={room.seen}"),
        *room.overrides,
        *(f"{target.directory}/{target.file}" for target in job.targets),
    ]


def _failure(job: _Job, log: str, store: Store) -> Exception:
    """Return the error that says whose fault a failed build is."""
    kept = store.keep_log(job.key, log)
    said = MakeLog(log)
    not_in_headers = _NOT_IN_HEADERS.search(log)
    fault = said.fault_of_source(builds_without=bool(job.changed))
    if said.host_at_fault or not (fault or not_in_headers):
        return InfrastructureError(f"the module build broke off; the log is {kept}\n{said.last}")
    if not job.changed or not_in_headers:
        where = ", ".join(job.directories)
        return NeedsFullBuild(
            f"needs a full build: {where} doesn't build against the kernel's headers even without "
            f"the series; the log is {kept}\n{said.last}"
        )
    unpatched = replace(job, changed={})
    store.obtain("modules", unpatched.key, lambda into: _build(unpatched, into, store))
    return DoesNotCompile(f"the series does not compile; the log is {kept}\n{fault}")
