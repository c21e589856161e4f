# SPDX-License-Identifier: GPL-2.0-or-later
"""All loops whose time per packet, or per rule, is a cost, by scenario."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksuite.dut import ovs_loops, pvp_loops, tc_loops, tc_rules, vhost_loops, windows

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from ksuite.dut.sizes import Size

    Loop = Callable[[int], AbstractContextManager[Callable[[], None] | windows.Part]]
    """Takes a size, and yields what runs one round."""

_GROUPS = (vhost_loops, tc_loops, tc_rules, ovs_loops, pvp_loops)
_GROUP_OF = {scenario: group for group in _GROUPS for scenario in group.LOOPS}


def measure(scenario: str, size: int, count: int, rounds: int) -> list[float]:
    """Return what a packet or rule costs in each of some windows; see `windows.measured`.

    :param size: as `size_of` the scenario has it.
    """
    group = _GROUP_OF[scenario]
    with group.LOOPS[scenario](size) as run:
        return windows.measured(run, group.BATCH, count, rounds)


def topology(scenario: str, size: int) -> AbstractContextManager[object]:
    """Return what a cost is measured in, to be looked at."""
    held: AbstractContextManager[object] = _GROUP_OF[scenario].LOOPS[scenario](size)
    return held


def size_of(scenario: str) -> Size:
    """Return what the size of a scenario is."""
    size: Size = _GROUP_OF[scenario].SIZE
    return size


def version(scenario: str) -> int:
    """Return the version of a scenario's loop."""
    number: int = _GROUP_OF[scenario].VERSION
    return number


def batch(scenario: str) -> int:
    """Return how many packets or rules a round of a scenario handles."""
    handled: int = _GROUP_OF[scenario].BATCH
    return handled
