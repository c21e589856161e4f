# SPDX-License-Identifier: GPL-2.0-or-later
"""The DUT of a check: a guest that is alive, with the wanted variant's modules loaded, proven."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from ksuite.dut import kmemleak as dut_kmemleak
from ksuite.dut import modules as dut_modules
from ksuite.dut import setup as dut_setup
from ksuite.errors import DutError, GuestNotReady, InfrastructureError, KernelFault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ksuite.kernels.built import ModuleBuild
    from ksuite.machines.machine import Call, Machine


SETTLE_SECONDS = 300.0
"""Its imports are read from a file system of the host's, whatever else the host does."""
BOOTS_TRIED = 2
"""Each boot that fails costs the boot's whole time limit."""


@dataclass(frozen=True)
class Answer:
    """What a call returned.

    :param recalled: by an earlier guest with the same content; none was started for it.
    """

    value: Any
    recalled: bool = False


class Dut(ABC):
    """Starts guests on demand, puts a variant's modules in, throws the guest away after a fault.

    :param release: the kernel release that must run.
    :param modules: what a suite needs loaded, by name.
    :param finds_leaks: the kernel has kmemleak, and is asked at each guest's end.
    """

    def __init__(self, release: str, modules: Sequence[str], *, finds_leaks: bool = False) -> None:
        self._finds_leaks = finds_leaks
        self._release = release
        self._modules = list(modules)
        self._machine: Machine | None = None
        self._variant = ""
        self._blamed = ""
        self._builds: Mapping[str, ModuleBuild] = {}
        self._failed_boots = 0
        self.faults: Counter[str] = Counter()
        self.late_faults: dict[str, KernelFault] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def use(self, variant: str) -> None:
        """Make a variant's modules the running ones, in a fresh guest where there is none.

        :raises KernelFault: the variant's modules broke the kernel as they were loaded.
        :raises DutError: the kernel refused to load them.
        :raises InfrastructureError: what runs is not what was built, or no guest comes up.
        """

    @abstractmethod
    def use_for(
        self, variant: str, function: Callable[..., Any], *args: Any, repeat: int = 0
    ) -> Answer:
        """Call on the DUT with a variant's modules, as much alone as the machine allows.

        :param repeat: tells several measurements of the same thing from one another.
        :raises KsuiteError: as `use` and `call`.
        """

    @property
    def recalled(self) -> bool:
        """Whether all answers since the last `use` are those of an earlier guest."""
        return False

    def offer(self, builds: Mapping[str, ModuleBuild]) -> None:
        """Say which builds can be loaded, by variant."""
        self._builds = builds

    def retire(self) -> None:
        """Unload the variant that runs; what it breaks only now is its own fault, and kept as such.

        A splat that came after the last answer, or a reference that was never given back, would
        otherwise be laid at the door of whoever uses the guest next.
        """
        variant, self._variant = self._variant, ""
        if not variant:
            return
        try:
            # With the modules go the names in a backtrace; what only they knew of leaks then.
            self._must_not_leak()
            if self._builds[variant].modules:
                self._unload(variant)
                self._must_not_leak()
        except DutError as error:
            self.faults[variant] += 1
            self.late_faults[variant] = KernelFault("leak", f"modules don't unload: {error}")
            self.discard()
        except KernelFault as fault:
            self.late_faults[variant] = fault

    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call on the DUT as `Machine.call`; a fault costs the guest its life."""
        return self._run([(function, args, kwargs)])[0]

    def discard(self) -> None:
        """Throw the guest away; the next use gets a fresh one."""
        machine, self._machine = self._machine, None
        self._variant = ""
        if machine is not None:
            machine.close()

    def close(self) -> None:
        """End every guest."""
        self.discard()

    def _run(self, calls: list[Call]) -> list[Any]:
        if self._machine is None:
            raise InfrastructureError("no guest is up, and so nothing can be called on it")
        try:
            return self._machine.run(calls)
        except (KernelFault, InfrastructureError) as error:
            self.faults[self._blamed] += isinstance(error, KernelFault)
            self.discard()
            raise

    def _unload(self, variant: str) -> None:
        names = [module.name for module in self._builds[variant].modules]
        self._run([(dut_modules.unload, (names,), {})])

    def _must_not_leak(self) -> None:
        if not self._finds_leaks:
            return
        (report,) = self._run([(dut_kmemleak.leaks, (), {})])
        if report:
            self.discard()
            what = report.partition("\n")[0]
            raise KernelFault("leak", f"kmemleak: {what}", report)

    def _loading(self, variant: str) -> Call:
        """Return the call that loads a variant."""
        built = self._builds[variant].modules
        modules = {module.name: module.path.read_bytes() for module in built}
        parameters = {module.name: module.parameters for module in built if module.parameters}
        more = {"parameters": parameters} if parameters else {}
        return dut_modules.load, (modules, self._modules), more

    def _must_be_built(self, variant: str, running: Any) -> None:
        build = self._builds[variant]
        expected = {module.name: module.build_id for module in build.modules}
        expected["vmlinux"] = build.vmlinux_id
        told = dict(running) if isinstance(running, dict) else {}
        if not build.vmlinux_id:
            told["vmlinux"] = ""
        if told != expected:
            raise InfrastructureError(f"build-ids on the DUT: {running}; built: {expected}")

    def _must_be_tried(self) -> None:
        if self._failed_boots >= BOOTS_TRIED:
            raise InfrastructureError(f"no guest came up in {BOOTS_TRIED} tries: not tried again")

    def _must_be_release(self, machine: Machine, release: str) -> None:
        if machine.release != release:
            raise InfrastructureError(f"the DUT runs {machine.release}, not {release}")


class LiveDut(Dut):
    """One guest that is booted, and modules that are swapped in it.

    :param boot: starts a machine; it need not be ready yet.
    :param imports: modules of `ksuite.dut` to import before the first window.
    """

    def __init__(
        self,
        boot: Callable[[], Machine],
        release: str,
        modules: Sequence[str],
        imports: Sequence[str],
    ) -> None:
        super().__init__(release, modules)
        self._boot = boot
        self._imports = list(imports)
        self._settled = False

    def use(self, variant: str) -> None:
        """Swap the variant's modules in, where they don't run yet."""
        if self._variant == variant:
            return
        self.retire()
        # What breaks before a variant is loaded is nobody's.
        self._blamed = ""
        self._settle(variant)
        self._blamed = variant
        try:
            (running,) = self._run([self._loading(variant)])
        except DutError:
            # Some of them may be in: the next try begins with a fresh guest.
            self.faults[variant] += 1
            self.discard()
            raise
        try:
            self._must_be_built(variant, running)
        except InfrastructureError:
            self.discard()
            raise
        self._variant = variant

    def use_for(
        self,
        variant: str,
        function: Callable[..., Any],
        *args: Any,
        repeat: int = 0,  # noqa: ARG002 (a booted guest is asked each time)
    ) -> Answer:
        """Call with the variant's modules; the guest has been used before."""
        self.use(variant)
        return Answer(self.call(function, *args))

    def discard(self) -> None:
        """Throw the guest away; the next use boots a fresh one."""
        self._settled = False
        super().discard()

    def _settle(self, variant: str) -> None:
        if self._settled:
            return
        while True:
            self._must_be_tried()
            try:
                self._come_up(variant)
            except InfrastructureError:
                self._failed_boots += 1
                self.discard()
                # One boot of many may fail: a measurement of ten of them goes on.
                if self._failed_boots >= BOOTS_TRIED:
                    raise
            else:
                break
        self._failed_boots = 0
        self._settled = True

    def _come_up(self, variant: str) -> None:
        self._machine = machine = self._boot()
        try:
            machine.run([(dut_setup.settle, (self._imports,), {})], SETTLE_SECONDS)
            self._unload(variant)
        except KernelFault as fault:
            # Nothing of the series has run yet.
            raise GuestNotReady(f"the base kernel broke by itself: {fault}") from fault
        except DutError as error:
            raise InfrastructureError(f"the distro's own modules don't unload: {error}") from error
        self._must_be_release(machine, self._release)
