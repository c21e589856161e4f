# SPDX-License-Identifier: GPL-2.0-or-later
"""Revisions made into what can run: as modules of one kernel, or as kernels of their own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from ksuite.errors import SeriesError
from ksuite.kernels.build import build_changed
from ksuite.kernels.built import ModuleBuild
from ksuite.kernels.comparing import as_patch
from ksuite.kernels.full import build_kernel, facts_of, read_built
from ksuite.kernels.source import KernelSource
from ksuite.kernels.store import Store, digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ksuite.kernels.fragments import Configuration
    from ksuite.kernels.plan import ModuleTarget
    from ksuite.kernels.series import Patch
    from ksuite.kernels.trees import Tree

    Contents = Mapping[str, bytes | None]
    """Of files that differ from a tree, None for those that are gone."""


@dataclass(frozen=True)
class Runnable:
    """What a revision was built into."""

    kernel: KernelSource
    build: ModuleBuild

    @property
    def code(self) -> str:
        """Of all that runs: where it is the same, so is all that can be seen."""
        return self.build.code


class Revisions(ABC):
    """Builds revisions by their names.

    :param how: what is built of each, and why not less.
    :param varying: the fields of a cost's fingerprint in which two of them may differ.
    """

    how: str
    varying: frozenset[str] = frozenset()

    @abstractmethod
    def build(self, name: str) -> Runnable:
        """Return what a revision was built into.

        :raises KsuiteError: it can't be built; `SeriesError` where that is its own fault.
        """


class ModuleRevisions(Revisions):
    """Revisions that differ from a kernel's own source in nothing but modules.

    :param tree: the kernel's source.
    :param targets: the modules that any of them changes.
    :param contents: returns what a revision has that the tree has not.
    :param holding: returns what keeps the tree as it is, for as long as it is read.
    :param running: the modules that get loaded, if not all of them: what is built beside them is
        there because it uses what they export.
    """

    def __init__(
        self,
        source: KernelSource,
        tree: Path,
        targets: Sequence[ModuleTarget],
        contents: Callable[[str], Contents],
        store: Store,
        holding: Callable[[], AbstractContextManager[object]] = nullcontext,
        running: Sequence[ModuleTarget] = (),
    ) -> None:
        self._source = source
        self._tree = tree
        self._targets = tuple(targets)
        self._contents = contents
        self._store = store
        self._holding = holding
        self._running = tuple(target.name for target in running or targets)
        self.how = f"modules {', '.join(self._running)}"

    def changed(self, name: str) -> Contents:
        """Return what a revision has that the kernel's own source has not.

        :raises DoesNotApply: the patches don't fit on it.
        """
        with self._holding():
            return self._contents(name)

    def patch(self, name: str) -> bytes:
        """Return what makes the kernel's own source a revision; empty where it is one.

        :raises DoesNotApply: the patches don't fit on it.
        """
        with self._holding():
            return as_patch(self._tree, self._contents(name))

    def build(self, name: str) -> Runnable:
        """Return a revision's modules."""
        with self._holding():
            changed = self._contents(name)
            build = build_changed(self._source, self._tree, self._targets, changed, self._store)
        modules = tuple(module for module in build.modules if module.name in self._running)
        code = digest(*(f"{module.name} {module.code_digest}" for module in modules))
        kernel_id = self._source.build_id
        return Runnable(
            self._source, replace(build, modules=modules, vmlinux_id=kernel_id, code=code)
        )


class KernelRevisions(Revisions):
    """Revisions that need a kernel of their own each.

    :param trees: returns what checks a revision out.
    :param kernel: returns what ``--kernel`` calls it, without the patches.
    :param patches: returns what is put on top of it.
    :param why: modules won't do.
    :param first: the name of a revision that must build: where it does, what stops another one is
        that one's own fault.
    """

    varying = frozenset({"kernel_release", "kernel_config"})

    def __init__(
        self,
        trees: Callable[[str], AbstractContextManager[Tree]],
        kernel: Callable[[str], str],
        patches: Callable[[str], Sequence[Patch]],
        configuration: Configuration,
        store: Store,
        why: str,
        first: str,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._trees = trees
        self.kernel = kernel
        self.patches = patches
        self._configuration = configuration
        self._store = store
        self._first = first
        self._progress = progress
        self.how = f"whole kernels ({why})"

    def build(self, name: str) -> Runnable:
        """Return a revision's kernel; where make worked, objects stay for the next revision."""
        return self._built(name, others_build=name != self._first and self._first_builds)

    @cached_property
    def _first_builds(self) -> bool:
        # An earlier run may have built it, and this one begin with another.
        try:
            self._built(self._first, others_build=False)
        except SeriesError:
            return False
        return True

    def _built(self, name: str, *, others_build: bool) -> Runnable:
        with self._trees(name) as tree:
            entry = build_kernel(
                tree,
                self._configuration,
                self.patches(name),
                self._store,
                self._progress,
                others_build=others_build,
            )
            kernel = read_built(entry, name, tree)
        code = facts_of(entry)["code"]
        build = ModuleBuild(entry.name, (), cached=False, vmlinux_id=kernel.build_id, code=code)
        return Runnable(kernel, build)
