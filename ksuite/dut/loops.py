# SPDX-License-Identifier: GPL-2.0-or-later
"""All loops whose time per packet is a cost, by scenario."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksuite.dut import ovs_loops, pvp_loops, tc_loops, vhost_loops, windows

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    Loop = Callable[[int], AbstractContextManager[Callable[[], None] | windows.Part]]
    """Takes the bytes of a frame, and yields what runs one round."""

_GROUPS = (vhost_loops, tc_loops, ovs_loops, pvp_loops)
_GROUP_OF = {scenario: group for group in _GROUPS for scenario in group.LOOPS}


def measure(scenario: str, frame_bytes: int, count: int, rounds: int) -> list[float]:
    """Return what a packet costs in each of some windows; see `windows.measure`."""
    group = _GROUP_OF[scenario]
    with group.LOOPS[scenario](frame_bytes) as run:
        if isinstance(run, windows.Part):
            return windows.measure_part(run, group.BATCH, count, rounds)
        return windows.measure(run, group.BATCH, count, rounds)


def version(scenario: str) -> int:
    """Return the version of a scenario's loop."""
    number: int = _GROUP_OF[scenario].VERSION
    return number


def batch(scenario: str) -> int:
    """Return how many packets a round of a scenario handles."""
    packets: int = _GROUP_OF[scenario].BATCH
    return packets
