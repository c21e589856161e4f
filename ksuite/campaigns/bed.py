# SPDX-License-Identifier: GPL-2.0-or-later
"""Measures one cost of anything that can run, a guest at a time; a context manager."""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from ksuite.campaigns.attributing import attribute_cost
from ksuite.campaigns.costs import ask_for_windows
from ksuite.campaigns.dut import Dut, LiveDut
from ksuite.campaigns.preparing import conditions_of, snapshot_of
from ksuite.campaigns.recalling import Answers
from ksuite.campaigns.restored_dut import RestoredDut
from ksuite.campaigns.revisions import Runnable
from ksuite.dut import symbols as dut_symbols
from ksuite.errors import DoesNotBoot, GuestNotReady, InfrastructureError, KernelFault
from ksuite.kernels.built import ModuleBuild
from ksuite.kernels.store import run_directory
from ksuite.machines.counting import counting_plugin
from ksuite.machines.emulator import emulator
from ksuite.machines.host import kvm_works
from ksuite.machines.machine import Clock
from ksuite.machines.virtme import VirtmeMachine
from ksuite.measure.cost import Cost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ksuite.campaigns.costs import CostRequest
    from ksuite.campaigns.dut import Answer
    from ksuite.campaigns.options import CheckOptions
    from ksuite.campaigns.suites import Suite
    from ksuite.kernels.source import KernelSource
    from ksuite.kernels.store import Store
    from ksuite.machines.snapshot import Snapshot
    from ksuite.measure.attribution import Attribution

AS_IT_IS = "as-it-is"
_OWNED = re.compile(rb"\t\[(\w+)\]$", re.MULTILINE)
"""A module's own symbol in /proc/kallsyms has its name behind it."""


class Bed:
    """Where a cost is measured.

    On the instruction clock a guest is restored for each measurement, from a snapshot of its
    kernel, and what was measured of the same content before is recalled. On the wall clock a guest
    is booted for each.

    Guests that measured a revision are counted, and those beside them that only told more.

    :param suite: the cost's.
    """

    def __init__(
        self,
        options: CheckOptions,
        suite: Suite,
        request: CostRequest,
        store: Store,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._options = options
        self._suite = suite
        self._request = request
        self._store = store
        self._progress = progress
        self._spec = options.spec([suite])
        self._stack = ExitStack()
        self._snapshots: dict[Path, Snapshot] = {}
        self._live: tuple[KernelSource, LiveDut] | None = None
        self._up: set[Path] = set()
        self.exact = options.clock is Clock.INSTRUCTIONS
        self.guests = 0
        self.guests_beside = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._directory = stack.enter_context(run_directory())
            self._qemu = emulator(self._spec, self._store, self._progress)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def measure(self, runnable: Runnable, repeat: int = 0) -> Cost:
        """Return a cost from one guest.

        :param repeat: tells several measurements of the same thing from one another.
        :raises KernelFault: the kernel breaks in the cost's loop.
        :raises DoesNotBoot: it does not come up, and another one did.
        :raises DutError: it refuses what the loop wants.
        :raises InfrastructureError: no guest comes up, or what runs is not what was built.
        """
        kernel, key = runnable.kernel, runnable.build.key
        kvm = not self.exact and kvm_works(kernel.image)
        dut = self._restored(runnable) if self.exact else self._booted(runnable, kvm=kvm)
        try:
            answer = ask_for_windows(dut, key, self._request, repeat)
        except GuestNotReady as error:
            if not self._up or kernel.image in self._up:
                raise
            # Another kernel has come up on this host.
            raise DoesNotBoot(f"it does not come up: {error}") from error
        self._up.add(kernel.image)
        self.guests += not answer.recalled
        return self._cost(kernel, answer, kvm=kvm)

    def loaded(self, kernel: KernelSource) -> frozenset[str]:
        """Return the modules that are there when the cost was measured on a kernel as it is.

        Others can't have a part in it. Instruction clock only.

        :raises KsuiteError: the kernel breaks, or no guest comes up.
        """
        as_it_is = Runnable(kernel, ModuleBuild(AS_IT_IS, (), cached=True))
        try:
            dut = self._restored(as_it_is)
        except DoesNotBoot as error:
            raise InfrastructureError(f"{kernel.release}: {error}") from error
        asked = self._request.call(1, 1)
        self._progress("looking which modules it takes")
        self.guests_beside += 1
        _, symbols = dut.run_alone(AS_IT_IS, [asked, (dut_symbols.kernel, (), {})])
        if not isinstance(symbols, bytes):
            raise InfrastructureError("the DUT sent no symbols")
        return frozenset(name.decode() for name in _OWNED.findall(symbols))

    def attribute(self, before: Runnable, after: Runnable) -> Attribution:
        """Return where a cost changed between two revisions, by function; instruction clock only.

        :raises KsuiteError: they can't be counted.
        """
        plugin = counting_plugin(self._store, self._qemu.major)
        duts = [(self._restored(one), one.build.key) for one in (before, after)]
        self.guests_beside += len(duts)
        return attribute_cost(duts, self._request, plugin, self._directory, jobs=len(duts))

    def _cost(self, kernel: KernelSource, answer: Answer, *, kvm: bool) -> Cost:
        snapshot = self._snapshots.get(kernel.image)
        conditions = conditions_of(kernel, snapshot, self._spec, self._qemu, kvm=kvm)
        return Cost(self._request.under(conditions), tuple(answer.value), recalled=answer.recalled)

    def _restored(self, runnable: Runnable) -> RestoredDut:
        snapshot = self._snapshot(runnable.kernel)
        key = runnable.build.key
        dut = RestoredDut(
            snapshot,
            self._directory,
            self._suite.modules,
            answers=Answers(self._store, snapshot),
            recalls={key} if self._spec.vcpus == 1 else (),
        )
        dut.offer({key: runnable.build})
        return dut

    def _snapshot(self, kernel: KernelSource) -> Snapshot:
        if kernel.image not in self._snapshots:
            packages = self._options.packages
            try:
                self._snapshots[kernel.image] = snapshot_of(
                    kernel, [self._suite], self._spec, packages, self._store, self._progress
                )
            except (KernelFault, GuestNotReady) as fault:
                console = getattr(fault, "console", "")
                told = f"it does not come up: {fault}\n{console}".rstrip()
                raise DoesNotBoot(told) from fault
        return self._snapshots[kernel.image]

    def _booted(self, runnable: Runnable, *, kvm: bool) -> Dut:
        kernel = runnable.kernel
        if self._live is None or self._live[0] != kernel:
            if self._live is not None:
                # The guest of another kernel would take its part of the host meanwhile.
                self._live[1].discard()
            dut = LiveDut(
                lambda: VirtmeMachine(
                    kernel.image, self._spec, self._directory, self._qemu.path, kvm=kvm
                ),
                kernel.release,
                self._suite.modules,
                self._suite.imports,
            )
            self._live = kernel, self._stack.enter_context(dut)
        dut = self._live[1]
        # No two boots are alike, and one's windows have more in common than two boots'.
        dut.retire()
        dut.discard()
        dut.offer({runnable.build.key: runnable.build})
        return dut
