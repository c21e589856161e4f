# SPDX-License-Identifier: GPL-2.0-or-later
"""A cost: time per packet or rule on a clock, with all that must be known to compare it."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

from ksuite.machines.machine import Clock

UNITS = {Clock.INSTRUCTIONS: "instructions", Clock.WALL: "ns"}
"""Under -icount shift=0 a nanosecond of guest time is one instruction."""


@dataclass(frozen=True)
class Fingerprint:
    """Everything that makes two costs comparable.

    :param parameters: the scenario's parameters, sorted.
    :param kernel_config: sha256 of the base kernel's .config.
    :param compiler: the compiler that built what is measured, as it names itself.
    :param qemu: QEMU's major version; empty on hardware.
    :param root: digest of the DUT's image, or ``host``.
    """

    clock: Clock
    scenario: str
    scenario_version: int
    parameters: tuple[tuple[str, int | str], ...]
    kernel_release: str
    kernel_config: str
    compiler: str
    cpu_model: str
    vcpus: int
    memory_mib: int
    qemu: str
    root: str


@dataclass(frozen=True)
class Cost:
    """The windows of one measurement.

    :param windows: time per packet or rule of each window, in the clock's unit.
    :param recalled: some of it was recalled from a guest with the same content, not measured now.
    """

    fingerprint: Fingerprint
    windows: tuple[float, ...] = field(default=())
    recalled: bool = False

    @property
    def median(self) -> float:
        """The cost itself, in `unit`."""
        return statistics.median(self.windows)

    @property
    def spread(self) -> float:
        """How repeatable it was: the width of all windows relative to their median."""
        return (max(self.windows) - min(self.windows)) / self.median

    @property
    def unit(self) -> str:
        """What the numbers count."""
        handled = "rule" if "rules" in dict(self.fingerprint.parameters) else "packet"
        return f"{UNITS[self.fingerprint.clock]}/{handled}"
