# SPDX-License-Identifier: GPL-2.0-or-later
"""A cost: time per packet or rule on a clock, with all that must be known to compare it."""

from __future__ import annotations

import re
import statistics
from dataclasses import dataclass, field, fields

from ksuite.machines.machine import Clock, Root

UNITS = {Clock.INSTRUCTIONS: "instructions", Clock.WALL: "ns"}
"""Under -icount shift=0 a nanosecond of guest time is one instruction."""
MOST = 1e12
"""No packet takes a quarter of an hour."""
DIGEST_SHOWN = 12
_DIGEST = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Fingerprint:
    """Everything that makes two costs comparable.

    :param parameters: the scenario's parameters, sorted.
    :param kernel_release: with the version of its package, as ``uname -rv`` has them.
    :param kernel_config: sha256 of the base kernel's .config.
    :param compiler: the compiler that built what is measured, as it names itself.
    :param qemu: QEMU's major version; empty on hardware.
    :param root: digest of the DUT's image, or ``host``.
    :param host: which host it was, where its time or its file system are part of what is measured;
        empty where none of it can be told from another.
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
    host: str = ""

    @property
    def restored(self) -> bool:
        """Whether its guests are restored ones, whose costs are exact."""
        return self.root != Root.HOST

    def unlike(self, other: Fingerprint) -> tuple[tuple[str, str, str], ...]:
        """Return the fields that differ: their names, this one's value and the other's."""
        pairs = (
            (one.name, getattr(self, one.name), getattr(other, one.name)) for one in fields(self)
        )
        return tuple(
            (name, shown(mine), shown(theirs)) for name, mine, theirs in pairs if mine != theirs
        )


def shown(value: object) -> str:
    """Return a field of a fingerprint as people read it."""
    if isinstance(value, tuple):
        return " ".join(f"{name}={one}" for name, one in value)
    text = str(value)
    return text[:DIGEST_SHOWN] if _DIGEST.fullmatch(text) else text


@dataclass(frozen=True)
class Cost:
    """The windows of one measurement.

    :param windows: time per packet or rule of each window, in the clock's unit.
    :param recalled: some of it was recalled from a guest with the same content, not measured now.
    :param guests: that the windows are of, equally many each, one guest's after the other's.
    """

    fingerprint: Fingerprint
    windows: tuple[float, ...] = field(default=())
    recalled: bool = False
    guests: int = 1

    @property
    def by_guest(self) -> tuple[tuple[float, ...], ...]:
        """The windows of each guest."""
        each = len(self.windows) // self.guests
        return tuple(self.windows[at : at + each] for at in range(0, len(self.windows), each))

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
