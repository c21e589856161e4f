# SPDX-License-Identifier: GPL-2.0-or-later
"""Two variants, built and made ready for what runs on them: what all campaigns have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from ksuite.campaigns.bench import Bench, Prepared
from ksuite.campaigns.preparing import conditions_of, snapshot_of
from ksuite.errors import DoesNotBoot, GuestNotReady, InfrastructureError, KernelFault
from ksuite.kernels.fragments import USUAL, read_configuration
from ksuite.kernels.kconfig import values
from ksuite.kernels.source import KNOWN
from ksuite.kernels.store import Store, run_directory
from ksuite.machines.emulator import emulator
from ksuite.machines.host import kvm_works
from ksuite.machines.image import guest_code
from ksuite.machines.machine import Clock
from ksuite.measure.result import BASE, CANDIDATE, VARIANTS, Subject

if TYPE_CHECKING:
    from collections.abc import Callable

    from ksuite.campaigns.building import Variants
    from ksuite.campaigns.options import CheckOptions
    from ksuite.campaigns.suites import Suite
    from ksuite.kernels.source import KernelSource
    from ksuite.machines.snapshot import Snapshot

NOT_UP = "does not come up"
"""In what is said of a kernel, whoever is to blame; another process knows it by that."""


class Trial(ABC):
    """A trial in progress; a context manager that leaves nothing running.

    Who derives from it sets `suites`, what will run, before it is entered.

    :param progress: is told what is going on, in a few words.
    """

    suites: tuple[Suite, ...]
    variants: Variants
    prepared: Prepared
    bench: Bench

    def __init__(
        self, options: CheckOptions, progress: Callable[[str], None] = lambda _: None
    ) -> None:
        self.options = options
        self.progress = progress
        self._store = Store.default()
        self._held = ExitStack()
        """What nobody else may change before it is built."""
        self._stack = ExitStack()
        self._kvm = False

    def __enter__(self) -> Self:
        """Build both variants, and what guests are restored from.

        :raises KsuiteError: they can't be judged; each kind has its exit code.
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

    @abstractmethod
    def _build(self) -> Variants:
        """Return both variants, built."""

    @property
    @abstractmethod
    def subject(self) -> Subject:
        """What is judged, and on what."""

    def _prepare(self) -> None:
        directory = self._stack.enter_context(run_directory())
        self._kvm = self.options.clock is Clock.WALL and kvm_works(self.kernel.image)
        self.spec = self.options.spec(self.suites)
        self.qemu = emulator(self.spec, self._store, self.progress)
        base, candidate = (self.variants.kernels[variant] for variant in VARIANTS)
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
            kernel_options=tuple(values(base.config)),
        )
        self.bench = self._stack.enter_context(
            Bench(self.prepared, self.options, self.suites, directory, self.progress)
        )

    def _snapshot(self, kernel: KernelSource) -> Snapshot:
        packages = self.options.packages
        return snapshot_of(kernel, self.suites, self.spec, packages, self._store, self.progress)

    def _base_snapshot(self, base: KernelSource) -> Snapshot:
        try:
            return self._snapshot(base)
        except KernelFault as fault:
            told = f"{base.release} {NOT_UP}: {fault}\n{fault.console}"
            raise GuestNotReady(f"{told}{_likely_reason(base)}") from fault
        except GuestNotReady as error:
            told = f"{base.release} {NOT_UP}: {error}"
            raise GuestNotReady(f"{told}{_likely_reason(base)}") from error
        except InfrastructureError as error:
            raise InfrastructureError(f"{error}{_likely_reason(base)}") from error

    def _others(self, candidate: KernelSource) -> dict[str, Snapshot]:
        try:
            return {CANDIDATE: self._snapshot(candidate)}
        except (KernelFault, GuestNotReady) as fault:
            # The base has come up on this host.
            told = f"with the series the kernel {NOT_UP}: {fault}"
            console = fault.console if isinstance(fault, KernelFault) else ""
            raise DoesNotBoot(f"{told}\n{console}".rstrip()) from fault

    @property
    def kernel(self) -> KernelSource:
        """The base kernel."""
        return self.variants.kernels[BASE]

    def _about(self) -> Subject:
        """Return the part of the subject that is the machine's."""
        return Subject(
            series="",
            series_digest="",
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
            packages=self.prepared.snapshot.versions if self.prepared.snapshot else {},
            guest_code=guest_code(),
        )

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


def _likely_reason(kernel: KernelSource) -> str:
    """Return what a kernel that somebody else has configured lacks for a DUT; empty if nothing."""
    lacking = read_configuration([USUAL[0]]).lacking(kernel.config, kernel.upstream)
    if kernel.build_id or kernel.build_root or kernel.name in KNOWN or not lacking:
        return ""
    options = ", ".join(f"CONFIG_{name}" for name in lacking)
    return f"\nof what kconfigs/{USUAL[0]}.config asks for, its configuration lacks {options}"
