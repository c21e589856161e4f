# SPDX-License-Identifier: GPL-2.0-or-later
"""Base against candidate: build both, and make all ready that their tests run on."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from ksuite.campaigns.bench import DEBUGS, Bench, Prepared
from ksuite.campaigns.building import (
    ASKED_FOR,
    ASKED_FOR_BY_CONFIG,
    Builder,
    Variants,
    build_of,
    is_somebodys,
)
from ksuite.campaigns.options import Build
from ksuite.campaigns.preparing import conditions_of, snapshot_of
from ksuite.campaigns.reproducing import command_of
from ksuite.campaigns.suites import Suite, exercised, suites_for
from ksuite.errors import (
    DoesNotBoot,
    DoesNotCompile,
    GuestNotReady,
    InfrastructureError,
    KernelFault,
    NothingToCompare,
    UserError,
)
from ksuite.kernels.fragments import USUAL, read_configuration
from ksuite.kernels.kconfig import added_symbols, values
from ksuite.kernels.made_for import series_for
from ksuite.kernels.series import Series, read_series
from ksuite.kernels.source import KNOWN
from ksuite.kernels.sources import find_source
from ksuite.kernels.store import Store, digest, run_directory
from ksuite.machines.emulator import emulator
from ksuite.machines.host import kvm_works
from ksuite.machines.image import guest_code
from ksuite.machines.machine import Clock
from ksuite.measure.result import BASE, CANDIDATE, VARIANTS, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ksuite.campaigns.options import CheckOptions
    from ksuite.kernels.source import KernelSource
    from ksuite.machines.snapshot import Snapshot


FROM_IMAGE = "runs from our image: not with --root host or --clock wall"
UNPATCHED = "(none: the distro's source as it is)"


class Check:
    """A check in progress; a context manager that leaves nothing running.

    :param suites: what will run; those that fit the series' files when empty.
    :param progress: is told what is going on, in a few words.
    """

    def __init__(
        self,
        options: CheckOptions,
        suites: Sequence[Suite] = (),
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.options = options
        self.progress = progress
        self._store = Store.default()
        # What is no series needs no kernel fetched to say so.
        series = read_series(options.series or suites[0].series)
        ours = options.kernel != "distro" or build_of(options) is Build.FULL
        if ours and not options.restores:
            raise UserError(f"{options.kernel} {FROM_IMAGE}")
        configuration = read_configuration((*USUAL, *options.config))
        added = () if options.unpatched else added_symbols(series.patches)
        self._configuration = configuration.for_series(added)
        self._stack = ExitStack()
        self._kvm = False
        self.bench: Bench
        with ExitStack() as held:
            self.source: KernelSource = self._find_source(held)
            _must_heed_config(options, self.source)
            self.series: Series = series_for(series, self.source)
            self.suites = tuple(suites) or suites_for(self.series.files)
            self.spec = options.spec(self.suites)
            # Nobody else may change the files of a revision before they are built.
            self._held = held.pop_all()

    def _find_source(self, held: ExitStack) -> KernelSource:
        options = self.options
        try:
            return find_source(
                options.kernel, self._store, self._configuration, held, self.progress
            )
        except DoesNotCompile as error:
            if options.unpatched:
                # It is what is judged.
                raise
            msg = f"there is nothing to compare with: {options.kernel} without the series, {error}"
            raise NothingToCompare(msg) from error

    def __enter__(self) -> Self:
        """Build both variants, and what guests are restored from.

        :raises KsuiteError: the series can't be judged; each kind has its exit code.
        """
        try:
            with self._held:
                self.variants = self._build()
            self._prepare()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def must_fit(self, suites: Sequence[Suite]) -> None:
        """Refuse a series that none of these suites exercises.

        :raises NothingToCompare: a pass would say nothing about it.
        """
        if any(exercised(file, suites) for file in self.series.files):
            return
        fitting = suites_for(self.series.files)
        have, want = (", ".join(suite.name for suite in some) for some in (suites, fitting))
        raise NothingToCompare(f"the suite {have} does not exercise this series, but {want} does")

    def _prepare(self) -> None:
        directory = self._stack.enter_context(run_directory())
        self._kvm = self.options.clock is Clock.WALL and kvm_works(self.source.image)
        self.qemu = emulator(self.spec, self._store, self.progress)
        base, candidate = (self.variants.kernels[variant] for variant in VARIANTS)
        options = values(base.config)
        snapshot = self._base_snapshot(base) if self.options.restores else None
        self.prepared = Prepared(
            builds=self.variants.builds,
            conditions=conditions_of(self.kernel, snapshot, self.spec, self.qemu, kvm=self._kvm),
            release=base.release,
            kernel=base.upstream,
            image=base.image,
            kvm=self._kvm,
            qemu=self.qemu.path,
            snapshot=snapshot,
            others=self._others(candidate) if candidate != base else None,
            debugs=tuple(name for name in DEBUGS if name in options),
        )
        self.bench = self._stack.enter_context(
            Bench(self.prepared, self.options, self.suites, directory, self.progress)
        )

    def _build(self) -> Variants:
        builder = Builder(
            self.source,
            self.series,
            self._configuration,
            self._store,
            self.progress,
            unpatched=self.options.unpatched,
        )
        why = ASKED_FOR_BY_CONFIG if self.options.build is Build.AUTO else ASKED_FOR
        variants = builder.build(build_of(self.options), why)
        if not self.options.restores and variants.kernels[BASE] != self.source:
            raise UserError(f"a kernel that was built {FROM_IMAGE}: {variants.how}")
        return variants

    def _snapshot(self, kernel: KernelSource) -> Snapshot:
        packages = self.options.packages
        return snapshot_of(kernel, self.suites, self.spec, packages, self._store, self.progress)

    def _base_snapshot(self, base: KernelSource) -> Snapshot:
        try:
            return self._snapshot(base)
        except KernelFault as fault:
            told = f"{base.release} does not come up: {fault}\n{fault.console}"
            raise InfrastructureError(f"{told}{_likely_reason(base)}") from fault
        except InfrastructureError as error:
            raise InfrastructureError(f"{error}{_likely_reason(base)}") from error

    def _others(self, candidate: KernelSource) -> dict[str, Snapshot]:
        try:
            return {CANDIDATE: self._snapshot(candidate)}
        except (KernelFault, GuestNotReady) as fault:
            # The base has come up on this host.
            told = f"with the series the kernel does not come up: {fault}"
            console = fault.console if isinstance(fault, KernelFault) else ""
            raise DoesNotBoot(f"{told}\n{console}".rstrip()) from fault

    @property
    def kernel(self) -> KernelSource:
        """The base kernel."""
        return self.variants.kernels[BASE]

    @property
    def subject(self) -> Subject:
        """What is judged, and on what."""
        return Subject(
            series=UNPATCHED if self.options.unpatched else self.series.title,
            series_digest=digest() if self.options.unpatched else self.series.digest,
            kernel=self.kernel.release,
            kernel_version=self.kernel.version,
            built=self.variants.how,
            clock=str(self.options.clock),
            machine=f"{self._root}, QEMU {self.qemu.version}, "
            f"{'KVM' if self._kvm else self.spec.cpu_model}, "
            f"{self.spec.vcpus} vCPU, {self.spec.memory_mib} MiB",
            modules={
                variant: tuple(f"{module.name} {module.build_id}" for module in build.modules)
                or tuple(f"vmlinux {one}" for one in [build.vmlinux_id] if one)
                for variant, build in self.prepared.builds.items()
            },
            identical=self.identical,
            not_exercised=self._not_exercised(),
            packages=self.prepared.snapshot.versions if self.prepared.snapshot else {},
            guest_code=guest_code(),
            command=command_of(self.options, self.suites),
        )

    def _not_exercised(self) -> tuple[str, ...]:
        return tuple(file for file in self.series.files if not exercised(file, self.suites))

    @property
    def identical(self) -> bool:
        """Whether base and candidate have the same object code."""
        codes = [
            [build.code, *((module.name, module.code_digest) for module in build.modules)]
            for build in self.prepared.builds.values()
        ]
        return len(codes) == 2 and codes[0] == codes[1]

    @property
    def _root(self) -> str:
        snapshot = self.prepared.snapshot
        if snapshot is None:
            return "booted by virtme-ng on this host's root"
        return f"restored, image {snapshot.digest[:12]}"


def _must_heed_config(options: CheckOptions, source: KernelSource) -> None:
    """Refuse fragments for a kernel that its owner has built and nobody builds again."""
    heeded = source.build_id or is_somebodys(options.kernel)
    if options.config and not heeded and options.build is not Build.FULL:
        remedy = "--build full has it built anew" if source.tree else "give its source"
        raise UserError(f"{source.name} is built, in a configuration of its own: {remedy}")


def _likely_reason(kernel: KernelSource) -> str:
    """Return what a kernel that somebody else has configured lacks for a DUT; empty if nothing."""
    lacking = read_configuration([USUAL[0]]).lacking(kernel.config, kernel.upstream)
    if kernel.build_id or kernel.build_root or kernel.name in KNOWN or not lacking:
        return ""
    options = ", ".join(f"CONFIG_{name}" for name in lacking)
    return f"\nof what kconfigs/{USUAL[0]}.config asks for, its configuration lacks {options}"
