# SPDX-License-Identifier: GPL-2.0-or-later
"""What a bisection is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from ksuite.campaigns.cost_names import is_cost
from ksuite.campaigns.costs import CostRequest
from ksuite.campaigns.options import Build, CheckOptions
from ksuite.campaigns.suites import check_scenario
from ksuite.dut import loops
from ksuite.errors import UserError
from ksuite.machines.machine import Clock
from ksuite.measure.thresholds import EXACT_PERCENT, NOISY_PERCENT
from ksuite.plain import Plain

USUAL_SIZES = {"frame_bytes": 64, "rules": 1_000}


@dataclass(frozen=True)
class Ground(Plain):
    """What stands under all revisions: where it is another, so is what is seen of them.

    :param kernel: release and version of the kernel whose modules they change.
    :param series: the digest of what is put on top, or is bisected itself; empty where nothing is.
    :param guest: the digest of all of a guest that is ours.
    """

    kernel: str = ""
    series: str = ""
    guest: str = ""

    def must_be(self, now: Ground) -> None:
        """Refuse to go on where what was seen until now was seen on something else.

        :raises UserError: it says on what.
        """
        if self == Ground() or self == now:
            return
        if self.kernel != now.kernel:
            what = f"on {self.kernel}, and the kernel is {now.kernel} now"
        elif self.series != now.series:
            what = "with other patches than the series has now"
        else:
            what = "by another ksuite, whose guests may cost something else"
        raise UserError(f"what is known was seen {what}: begin anew, without --resume")


@dataclass(frozen=True)
class Quest(Plain):
    """What is asked for.

    :param tree: a git tree, with the ends of a range; empty where each patch of a series is.
    :param series: put on top of each revision, or what is bisected itself.
    :param scenario: whose cost is looked at.
    :param size: of what it handles; the usual one when 0.
    :param check: a check that is looked at instead.
    :param drop_percent: the smallest change that counts; the clock's own when 0.
    :param kernel: whose modules the revisions change; the good one's own when empty.
    :param confidence: how likely a culprit must be, in real time.
    :param budget_minutes: what a search in real time may take.
    """

    tree: str = ""
    good: str = ""
    bad: str = ""
    series: str = ""
    scenario: str = ""
    size: int = 0
    check: str = ""
    drop_percent: float = 0.0
    kernel: str = ""
    build: Build = Build.AUTO
    config: tuple[str, ...] = ()
    clock: Clock = Clock.INSTRUCTIONS
    timeout_seconds: float = 60.0
    confidence: float = 0.95
    budget_minutes: float = 240.0

    @property
    def options(self) -> CheckOptions:
        """What a check would take."""
        return CheckOptions(
            self.series,
            kernel=self.kernel,
            clock=self.clock,
            timeout_seconds=self.timeout_seconds,
            build=self.build,
            config=self.config,
        )

    @property
    def drop(self) -> float | None:
        """The smallest relative change that counts; None for a check."""
        if self.check:
            return None
        usual = EXACT_PERCENT if self.clock is Clock.INSTRUCTIONS else NOISY_PERCENT
        return (self.drop_percent or usual) / 100

    @property
    def request(self) -> CostRequest:
        """The cost."""
        return CostRequest(
            self.scenario, self.size or USUAL_SIZES[loops.size_of(self.scenario).name]
        )

    @property
    def what(self) -> str:
        """What is looked at, as people call it."""
        return self.check or self.request.name

    def must_make_sense(self) -> None:
        """Refuse what can't be searched for.

        :raises UserError: it says why.
        """
        if not self.check and not self.scenario:
            raise UserError("say what to look at: --scenario NAME, or --check TEST")
        if self.scenario:
            check_scenario(self.scenario)
        if not self.check and not is_cost(self.scenario):
            raise UserError(
                f"{self.scenario} is not one cost: name one such as tc_redirect, or --check TEST"
            )
        measured = (self.clock is Clock.WALL, self.drop_percent, self.size)
        if self.check and any(measured):
            raise UserError("--check has no cost: --clock wall, --drop and --size go with none")
        if not self.tree and not self.series:
            raise UserError("say what to search: --tree DIR --good REV --bad REV, or SERIES")
        if self.tree and not (self.good and self.bad):
            raise UserError("a range has two ends: give --good REV and --bad REV")
        if not self.tree and self.clock is Clock.WALL:
            raise UserError(
                "what each patch of SERIES costs is only told on the instruction clock: on the "
                "wall clock one boot of each says nothing; bisect a range of --tree there"
            )
        if not self.tree and (self.good or self.bad):
            raise UserError("--good and --bad are revisions of a git tree: give --tree DIR")
