# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of the modules that a series changes a DUT can load: its image has not all of a kernel's.

A header that a datapath shares with others (``drivers/vhost/vhost.h``) has these built, too, and
``vhost_scsi`` wants ``target_core_mod``. No check could load it either, so none runs without it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ksuite.errors import NothingToCompare
from ksuite.kernels.packed import MODULE, depends
from ksuite.machines.image import module_files
from ksuite.measure.result import BASE

if TYPE_CHECKING:
    from ksuite.campaigns.building import Variants
    from ksuite.kernels.source import KernelSource
    from ksuite.machines.recipe import Recipe


def only_loadable(variants: Variants, recipe: Recipe, *, even_none: bool = False) -> Variants:
    """Return variants without the modules that the DUT can't load, and how they were built with it.

    :param even_none: the kernel may be left with its own modules only.
    :raises NothingToCompare: it can load none of them.
    """
    modules = [module for build in variants.builds.values() for module in build.modules]
    if not modules:
        return variants
    # Modules are built for one kernel, which both variants run on.
    there = _in_image(variants.kernels[BASE], recipe)
    needs: dict[str, tuple[str, ...]] = {}
    for module in modules:
        needs[module.name] = (*needs.get(module.name, ()), *depends(module.path))
    lacks = _lacks(needs, there)
    if not lacks:
        return variants
    builds = {
        variant: replace(
            build, modules=tuple(one for one in build.modules if one.name not in lacks)
        )
        for variant, build in variants.builds.items()
    }
    bare = any(one.modules and not builds[name].modules for name, one in variants.builds.items())
    if bare and not even_none:
        raise NothingToCompare(f"the DUT can load none of the modules: {_told(lacks)}")
    return replace(variants, builds=builds, how=f"{variants.how}; not loaded: {_told(lacks)}")


def _lacks(needs: dict[str, tuple[str, ...]], there: set[str]) -> dict[str, str]:
    """Return which modules can't be loaded, and for each one that is missing.

    :param needs: what each module needs, in either variant.
    :param there: the names of the kernel's own modules.
    """
    lacks: dict[str, str] = {}
    while True:
        found = there | needs.keys() - lacks.keys()
        missing = {
            name: next(iter(gone))
            for name, others in needs.items()
            if name not in lacks and (gone := [one for one in others if one not in found])
        }
        if not missing:
            return lacks
        lacks |= missing


def _in_image(kernel: KernelSource, recipe: Recipe) -> set[str]:
    """Return the names of the kernel's own modules that its image has."""
    left_out = set(recipe.kernel_leaves_out)
    paths = [path.relative_to(kernel.modules) for path in module_files(kernel, recipe)]
    named = [MODULE.fullmatch(path.name) for path in paths if left_out.isdisjoint(path.parts)]
    return {match["name"].replace("-", "_") for match in named if match}


def _told(lacks: dict[str, str]) -> str:
    return ", ".join(f"{name} (wants {other})" for name, other in sorted(lacks.items()))
