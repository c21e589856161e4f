# SPDX-License-Identifier: GPL-2.0-or-later
"""Base against candidate: build both, boot once, run the checks on each, compare the costs."""

from __future__ import annotations

import hashlib
import math
import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from ksuite.campaigns.costs import CostRequest, Costs
from ksuite.campaigns.dut import Dut, LiveDut
from ksuite.campaigns.restored_dut import RestoredDut
from ksuite.campaigns.suites import Suite, exercised, suites_for
from ksuite.dut import vhost_loops
from ksuite.errors import NothingToCompare, UserError
from ksuite.kernels.build import ModuleBuild, build_modules
from ksuite.kernels.plan import plan_modules
from ksuite.kernels.series import Series, read_series
from ksuite.kernels.source import KernelSource, check_compiler, distro_source, unpack
from ksuite.kernels.store import Store, run_directory
from ksuite.machines.host import cpu_model, kvm_works, qemu_version
from ksuite.machines.machine import Clock, MachineSpec, Root
from ksuite.machines.recipe import read_recipe
from ksuite.machines.snapshot import Snapshot, take_snapshot
from ksuite.machines.virtme import VirtmeMachine
from ksuite.measure.cost import Fingerprint
from ksuite.measure.result import BASE, CANDIDATE, VARIANTS, Subject
from ksuite.measure.thresholds import Thresholds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ksuite.machines.guest import Guest
    from ksuite.measure.verdict import Comparison


MOST_JOBS = 256
"""Each guest may take its whole memory."""


@dataclass(frozen=True)
class CheckOptions:
    """What to check, and how.

    :param series: what `read_series` takes.
    :param kernel: name of the base kernel's source.
    :param timeout_seconds: host seconds after which a silent DUT counts as hanging.
    :param root: what the DUT's file system is; when None, the image wherever it can be.
    :param jobs: guests that may measure at once; as many as there are CPUs when 0.
    :param packages: a file that names Debian packages to add to the image.
    :param thresholds: from when a change of a cost counts.
    """

    series: str
    kernel: str = "distro"
    clock: Clock = Clock.INSTRUCTIONS
    timeout_seconds: float = 60.0
    root: Root | None = None
    packages: Path | None = None
    jobs: int = 0
    thresholds: Thresholds = field(default_factory=Thresholds)

    @property
    def restores(self) -> bool:
        """Whether guests are restored from a snapshot.

        :raises UserError: the options contradict each other.
        """
        if self.root is Root.IMAGE and self.clock is Clock.WALL:
            raise UserError(
                "the wall clock needs the host's root: snapshots are of the other clock"
            )
        return self.clock is Clock.INSTRUCTIONS and self.root is not Root.HOST


def time_limit(text: str) -> float:
    """Read a time limit from a command line; argparse makes its ValueError a usage error.

    :return: seconds.
    """
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise ValueError(f"no time limit: {text}")
    return seconds


def jobs(text: str) -> int:
    """Read a number of guests from a command line; argparse makes its ValueError a usage error."""
    number = int(text)
    if not 0 < number <= MOST_JOBS:
        raise ValueError(f"no number of guests: {text}")
    return number


def _must_be_for(series: Series, source: KernelSource) -> None:
    """Refuse a series whose own meta says that it is made for other kernels."""
    if series.meta is None:
        return
    upstream = source.version.partition("-")[0]
    try:
        fits = SpecifierSet(series.meta.kernels).contains(upstream)
    except InvalidSpecifier as error:
        raise UserError(f"{series.origin}: meta.toml: kernels: {error}") from error
    if not fits:
        msg = f"{series.origin} is for kernels {series.meta.kernels}, and this one is {upstream}"
        raise NothingToCompare(msg)


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
        self.series: Series = read_series(options.series)
        self.suites = tuple(suites) or suites_for(self.series.files)
        self.spec = MachineSpec(clock=options.clock, call_timeout_seconds=options.timeout_seconds)
        self.source: KernelSource = distro_source(options.kernel)
        _must_be_for(self.series, self.source)
        self.progress = progress
        self._stack = ExitStack()
        self._store = Store.default()
        self._kvm = False
        self.snapshot: Snapshot | None = None
        self.builds: dict[str, ModuleBuild] = {}
        self._imports = [name for suite in self.suites for name in suite.imports]
        self.dut = self._new_dut()
        self.costs = self._new_costs()

    def __enter__(self) -> Self:
        """Build both variants while the first guest boots.

        :raises KsuiteError: the series can't be judged; each kind has its exit code.
        """
        try:
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
        fitting = suites_for(self.series.files)
        if not set(fitting) & set(suites):
            have, want = (", ".join(suite.name for suite in some) for some in (suites, fitting))
            raise NothingToCompare(
                f"the suite {have} does not exercise this series, but {want} does"
            )

    def _prepare(self) -> None:
        check_compiler(self.source)
        run_dir = self._stack.enter_context(run_directory())
        self._run_dir = run_dir
        self._stack.enter_context(self.dut)
        self._kvm = self.options.clock is Clock.WALL and kvm_works(self.source.image)
        self.qemu = qemu_version()
        # The distro's kernel is the one that runs whatever the modules turn out to be, so a guest
        # that is booted comes up on one core while the other unpacks and compiles.
        self.dut.start()
        self.progress(f"unpacking the source of {self.source.version}")
        self.tree = tree = unpack(self.source, self._store)
        targets = plan_modules(self.source, tree, self._touched())
        patches = {
            BASE: self.series.base_patches,
            CANDIDATE: (*self.series.base_patches, *self.series.patches),
        }
        names = ", ".join(target.name for target in targets)
        for variant in VARIANTS:
            self.progress(f"building {names}: {variant}")
            build = build_modules(self.source, tree, targets, patches[variant], self._store)
            self.builds[variant] = build
        self.dut.offer(self.builds)
        if self.options.restores:
            self._take_snapshot()
        else:
            self.progress(f"booting {self.source.release}")

    def _touched(self) -> list[str]:
        every = (*self.series.base_patches, *self.series.patches)
        return sorted({file for patch in every for file in patch.files})

    def _take_snapshot(self) -> None:
        recipe = read_recipe(self.options.packages)
        self.snapshot = take_snapshot(
            self.source, recipe, self.spec, self._imports, self._store, self.progress
        )
        self.costs = self._new_costs()

    def _boot(self) -> Guest:
        if self.snapshot is not None:
            return self.snapshot.restore(self._run_dir)
        return VirtmeMachine(self.source.image, self.spec, self._run_dir, kvm=self._kvm)

    @property
    def subject(self) -> Subject:
        """What is judged, and on what."""
        return Subject(
            series=self.series.title,
            series_digest=self.series.digest,
            kernel=self.source.release,
            kernel_version=self.source.version,
            clock=str(self.options.clock),
            machine=f"{self._root}, QEMU {self.qemu}, "
            f"{'KVM' if self._kvm else self.spec.cpu_model}, "
            f"{self.spec.vcpus} vCPU, {self.spec.memory_mib} MiB",
            modules={
                variant: tuple(f"{module.name} {module.build_id}" for module in build.modules)
                for variant, build in self.builds.items()
            },
            identical=self.identical,
            not_exercised=self._not_exercised(),
        )

    def _not_exercised(self) -> tuple[str, ...]:
        return tuple(file for file in self.series.files if not exercised(file, self.suites))

    @property
    def identical(self) -> bool:
        """Whether base and candidate have the same object code."""
        codes = [
            [(module.name, module.code_digest) for module in build.modules]
            for build in self.builds.values()
        ]
        return len(codes) == 2 and codes[0] == codes[1]

    def compare_costs(self, requests: Sequence[CostRequest]) -> dict[CostRequest, Comparison]:
        """Measure costs on base and candidate, and compare them; see `Costs.compare`."""
        return self.costs.compare(requests, self.options.thresholds)

    def forget_costs(self) -> None:
        """Measure anew at the next comparison."""
        self.costs = self._new_costs()

    def _new_dut(self) -> Dut:
        release = self.source.release
        modules = [name for suite in self.suites for name in suite.modules]
        if self.options.restores:
            return RestoredDut(self._boot, release, modules)
        return LiveDut(self._boot, release, modules, self._imports)

    def _say(self, text: str) -> None:
        self.progress(text)

    def _new_costs(self) -> Costs:
        return Costs(
            self.dut,
            self._fingerprint,
            exact=self.snapshot is not None,
            jobs=self.options.jobs or os.cpu_count() or 1,
            progress=self._say,
        )

    def _fingerprint(self, request: CostRequest) -> Fingerprint:
        return Fingerprint(
            clock=self.options.clock,
            scenario=request.scenario,
            scenario_version=vhost_loops.VERSION,
            parameters=(
                ("batch", vhost_loops.BATCH),
                ("frame_bytes", request.frame_bytes),
            ),
            kernel_release=self.source.release,
            kernel_config=hashlib.sha256(self.source.config.read_bytes()).hexdigest(),
            compiler=self.source.compiler,
            cpu_model=cpu_model() if self._kvm else self.spec.cpu_model,
            vcpus=self.spec.vcpus,
            qemu=self.qemu.split(".")[0],
            root=self.snapshot.digest if self.snapshot else str(Root.HOST),
        )

    @property
    def _root(self) -> str:
        if self.snapshot is None:
            return "booted by virtme-ng on this host's root"
        return f"restored, image {self.snapshot.digest[:12]}"
