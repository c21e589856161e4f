# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds base and candidate: as modules of one kernel where that is enough, as two kernels else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ksuite.campaigns.options import Build
from ksuite.errors import DoesNotCompile, NeedsFullBuild, NothingToCompare, UserError
from ksuite.kernels.build import build_modules
from ksuite.kernels.built import ModuleBuild
from ksuite.kernels.debian import DEBIAN
from ksuite.kernels.fragments import Configuration
from ksuite.kernels.full import build_kernel, facts_of, read_built
from ksuite.kernels.given import is_in_place, must_be_as_read, must_be_clean
from ksuite.kernels.outdated import must_be_current
from ksuite.kernels.plan import plan_once
from ksuite.kernels.series import Series
from ksuite.kernels.source import KNOWN, KernelSource, check_compiler, unpack
from ksuite.kernels.store import Store
from ksuite.measure.result import BASE, CANDIDATE, VARIANTS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ksuite.campaigns.options import CheckOptions
    from ksuite.kernels.series import Patch
    from ksuite.kernels.trees import Tree

ASKED_FOR = "asked for"
ASKED_FOR_BY_CONFIG = "asked for by --config"


def build_of(options: CheckOptions) -> Build:
    """Return what is built: modules of somebody else's kernel have no configuration of ours.

    :raises UserError: fragments are given, and nothing but such modules.
    """
    if not options.config or not is_somebodys(options.kernel):
        return options.build
    if options.build is Build.MODULE:
        raise UserError(
            f"--config is of whole kernels, and --build module takes {options.kernel}'s own: leave "
            "one of them out"
        )
    return Build.FULL


def must_heed_config(options: CheckOptions, source: KernelSource) -> None:
    """Refuse fragments for a kernel that its owner has built and nobody builds again.

    :raises UserError: it says what to do instead.
    """
    heeded = source.build_id or is_somebodys(options.kernel)
    if options.config and not heeded and options.build is not Build.FULL:
        remedy = "--build full has it built anew" if source.tree else "give its source"
        raise UserError(f"{source.name} is built, in a configuration of its own: {remedy}")


def is_somebodys(kernel: str) -> bool:
    """Say whether a kernel of this name is a distribution's own build."""
    return kernel in KNOWN or kernel.startswith(DEBIAN)


@dataclass(frozen=True)
class Variants:
    """What base and candidate run on; both dictionaries are by variant.

    :param how: what was built, and why not less.
    """

    builds: dict[str, ModuleBuild]
    kernels: dict[str, KernelSource]
    how: str


@dataclass(frozen=True)
class Builder:
    """Builds a series for a kernel.

    :param unpatched: both variants are the source as it is; the series says which modules to build.
    :param configuration: of whole kernels.
    """

    source: KernelSource
    series: Series
    configuration: Configuration
    store: Store
    progress: Callable[[str], None]
    unpatched: bool = False

    def build(self, wanted: Build, asked_for: str = ASKED_FOR) -> Variants:
        """Return both variants.

        :param asked_for: how whole kernels were, if they were.
        :raises NeedsFullBuild: modules are wanted, and won't do.
        :raises UserError: whole kernels are wanted or needed, and the tree was built in place; or
            it has changed since.
        :raises KsuiteError: the series can't be built; each kind has its exit code.
        """
        if self.source.tree is None and self.source.tarball is None:
            return self._as_it_is(wanted)
        if wanted is Build.FULL:
            return self._kernels(asked_for)
        try:
            return self._modules()
        except NeedsFullBuild as why:
            if wanted is Build.MODULE:
                raise
            return self._kernels(str(why).partition("\n")[0])

    def _modules(self) -> Variants:
        source = self.source
        check_compiler(source)
        self.progress(f"unpacking the source of {source.version}")
        tree = unpack(source, self.store).path
        targets = plan_once(source, tree, self._touched(), self.store)
        if is_in_place(tree):
            must_be_current(tree, source.name, targets)
        names = ", ".join(target.name for target in targets)
        builds = {}
        for variant in VARIANTS:
            self.progress(f"building {names}: {variant}")
            build = build_modules(source, tree, targets, self._patches(variant), self.store)
            builds[variant] = replace(build, vmlinux_id=source.build_id)
        if source.tree is not None:
            must_be_as_read(source.tree, source.name)
        return Variants(builds, dict.fromkeys(VARIANTS, source), f"modules {names}")

    def _kernels(self, why: str) -> Variants:
        tree = unpack(self.source, self.store)
        must_be_clean(tree.path, self.source.name, "" if why == ASKED_FOR else why)
        builds, kernels = {}, {}
        for variant in VARIANTS:

            def told(text: str, variant: str = variant) -> None:
                self.progress(f"{variant}: {text}")

            entry = self._kernel(tree, variant, told)
            kernel = read_built(entry, self.source.name, tree)
            kernels[variant] = kernel
            builds[variant] = ModuleBuild(
                entry.name,
                (),
                cached=False,
                vmlinux_id=kernel.build_id,
                code=facts_of(entry)["code"],
            )
        return Variants(builds, kernels, f"whole kernels ({why})")

    def _kernel(self, tree: Tree, variant: str, told: Callable[[str], None]) -> Path:
        patches = self._patches(variant)
        try:
            return build_kernel(tree, self.configuration, patches, self.store, told)
        except DoesNotCompile as error:
            if variant == CANDIDATE or self.unpatched:
                raise
            msg = f"there is nothing to compare with: without the series, {error}"
            raise NothingToCompare(msg) from error

    def _as_it_is(self, wanted: Build) -> Variants:
        """Return a kernel that can't be built, to be judged by itself."""
        if not self.unpatched:
            raise UserError(
                f"{self.source.name} has no source, so that no series can be built for it: give "
                "its tree, or --unpatched to judge it as it is"
            )
        if wanted is Build.FULL:
            raise UserError(f"{self.source.name} has no source to build it from")
        build = ModuleBuild(self.source.release, (), cached=True)
        return Variants(
            dict.fromkeys(VARIANTS, build), dict.fromkeys(VARIANTS, self.source), "nothing"
        )

    def _patches(self, variant: str) -> Sequence[Patch]:
        if self.unpatched:
            return ()
        base = self.series.base_patches
        return base if variant == BASE else (*base, *self.series.patches)

    def _touched(self) -> list[str]:
        every = (*self.series.base_patches, *self.series.patches)
        return sorted({file for patch in every for file in patch.files})
