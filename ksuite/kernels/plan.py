# SPDX-License-Identifier: GPL-2.0-or-later
"""Which modules a series changes, or why they alone won't do.

What isn't certain is refused: a module build that misses a change would judge the wrong code.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ksuite.errors import NeedsFullBuild, NothingToCompare
from ksuite.kernels import dependencies, includes, kbuild
from ksuite.kernels.dependencies import read_dependencies
from ksuite.kernels.includes import named_by_makefile, touched_through_includes
from ksuite.kernels.kbuild import Directory, evaluate, makefile_of
from ksuite.kernels.store import digest, file_digest
from ksuite.plain import Plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ksuite.kernels.source import KernelSource
    from ksuite.kernels.store import Store

_INERT_DIRECTORIES = ("Documentation/", "samples/", "tools/testing/")
_INERT_NAMES = {"MAINTAINERS", "CREDITS", "README", "TODO", ".mailmap", ".gitignore"}


FORMAT = "3"
"""Raised whenever the same files give another plan."""
_FILE = "plan.json"


@dataclass(frozen=True)
class ModuleTarget:
    """A module to build.

    :param name: what ``lsmod`` calls it: ``vhost_net``.
    :param directory: of the Makefile that builds it: ``drivers/vhost``.
    :param objects: what it is linked from, relative to the tree.
    :param file: its file name: ``vhost_net.ko``.
    """

    name: str
    directory: str
    objects: tuple[str, ...]
    file: str


@dataclass(frozen=True)
class _Plan(Plain):
    targets: tuple[ModuleTarget, ...]


def plan_once(
    source: KernelSource, tree: Path, files: Iterable[str], store: Store
) -> tuple[ModuleTarget, ...]:
    """Return what `plan_modules` does, and remember it: looking through a tree takes seconds.

    :param tree: the source's in the store.
    :raises KsuiteError: as `plan_modules`.
    """
    asked = sorted(set(files))
    order = source.modules / "modules.order"
    read = [order, source.config, source.headers / "include" / "config" / "auto.conf"]
    read += [source.dependencies] if source.dependencies else []
    ours = [Path(__file__), Path(dependencies.__file__)]
    ours += [Path(includes.__file__), Path(kbuild.__file__)]
    content = source.tree.key if source.tree else tree.name
    known = [file_digest(path) for path in (*read, *ours) if path.exists()]
    key = digest(FORMAT, content, source.version, source.release, *known, *asked)

    def make(into: Path) -> None:
        plan = _Plan(plan_modules(source, tree, asked))
        (into / _FILE).write_text(plan.as_json(), encoding="utf-8")

    entry = store.obtain("plan", key, make)
    return _Plan.from_json((entry / _FILE).read_text(encoding="utf-8")).targets


def plan_modules(
    source: KernelSource, tree: Path, files: Iterable[str]
) -> tuple[ModuleTarget, ...]:
    """Return the modules of a source that hold code of the files, sorted by name.

    :param files: what the series touches, relative to the tree.
    :raises NothingToCompare: none of them gets into a kernel.
    :raises NeedsFullBuild: one of them is part of more than modules.
    """
    asked = sorted(set(files))
    live = [file for file in asked if not is_inert(file)]
    if not live:
        msg = f"nothing to run: the series touches nothing that runs in a kernel: {_list(asked)}"
        raise NothingToCompare(msg)
    for file in live:
        _check_kind(tree, file)
    planner = _Planner(source, tree)
    guessed = [file for file in live if not planner.add_touched(file)]
    for includer, file in sorted(touched_through_includes(tree, guessed).items()):
        planner.add_includer(includer, file)
    targets = planner.result()
    for file in live:
        if not (tree / file).exists() and not _below_any(file, targets):
            raise _full(f"{file} is new, and outside of the directories of what uses it")
    return targets


def is_inert(file: str) -> bool:
    """Say whether a file never gets into a kernel, such as documentation."""
    path = PurePosixPath(file)
    return file.startswith(_INERT_DIRECTORIES) or path.name in _INERT_NAMES or path.suffix == ".rst"


class _Planner:
    """Collects the modules of one plan; each Makefile is evaluated once."""

    def __init__(self, source: KernelSource, tree: Path) -> None:
        self._source = source
        self._tree = tree
        self._directories: dict[str, Directory] = {}
        self._targets: dict[str, ModuleTarget] = {}
        order = (source.modules / "modules.order").read_text(encoding="utf-8")
        self._built = frozenset(order.split())
        self._read = read_dependencies(source.dependencies)

    def add_touched(self, file: str) -> bool:
        """Take in a file that the series itself touches; say whether all that reads it is known."""
        if not file.endswith(".c"):
            return self._add_header(file)
        if not self._add_source(file):
            raise _full(f"{file} is not compiled into any module by this configuration")
        return False

    def add_includer(self, includer: str, file: str) -> None:
        """Take in a file that includes a touched one."""
        owner = self._owner(file)
        if not includer.startswith(f"{owner}/"):
            raise _full(f"{file} is also included by {includer}, outside of {owner}")
        if includer.endswith(".c"):
            self._add_source(includer)
        elif not includer.endswith(".h"):
            raise _full(f"{file} is included by {includer}")

    def result(self) -> tuple[ModuleTarget, ...]:
        """Return the modules found.

        :raises NeedsFullBuild: there is none.
        """
        if not self._targets:
            raise _full("no module of this configuration includes what the series touches")
        return tuple(self._targets[name] for name in sorted(self._targets))

    def _add_header(self, file: str) -> bool:
        if reader := self._read.other_reader(file):
            raise _full(f"{file} is read by {reader}, which is not part of a module")
        readers = self._read.modules_reading(file)
        if readers and (makefile := named_by_makefile(self._tree, file)):
            raise _full(f"{file} is also used by {makefile}")
        for module in readers:
            self._add_reader(module, file)
        if readers:
            return True
        doubt = self._read.doubt
        unknown = f"what reads it is not known: {doubt}" if doubt else "nothing is known to read it"
        if _is_shared(file):
            raise _full(f"{file} is for more than the modules of one directory, and {unknown}")
        if self._directory(self._owner(file)).builtin:
            owner = self._owner(file)
            raise _full(f"{file} is a header of {owner}, which has built-in code, and {unknown}")
        return False

    def _add_reader(self, module: str, file: str) -> None:
        """Add a module that reads a header, as its Makefile has it too."""
        parent, name = str(PurePosixPath(module).parent), PurePosixPath(module).name
        objects = self._directory(parent).modules.get(name, ())
        if set(objects) != set(self._read.modules[module]) or f"kernel/{module}" not in self._built:
            raise _full(f"{file} is read by {module}, which its Makefile has otherwise")
        self._add_module(parent, name, objects)

    def _add_module(self, directory: str, name: str, objects: tuple[str, ...]) -> None:
        loaded = name.removesuffix(".ko").replace("-", "_")
        self._targets[loaded] = ModuleTarget(loaded, directory, objects, name)

    def _add_source(self, file: str) -> bool:
        """Add the modules that a source is compiled into; say whether there is any."""
        wanted = f"{file.removesuffix('.c')}.o"
        added = False
        for parent in PurePosixPath(file).parents[:-1]:
            if makefile_of(self._tree, str(parent)) is None:
                continue
            directory = self._directory(str(parent))
            if wanted in directory.builtin:
                raise _full(f"{file} is built into the kernel")
            for name, objects in directory.modules.items():
                if wanted in objects and f"kernel/{parent}/{name}" in self._built:
                    self._add_module(str(parent), name, objects)
                    added = True
            if added:
                break
        return added

    def _owner(self, file: str) -> str:
        """Return the nearest directory above a file that has a Makefile."""
        for parent in PurePosixPath(file).parents[:-1]:
            if makefile_of(self._tree, str(parent)):
                return str(parent)
        raise _full(f"{file} is in no directory that builds modules")

    def _directory(self, path: str) -> Directory:
        if path not in self._directories:
            self._directories[path] = evaluate(self._source, self._tree, path)
        return self._directories[path]


def _check_kind(tree: Path, file: str) -> None:
    path = PurePosixPath(file)
    if path.suffix not in {".c", ".h"}:
        raise _full(f"{file} is neither C source nor a header")
    if path.parts[0] in {"scripts", "tools"} or (path.suffix == ".c" and _is_shared(file)):
        raise _full(f"{file} is for more than the modules of one directory")
    if path.suffix == ".c" and not (tree / file).exists():
        raise _full(f"{file} is a new source file")


def _is_shared(file: str) -> bool:
    parts = PurePosixPath(file).parts
    return parts[0] == "include" or (parts[0] == "arch" and parts[2:3] == ("include",))


def _below_any(file: str, targets: Iterable[ModuleTarget]) -> bool:
    return any(file.startswith(f"{target.directory}/") for target in targets)


def _full(why: str) -> NeedsFullBuild:
    return NeedsFullBuild(f"needs a full build: {why}")


def _list(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
