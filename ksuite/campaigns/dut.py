# SPDX-License-Identifier: GPL-2.0-or-later
"""The DUT of a check: a guest that is alive, with the wanted variant's modules loaded, proven."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Self

from ksuite.dut import modules as dut_modules
from ksuite.dut import setup as dut_setup
from ksuite.errors import DutError, InfrastructureError, KernelFault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from ksuite.kernels.build import ModuleBuild
    from ksuite.machines.machine import Machine


class Dut:
    """Boots on demand, swaps modules in the live guest, throws the guest away after a fault.

    :param boot: starts a machine; it need not be ready yet.
    :param release: the kernel release that must run.
    :param modules: what a suite needs loaded, by name.
    :param imports: modules of `ksuite.dut` to import before the first window.
    """

    def __init__(
        self,
        boot: Callable[[], Machine],
        release: str,
        modules: Sequence[str],
        imports: Sequence[str],
    ) -> None:
        self._boot = boot
        self._release = release
        self._modules = list(modules)
        self._imports = list(imports)
        self._machine: Machine | None = None
        self._settled = False
        self._variant = ""
        self._builds: Mapping[str, ModuleBuild] = {}
        self.boots = 0
        self.faults: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.discard()

    def start(self) -> None:
        """Let a guest boot in the background while other work goes on."""
        if self._machine is None:
            self._machine = self._boot()
            self.boots += 1

    def offer(self, builds: Mapping[str, ModuleBuild]) -> None:
        """Say which builds can be swapped in, by variant."""
        self._builds = builds

    def use(self, variant: str) -> None:
        """Make a variant's modules the running ones, in a fresh guest where the last is unusable.

        :raises KernelFault: the modules that ran before don't unload: a leaked reference.
        :raises DutError: the kernel refused to load the variant's modules.
        :raises InfrastructureError: what runs is not what was built.
        """
        if self._variant == variant:
            return
        previous, self._variant = self._variant, ""
        self._settle()
        build = self._builds[variant]
        self._unload([module.name for module in build.modules], previous)
        files = {module.name: str(module.path) for module in build.modules}
        running = self._call(dut_modules.load, files, self._modules)
        expected = {module.name: module.build_id for module in build.modules}
        if running != expected:
            raise InfrastructureError(f"build-ids on the DUT: {running}; built: {expected}")
        self._variant = variant

    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call on the DUT as `Machine.call`; a fault costs the guest its life."""
        return self._call(function, *args, **kwargs)

    def discard(self) -> None:
        """Throw the guest away; the next use boots a fresh one."""
        machine, self._machine = self._machine, None
        self._settled = False
        self._variant = ""
        if machine is not None:
            machine.close()

    def _call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        assert self._machine is not None
        try:
            return self._machine.call(function, *args, **kwargs)
        except (KernelFault, InfrastructureError) as error:
            self.faults[self._variant] += isinstance(error, KernelFault)
            self.discard()
            raise

    def _settle(self) -> None:
        self.start()
        if self._settled:
            return
        self._call(dut_setup.settle, self._imports)
        assert self._machine is not None
        if self._machine.release != self._release:
            msg = f"the DUT runs {self._machine.release}, not {self._release}"
            raise InfrastructureError(msg)
        self._settled = True

    def _unload(self, names: list[str], previous: str) -> None:
        try:
            self._call(dut_modules.unload, names)
        except DutError as error:
            self.discard()
            if previous:
                raise KernelFault("leak", f"{previous}'s modules don't unload: {error}") from error
            raise
