# SPDX-License-Identifier: GPL-2.0-or-later
"""What a check's tests run on: in the process that prepared it, or in others beside it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ksuite.campaigns.attributing import attribute_cost
from ksuite.campaigns.costs import BOOTED_TURNS, TURNS, CostRequest, Costs
from ksuite.campaigns.dut import Dut, LiveDut
from ksuite.campaigns.options import Attribute, Recall
from ksuite.campaigns.recalling import Answers
from ksuite.campaigns.restored_dut import RestoredDut
from ksuite.errors import KsuiteError
from ksuite.kernels.built import ModuleBuild
from ksuite.kernels.store import Store
from ksuite.machines.counting import counting_plugin
from ksuite.machines.image import guest_code
from ksuite.machines.machine import Clock
from ksuite.machines.snapshot import Snapshot
from ksuite.machines.virtme import VirtmeMachine
from ksuite.measure.cost import Fingerprint
from ksuite.measure.result import BASE, CANDIDATE, VARIANTS, NamedComparison, NamedCost
from ksuite.measure.verdict import Verdict
from ksuite.plain import Plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ksuite.campaigns.options import CheckOptions
    from ksuite.campaigns.suites import Suite
    from ksuite.measure.verdict import Comparison


UNATTRIBUTED = (
    "not attributed: no guest of a stored baseline is here to be counted in; leave out --baseline"
)
OTHER_CODE = (
    "the baseline was made with other code in the guest, by which alone costs have been 0.75 % "
    "apart: save it again"
)
"""docs/measurement.md, "Stored baselines"."""
LEAKS_FOUND = "DEBUG_KMEMLEAK"
DEBUGS = ("KASAN", "PROVE_LOCKING", LEAKS_FOUND, "DEBUG_OBJECTS")
RECALLS = {Recall.BASE: (BASE,), Recall.ALL: VARIANTS, Recall.NEVER: ()}


@dataclass(frozen=True)
class Prepared(Plain):
    """All that a process must know to run tests.

    :param builds: by variant.
    :param conditions: the fingerprint of every cost, but for what is the scenario's.
    :param release: the kernel release that must run.
    :param kernel: its upstream version.
    :param image: the kernel's.
    :param kvm: guests that are booted run under KVM.
    :param qemu: what runs guests that are booted.
    :param snapshot: where guests are restored from, if they are.
    :param others: where those of variants are that have a kernel of their own.
    :param kernel_options: what its configuration has on, without ``CONFIG_``.
    :param saved: states of it with a build's modules loaded, by the build's key.
    """

    builds: dict[str, ModuleBuild]
    conditions: Fingerprint
    release: str
    kernel: str
    image: Path
    kvm: bool
    qemu: Path
    snapshot: Snapshot | None = None
    others: dict[str, Snapshot] | None = None
    kernel_options: tuple[str, ...] = ()
    saved: dict[str, Path] | None = None

    @property
    def debugs(self) -> tuple[str, ...]:
        """Which options the kernel has that find bugs, and make every cost another."""
        return tuple(name for name in DEBUGS if name in self.kernel_options)


class Bench:
    """A DUT with the series' modules, and the costs that are measured on it; a context manager.

    :param run_directory: a private directory.
    """

    def __init__(
        self,
        prepared: Prepared,
        options: CheckOptions,
        suites: Sequence[Suite],
        run_directory: Path,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.prepared = prepared
        self.builds = prepared.builds
        self.suites = tuple(suites)
        self.progress = progress
        self.baseline = options.baseline
        self.differences = options.differences
        self._options = options
        self._run_directory = run_directory
        self.dut = self._new_dut()
        self.dut.offer(self.builds)
        self.costs = self._new_costs()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.dut.close()

    def save_variants(self) -> Prepared:
        """Load each variant once for all processes that will run tests; one that breaks is left.

        One that was once loaded, and may be recalled, is left too: it may not be needed. Costs are
        measured in guests that load it themselves.
        """
        if self._options.costs_only:
            return self.prepared
        dut = self.dut
        assert isinstance(dut, RestoredDut)

        def save(variant: str) -> None:
            with suppress(KsuiteError):
                dut.save(variant)

        with ThreadPoolExecutor(self.jobs) as pool:
            list(pool.map(save, (CANDIDATE,) if self._options.alone else VARIANTS))
        return replace(self.prepared, saved=dict(dut.saved))

    def compare_costs(self, requests: Sequence[CostRequest]) -> dict[CostRequest, Comparison]:
        """Measure costs on base and candidate, and compare them; see `Costs.compare`."""
        return self.costs.compare(requests, self._options.thresholds)

    def measured_alone(self, request: CostRequest) -> NamedCost | None:
        """Return the candidate's cost where it was measured, with nothing to compare it with."""
        if not self.costs.alone(request):
            return None
        return NamedCost(request.name, self.costs.cost(request))

    def forget_costs(self) -> None:
        """Measure anew at the next comparison."""
        self.costs = self._new_costs()

    def told(self, request: CostRequest, comparison: Comparison) -> NamedComparison:
        """Return a comparison with its name, and with where it changed if that is wanted.

        What keeps us from finding that out takes nothing away from the comparison.
        """
        if not self._worth_attributing(comparison):
            return self._named(request, comparison)
        if self.baseline is not None:
            return self._named(request, comparison, UNATTRIBUTED)
        assert isinstance(self.dut, RestoredDut)
        self.progress(f"counting by function: {request.name}")
        try:
            plugin = counting_plugin(Store.default(), int(self.prepared.conditions.qemu))
            duts = [(self.dut, variant) for variant in VARIANTS]
            attribution = attribute_cost(duts, request, plugin, self._run_directory, self.jobs)
        except KsuiteError as error:
            return self._named(request, comparison, f"not attributed: {error}")
        return NamedComparison(request.name, comparison, attribution)

    def _named(
        self, request: CostRequest, comparison: Comparison, note: str = ""
    ) -> NamedComparison:
        if self.baseline is None:
            return NamedComparison(request.name, comparison, note=note)
        provenance = self.baseline.costs[request.name].provenance
        # Only what has changed is worth a look at all of our code.
        if comparison.verdict is not Verdict.PASS and provenance.guest_code != guest_code():
            note = "; ".join(filter(None, (note, OTHER_CODE)))
        return NamedComparison(request.name, comparison, note=note, baseline=self.baseline.name)

    @property
    def exact(self) -> bool:
        """Whether each measured guest is a restored one."""
        return self.prepared.snapshot is not None

    @property
    def jobs(self) -> int:
        """Guests that this process may run at once."""
        workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        return self._options.jobs or max(1, (os.cpu_count() or 1) // workers)

    def _worth_attributing(self, comparison: Comparison) -> bool:
        if not self.exact or comparison.verdict is Verdict.INCOMPARABLE:
            return False
        match self._options.attribute:
            case Attribute.NEVER:
                return False
            case Attribute.ANY:
                return comparison.difference != 0
        return comparison.verdict is not Verdict.PASS

    def _new_dut(self) -> Dut:
        prepared = self.prepared
        modules = [name for suite in self.suites for name in suite.modules]
        if prepared.snapshot is not None:
            return RestoredDut(
                prepared.snapshot,
                self._run_directory,
                modules,
                prepared.saved,
                answers=Answers(Store.default(), prepared.snapshot),
                recalls=RECALLS[self._recall],
                others=prepared.others,
                finds_leaks=LEAKS_FOUND in prepared.debugs,
            )
        imports = [name for suite in self.suites for name in suite.imports]
        return LiveDut(self._boot, prepared.release, modules, imports)

    @property
    def _recall(self) -> Recall:
        """Whose answers stand; of vCPUs that take turns, not each guest's are quite the same."""
        return self._options.recall if self.prepared.conditions.vcpus == 1 else Recall.NEVER

    def _boot(self) -> VirtmeMachine:
        prepared = self.prepared
        return VirtmeMachine(
            prepared.image,
            self._options.spec(self.suites),
            self._run_directory,
            prepared.qemu,
            kvm=prepared.kvm,
        )

    def _new_costs(self) -> Costs:
        options = self._options
        boots = options.clock is Clock.WALL
        turns: tuple[str, ...] = BOOTED_TURNS if boots else TURNS
        if self.baseline is not None or options.costs_only or options.alone:
            turns = tuple(variant for variant in turns if variant == CANDIDATE)
        return Costs(
            self.dut,
            self._fingerprint,
            exact=self.exact,
            jobs=self.jobs,
            progress=self._say,
            turns=turns,
            boots=boots,
            baseline=self.baseline,
        )

    def _say(self, text: str) -> None:
        self.progress(text)

    def _fingerprint(self, request: CostRequest) -> Fingerprint:
        return request.under(self.prepared.conditions)
