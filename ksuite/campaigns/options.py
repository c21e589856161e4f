# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user can choose about a check."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ksuite.campaigns.differences import DIFFERENCES, Difference
from ksuite.campaigns.suites import SCENARIO_NAMES, Suite
from ksuite.errors import UserError
from ksuite.machines.machine import Clock, MachineSpec, Root
from ksuite.measure.baseline import Baseline
from ksuite.measure.thresholds import Thresholds

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_JOBS = 256
"""Each guest may take its whole memory."""
MOST_VCPUS = 16
BOOT_SECONDS, BOOT_CALLS = 300.0, 5
"""How long a boot may take: so many seconds, or as long as so many calls that may be slow."""


class Build(StrEnum):
    """What is built of base and candidate."""

    MODULE = "module"
    """The modules that the series touches, for the base kernel."""
    FULL = "full"
    """Two whole kernels."""
    AUTO = "auto"
    """Modules, and whole kernels where they won't do."""


class Attribute(StrEnum):
    """Which changes of exact costs are followed to the functions that they come from."""

    COUNTED = "counted"
    """Those beyond the threshold."""
    ANY = "any"
    NEVER = "never"


class Recall(StrEnum):
    """Of which variants the answers of earlier guests with the same content stand."""

    BASE = "base"
    ALL = "all"
    NEVER = "never"


@dataclass(frozen=True)
class CheckOptions:
    """What to check, and how.

    :param series: what `read_series` takes; the first suite's own when empty.
    :param kernel: name of the base kernel's source.
    :param build: what is built of it.
    :param config: fragments beside the usual ones, for whole kernels.
    :param timeout_seconds: host seconds after which a silent DUT counts as hanging.
    :param root: what the DUT's file system is; when None, the image wherever it can be.
    :param jobs: guests that one process may measure in at once; as many as there are CPUs when 0.
    :param packages: a file that names Debian packages to add to the image.
    :param thresholds: from when a change of a cost counts.
    :param vcpus: of a guest; as many as its suite asks for when 0.
    :param recall: whose restored guests are not asked again what guests like them have answered.
    :param baseline: whose costs stand for the base's.
    :param costs_only: measure the candidate's costs, and nothing else.
    :param unpatched: the series only says which modules to build; its patches are left out.
    :param differences: tests that some kernels can't pass.
    :param alone: the base is not measured, as nothing is known of it.
    :param any_change: what runs need not exercise anything of what the series changes.
    """

    series: str
    kernel: str = "distro"
    clock: Clock = Clock.INSTRUCTIONS
    timeout_seconds: float = 60.0
    root: Root | None = None
    packages: Path | None = None
    jobs: int = 0
    thresholds: Thresholds = field(default_factory=Thresholds)
    attribute: Attribute = Attribute.COUNTED
    recall: Recall = Recall.BASE
    baseline: Baseline | None = None
    costs_only: bool = False
    unpatched: bool = False
    vcpus: int = 0
    build: Build = Build.AUTO
    config: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    alone: bool = False
    any_change: bool = False

    def spec(self, suites: Sequence[Suite]) -> MachineSpec:
        """Return what guests these suites run in.

        :raises UserError: one needs more vCPUs than were chosen, or than another.
        """
        wanted = {suite.name: suite.vcpus for suite in suites}
        if not self.vcpus and len(set(wanted.values())) > 1:
            each = ", ".join(f"{name}: {number}" for name, number in wanted.items())
            raise UserError(f"these suites differ in their vCPUs ({each}): run them one by one")
        most = max(wanted.values(), default=1)
        if 0 < self.vcpus < most:
            raise UserError(f"{self.vcpus} vCPU are too few: {', '.join(wanted)} needs {most}")
        return MachineSpec(
            clock=self.clock,
            vcpus=self.vcpus or most,
            call_timeout_seconds=self.timeout_seconds,
            boot_timeout_seconds=max(BOOT_SECONDS, BOOT_CALLS * self.timeout_seconds),
        )

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


def vcpus(text: str) -> int:
    """Read a number of vCPUs from a command line; argparse makes its ValueError a usage error."""
    number = int(text)
    if not 0 < number <= MOST_VCPUS:
        raise ValueError(f"no number of vCPUs: {text}")
    return number


def fragments(text: str) -> tuple[str, ...]:
    """Read a list of config fragments from a command line."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


OPTIONS: dict[str, dict[str, Any]] = {
    "kernel": {
        "metavar": "NAME",
        "default": "distro",
        "help": "the base kernel: distro, or debian:5.10, debian:6.1, debian:6.12, debian:7.2, "
        "which are fetched; TREE@REV or a source tarball, which are built; a TREE that you have "
        "built; or IMAGE,MODULES (default: distro; see `ksuite kernels --help`)",
    },
    "build": {
        "choices": [str(choice) for choice in Build],
        "default": str(Build.AUTO),
        "help": "build the modules that the series touches, or whole kernels; auto takes modules "
        "wherever they will do, and says why not (default: auto)",
    },
    "config": {
        "metavar": "LIST",
        "type": fragments,
        "default": (),
        "help": "config fragments of whole kernels, beside base, vhost, tc, ovs and xdp: names of "
        "ours, such as debug, or paths, with commas between them",
    },
    "scenario": {
        "metavar": "NAME",
        "help": f"run only this suite or scenario: {', '.join(SCENARIO_NAMES)}",
    },
    "check": {
        "metavar": "TEST",
        "help": "run only this check, as reports call it: with all of its cases, unless it names "
        "one, such as 'test_action[drop]'",
    },
    "candidate-only": {
        "action": "store_true",
        "help": "don't run the functional checks on the base; costs need it all the same",
    },
    "costs-only": {
        "action": "store_true",
        "help": "run no functional checks, and measure the costs of the candidate alone, to "
        "compare them with a stored baseline or with nothing",
    },
    "unpatched": {
        "action": "store_true",
        "help": "judge the distro's source as it is: the series only says which modules to build",
    },
    "baseline": {
        "metavar": "NAME",
        "help": "compare costs with those of a stored baseline instead of the base's, which are "
        "not measured then (see `ksuite baseline --help`)",
    },
    "baselines": {
        "metavar": "DIR",
        "help": "where stored baselines are (default: tests/baselines of the checkout)",
    },
    "json": {"metavar": "FILE", "help": "write the whole result to FILE"},
    "clock": {
        "choices": [str(clock) for clock in Clock],
        "default": str(Clock.INSTRUCTIONS),
        "help": "what costs are measured with (default: instructions)",
    },
    "vcpus": {
        "type": vcpus,
        "metavar": "N",
        "default": 0,
        "help": "vCPUs of a guest (default: what the suite asks for: 2 for smp, else 1); the "
        "instruction clock runs them in turn and counts the instructions of all: it shows no "
        "parallel speed-up, and with several it needs QEMU 10, which is fetched",
    },
    "root": {
        "choices": [str(root) for root in Root],
        "help": "the DUT's file system: our image, with guests restored from a snapshot, or this "
        "host's, with one guest booted (default: image; the wall clock needs host)",
    },
    "attribute": {
        "choices": [str(choice) for choice in Attribute],
        "default": str(Attribute.COUNTED),
        "help": "which changes of exact costs to follow to the functions that they come from: "
        "those that count, any, or never (default: counted)",
    },
    "recall": {
        "choices": [str(choice) for choice in Recall],
        "default": str(Recall.BASE),
        "help": "whose answers of earlier guests stand, where all their content is the same: the "
        "base's, all, or never (default: base)",
    },
    "benchmark-json": {
        "metavar": "FILE",
        "help": "write the candidate's costs in pytest-benchmark's format to FILE",
    },
    "packages": {
        "metavar": "FILE",
        "help": "Debian packages to add to the image, one a line",
    },
    "thresholds": {
        "metavar": "FILE",
        "help": "TOML file: from when a change of which cost counts (see the README)",
    },
    "differences": {
        "metavar": "FILE",
        "help": "TOML file: tests that some kernels can't pass, and why "
        f"(default: {DIFFERENCES} of the checkout)",
    },
    "timeout": {
        "type": time_limit,
        "metavar": "SECONDS",
        "default": 60.0,
        "help": "a guest that is silent for so long hangs (default: 60)",
    },
}
"""What argparse is told of each: ``ksuite check --NAME`` and ``pytest --ks-NAME`` mean the same."""
