# SPDX-License-Identifier: GPL-2.0-or-later
"""The modules of somebody's repository, at two of its revisions or at one, on one kernel."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.campaigns.building import Variants
from ksuite.campaigns.gate_file import DEBUG, GateFile
from ksuite.campaigns.reproducing import from_here
from ksuite.campaigns.trial import Trial
from ksuite.errors import DoesNotCompile, NothingToCompare, UserError
from ksuite.kernels.built import ModuleBuild
from ksuite.kernels.external import build_external
from ksuite.kernels.fragments import USUAL, read_configuration
from ksuite.kernels.full import build_kernel, read_built
from ksuite.kernels.modulesource import AS_IT_IS, read_module
from ksuite.kernels.source import unpack
from ksuite.kernels.sources import find_source
from ksuite.kernels.store import Store, digest
from ksuite.measure.result import BASE, CANDIDATE, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ksuite.campaigns.options import CheckOptions
    from ksuite.campaigns.suites import Suite
    from ksuite.kernels.modulesource import ModuleSource
    from ksuite.kernels.source import KernelSource

NOTHING = ModuleBuild("nothing", (), cached=True)
"""The base, where no revision is."""
SHORT = 12
"""Of a commit's name."""
NO_BASE = "there is no base to compare with"


@dataclass(frozen=True)
class Asked:
    """What of a repository is judged.

    :param base: a revision to compare with; none when empty.
    :param head: the revision that is judged; the work tree as it is when empty.
    :param alone: the head is judged by itself: there is no base, or it can't be built.
    :param output: where the gate writes, which is no part of what is judged.
    """

    file: GateFile
    base: str = ""
    head: str = ""
    alone: bool = False
    output: Path | None = None

    @property
    def title(self) -> str:
        """How reports call it."""
        base, head = (one[:SHORT] for one in (self.base, self.head))
        against = f" against {base}" if base else ""
        return f"{self.file.name} {head or AS_IT_IS}{against}"


class NoBase(NothingToCompare):
    """The candidate can be built, and the base can't."""


class GateCheck(Trial):
    """A trial of modules: the base has them at one revision, or not at all.

    :param suites: what will run.
    """

    def __init__(
        self,
        options: CheckOptions,
        asked: Asked,
        suites: Sequence[Suite],
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(options, progress)
        if not options.restores:
            raise UserError("modules are judged in guests restored from our image: not on the host")
        self.asked = asked
        self.suites = tuple(suites)
        with ExitStack() as held:
            self.source = gate_kernel(options.kernel, self._store, held, progress)
            for suite in suites:
                _must_have(self.source, suite.modules)
            self._held = held.pop_all()

    def _build(self) -> Variants:
        builds = build_variants(self.asked, self.source, self._store, self.progress)
        names = ", ".join(module.name for module in builds[CANDIDATE].modules)
        kernels = dict.fromkeys(builds, self.source)
        lacking = f"; {NO_BASE}" if self.asked.base and self.asked.alone else ""
        return Variants(builds, kernels, f"modules {names} of {self.asked.file.name}{lacking}")

    @property
    def subject(self) -> Subject:
        """What is judged, and on what."""
        return replace(
            self._about(),
            kernel=self.kernel.release + (DEBUG if self.options.kernel.endswith(DEBUG) else ""),
            series=self.asked.title,
            series_digest=self.variants.builds[CANDIDATE].key,
            command=command_of(self.asked, self.options.kernel),
        )


def gate_kernel(
    name: str, store: Store, held: ExitStack, progress: Callable[[str], None]
) -> KernelSource:
    """Return the kernel of a name, which may end in ``+debug``.

    :raises KsuiteError: as `find_source`; the kernel has no source to build it from.
    """
    usual = name.removesuffix(DEBUG)
    source = find_source(usual, store, read_configuration(), held, progress)
    if usual == name:
        return source
    progress(f"building {name}")
    tree = unpack(source, store)
    configuration = read_configuration((*USUAL, DEBUG.removeprefix("+")))
    return read_built(build_kernel(tree, configuration, (), store, progress), name, tree)


def build_variants(
    asked: Asked, source: KernelSource, store: Store, progress: Callable[[str], None]
) -> dict[str, ModuleBuild]:
    """Return the modules of the base and of the candidate, with what they are loaded with.

    :raises UserError: there is no such revision, or the candidate says nothing that can be built.
    :raises DoesNotCompile: the candidate does not.
    :raises NoBase: the base does not, and only the base.
    """
    file = asked.file
    with_base = asked.base and not asked.alone
    # What there is no such revision of is found before anything is built.
    before = read_module(file.top, asked.base) if with_base else None
    ours = [store.root, *filter(None, [asked.output])]
    head = read_module(file.top, asked.head, ours)

    def built(module: ModuleSource, variant: str) -> ModuleBuild:
        progress(f"building {file.name} for {source.name}: {variant}")
        return build_external(source, module, file.how, store)

    # If the head does not compile, that is what there is to say, whatever the base does.
    candidate = built(head, CANDIDATE)
    _must_take_parameters(candidate, file)
    try:
        base = built(before, BASE) if before else NOTHING
    except (DoesNotCompile, NothingToCompare, UserError) as error:
        # What [module] says is the work tree's, and may be more than the base has.
        raise NoBase(f"{NO_BASE}: {error}") from error
    builds = {BASE: base, CANDIDATE: candidate}
    return {
        variant: _with_parameters(replace(build, vmlinux_id=source.build_id), file)
        for variant, build in builds.items()
    }


def _must_take_parameters(build: ModuleBuild, file: GateFile) -> None:
    names = {module.name for module in build.modules}
    if unknown := [name for name in file.parameters if name.replace("-", "_") not in names]:
        have = ", ".join(sorted(names))
        raise UserError(
            f"{file.path}: [parameters] {unknown[0]}: no such module is loaded, but {have}"
        )


def _with_parameters(build: ModuleBuild, file: GateFile) -> ModuleBuild:
    if not build.modules:
        return build
    words = {name.replace("-", "_"): said for name, said in file.parameters.items()}
    modules = tuple(replace(one, parameters=words.get(one.name, "")) for one in build.modules)
    key = digest(build.key, repr(sorted(words.items()))) if words else build.key
    return replace(build, modules=modules, key=key)


def _must_have(source: KernelSource, names: Sequence[str]) -> None:
    """Refuse a kernel without a module that tests need: what they would say is nothing.

    :raises NothingToCompare: it is named.
    """
    wanted = {name.replace("-", "_") for name in names}
    for listing in ("modules.order", "modules.builtin"):
        text = (source.modules / listing).read_text(encoding="utf-8")
        wanted -= {Path(line).name.partition(".ko")[0].replace("-", "_") for line in text.split()}
    if wanted:
        raise NothingToCompare(
            f"the tests need the module {', '.join(sorted(wanted))}, which {source.name} "
            f"({source.release}) has not"
        )


def command_of(asked: Asked, kernel: str) -> tuple[str, ...]:
    """Return what judges the same on the same kernel again; ``--check TEST`` may be added."""
    revisions = [("--base", asked.base), ("--head", asked.head)]
    more = [word for name, revision in revisions if revision for word in (name, revision)]
    return ("ksuite", "gate", from_here(asked.file.top), "--kernel", kernel, *more)
