# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds a whole kernel of ours: any source, with patches, in a configuration of our fragments.

What comes out is stored under what went in; what is compiled on the way, see `areas`.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.errors import DoesNotCompile, InfrastructureError, UserError
from ksuite.kernels import dependencies
from ksuite.kernels.areas import CONFIG, CONFIG_BYTES, Area, config_key, put_config
from ksuite.kernels.beneath import open_beneath
from ksuite.kernels.dependencies import write_dependencies
from ksuite.kernels.elf import build_id_of
from ksuite.kernels.fragments import Configuration
from ksuite.kernels.git import CLEAN_PATH
from ksuite.kernels.given import must_be_clean
from ksuite.kernels.headers import collect_headers
from ksuite.kernels.kconfig import Kconfig
from ksuite.kernels.makelog import MakeLog, read_unfollowed
from ksuite.kernels.patching import changed_files
from ksuite.kernels.source import KernelSource, config_text, linker_version, version_of
from ksuite.kernels.store import digest, file_digest
from ksuite.kernels.trees import CHECKOUT, Tree
from ksuite.kernels.tux import OUT, RESULTS, SOURCE, TOOLS, Workplace, tuxmake
from ksuite.processes import tool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ksuite.kernels.series import Patch
    from ksuite.kernels.store import Store

KIND = "built"
AREA, CACHE = "area", "ccache"
"""Where the store has what is no entry: it changes."""
FORMAT = "3"
"""Part of every key: raise it when the same input would give another kernel."""
IMAGE_BYTES = 1 << 30
_COMPILING = re.compile(r"\s+(?:CC|LD|AR|AS)\s+(?:\[M\]\s+)?(\S+)$")
_MEMBER = re.compile(r"lib/modules/[^/]+/.+")


@dataclass(frozen=True)
class _Job:
    """All that a kernel depends on.

    :param changed: content of the files that patches leave different, None where they remove one.
    :param compiler: first line of what it says of itself.
    :param linker: the same of the linker; the assembler is of its version.
    :param others_build: see `build_kernel`.
    """

    tree: Tree
    changed: Mapping[str, bytes | None]
    configuration: Configuration
    compiler: str
    linker: str
    others_build: bool = False

    @property
    def fragment(self) -> str:
        """What its configuration asks for."""
        return self.configuration.fragment(self.tree.version)

    @property
    def key(self) -> str:
        """SHA-256 of it."""
        parts: list[bytes | str] = [
            FORMAT,
            self.tree.key,
            self.compiler,
            self.linker,
            self.fragment,
        ]
        for name in sorted(self.changed):
            content = self.changed[name]
            parts += [name, "removed" if content is None else content]
        return digest(*parts)

    @property
    def area(self) -> str:
        """The name of the directory that it is built in."""
        return digest(self.tree.origin, self.compiler, *self.configuration.names)[:16]


def build_kernel(
    tree: Tree,
    configuration: Configuration,
    patches: Sequence[Patch],
    store: Store,
    progress: Callable[[str], None] = lambda _: None,
    *,
    others_build: bool = False,
) -> Path:
    """Return the store's entry of a kernel, built if there is none.

    :param patches: to apply to the tree.
    :param others_build: another revision of the tree was built here in this configuration: whatever
        stops this one is its own fault, and it does not compile.
    :raises DoesNotApply: a patch was refused.
    :raises DoesNotCompile: the compiler refused what came of it.
    :raises UserError: the configuration asks for what this kernel has not got, or the tree was
        configured in place.
    :raises InfrastructureError: a tool is missing, the disk is full, or the build broke off.
    """
    must_be_clean(tree.path, str(tree.path))
    for name in ("flex", "bison", "bc"):
        tool(name, name, CLEAN_PATH)
    compiler = version_of(f"{TOOLS}gcc", "gcc")
    linker = linker_version(f"{TOOLS}ld")
    changed = changed_files(tree.path, patches)
    job = _Job(tree, changed, configuration, compiler, linker, others_build)
    return _obtain(job, store, progress)


def read_built(entry: Path, name: str, tree: Tree) -> KernelSource:
    """Return the kernel of an entry.

    :param name: what the user calls it.
    :param tree: what it was built from, without patches.
    """
    facts = facts_of(entry)
    release = facts["release"]
    kept = entry / dependencies.FILE
    return KernelSource(
        name=name,
        release=release,
        version=facts["version"],
        image=entry / "vmlinuz",
        config=entry / "config",
        headers=entry / "src" / f"linux-headers-{release}",
        modules=entry / "lib" / "modules" / release,
        compiler=config_text(entry / "config", "CONFIG_CC_VERSION_TEXT"),
        tree=tree,
        build_id=facts["build_id"],
        # Those of an earlier ksuite, and of a tree with patches, have none.
        dependencies=kept if kept.is_file() else None,
    )


def facts_of(entry: Path) -> dict[str, str]:
    """Return what is known of an entry's kernel: release, version, build_id, code, configuration.

    Its code is a SHA-256 of the image and all modules.
    """
    facts: dict[str, str] = json.loads((entry / "facts.json").read_text(encoding="utf-8"))
    return facts


def built_kernels(store: Store) -> list[Path]:
    """Return the entries of all kernels that were built, the newest first."""
    entries = [one for one in (store.root / KIND).glob("[0-9a-f]*") if store.entry(KIND, one.name)]
    return sorted(entries, key=lambda entry: (entry / "facts.json").stat().st_mtime, reverse=True)


def build_directories(store: Store) -> list[Path]:
    """Return the directories that kernels were built in and checked out into, and ccache's."""
    places = [place for kind in (AREA, CHECKOUT) for place in (store.root / kind).glob("[0-9a-f]*")]
    return [*places, *filter(Path.is_dir, [store.root / CACHE])]


def _obtain(job: _Job, store: Store, progress: Callable[[str], None]) -> Path:
    return store.obtain(KIND, job.key, lambda into: _make(job, into, store, progress))


def _make(job: _Job, into: Path, store: Store, progress: Callable[[str], None]) -> None:
    if job.changed:
        # Its objects are most of ours; if it has none, the patches may be what it lacks.
        with contextlib.suppress(DoesNotCompile):
            _obtain(replace(job, changed={}), store, progress)
    area = Area(store.root / AREA / job.area, store.root / CACHE)
    with area.workplace(job.tree.path, job.changed, job.fragment, progress) as place:
        config = _configured(job, place, store, progress)
        put_config(config, place.out)
        log = _run(job, place, ["kernel", "modules"], store, progress)
        (into / "make.log").write_text(log, encoding="utf-8")
        (into / "config").write_bytes(config)
        _collect(job, place, into)


def _configured(
    job: _Job, place: Workplace, store: Store, progress: Callable[[str], None]
) -> bytes:
    """Return the configuration, made by the kernel's own tools unless they were asked before."""

    def make(into: Path) -> None:
        (place.out / CONFIG).unlink(missing_ok=True)
        _run(job, place, ["config"], store, progress)
        config = into / "config"
        config.write_bytes(read_unfollowed(place.out, CONFIG, CONFIG_BYTES))
        kconfig = Kconfig(job.tree.path, job.changed)
        try:
            job.configuration.check(config, kconfig, job.tree.version)
        except UserError as error:
            if not job.others_build:
                raise
            raise DoesNotCompile(str(error)) from error

    tools = f"{job.compiler}\n{job.linker}"
    key = config_key(job.tree.path, job.changed, job.fragment, tools)
    return (store.obtain("config", key, make) / "config").read_bytes()


def _run(
    job: _Job,
    place: Workplace,
    targets: Sequence[str],
    store: Store,
    progress: Callable[[str], None],
) -> str:
    """Have targets made, and return the log.

    :raises DoesNotCompile: they could not be.
    """
    count = 0

    def said(line: str) -> None:
        nonlocal count
        if match := _COMPILING.match(line):
            count += 1
            progress(f"building {job.tree.version}, {count}: {match[1]}")

    progress(f"building {job.tree.version}: {', '.join(targets)}")
    done, log = tuxmake(place, targets, said)
    if done:
        return log
    make = MakeLog(log)
    if make.disk_full:
        raise store.disk_full()
    kept = store.keep_log(job.key, log)
    # Who changes a tree has seen it built as it is, or refused with an error of its own.
    fault = make.fault_of_source(builds_without=bool(job.changed) or job.others_build)
    if not fault:
        raise InfrastructureError(f"the kernel build broke off; the log is {kept}\n{make.last}")
    raise DoesNotCompile(f"the kernel does not compile; the log is {kept}\n{fault}")


def _unpack_modules(packed: bytes, into: Path) -> Path:
    """Unpack an archive of a kernel's modules, and return the directory that has them.

    :raises FileNotFoundError: it has none.
    :raises ValueError: it has more.
    :raises TarError: it is no archive.
    """
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            # Nothing but files, and nowhere else: a series had its hands in it.
            if member.isfile() and _MEMBER.fullmatch(member.name) and ".." not in member.name:
                (into / member.name).parent.mkdir(parents=True, exist_ok=True)
                (into / member.name).write_bytes(archive.extractfile(member).read())  # type: ignore[union-attr]
    (modules,) = (into / "lib" / "modules").iterdir()
    return modules


def _collect(job: _Job, place: Workplace, into: Path) -> None:
    """Put a finished kernel into an entry."""
    image = read_unfollowed(place.out, f"{RESULTS}/bzImage", IMAGE_BYTES)
    (into / "vmlinuz").write_bytes(image)
    packed = read_unfollowed(place.out, f"{RESULTS}/modules.tar", IMAGE_BYTES)
    try:
        modules = _unpack_modules(packed, into)
    except (tarfile.TarError, ValueError, FileNotFoundError) as error:
        told = f"the build's modules can't be unpacked: {error}"
        raise (DoesNotCompile if job.changed else InfrastructureError)(told) from error
    release = modules.name
    headers = into / "src" / f"linux-headers-{release}"
    collect_headers(place.source, place.out, headers)
    for name, content in job.changed.items():
        if content is None:
            (headers / name).unlink(missing_ok=True)
    for link in ("build", "source"):
        (modules / link).unlink(missing_ok=True)
    (modules / "build").symlink_to(f"/usr/src/{headers.name}")
    if not job.changed:
        # Modules are planned for trees as they are.
        named = {str(SOURCE): place.source, str(OUT): (place.out,)}
        write_dependencies(place.out, named, into / dependencies.FILE)
    code = [file_digest(into / "vmlinuz")]
    code += [file_digest(path) for path in sorted(modules.rglob("*.ko"))]
    facts = {
        "release": release,
        "version": job.tree.version,
        "build_id": _build_id(place.out),
        "code": digest(*code),
        "configuration": " ".join(job.configuration.names),
    }
    (into / "facts.json").write_text(json.dumps(facts), encoding="utf-8")


def _build_id(out: Path) -> str:
    """Return that of the kernel that make left; where it is, something else may be."""
    try:
        with open_beneath(out, "vmlinux") as vmlinux:
            return build_id_of(vmlinux, str(out / "vmlinux"))
    except OSError as error:
        raise InfrastructureError(f"the build left no vmlinux: {error.strerror}") from error
