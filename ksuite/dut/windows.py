# SPDX-License-Identifier: GPL-2.0-or-later
"""Times a closed loop in windows of the DUT's clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ksuite.dut.cpu import real_time
from ksuite.dut.marks import Marks

if TYPE_CHECKING:
    from collections.abc import Callable

WARM_UP_ROUNDS = 16
"""After these, each round costs what the one before did."""
ALIGN_NS = 20_000_000
"""Windows start at multiples of this on the DUT's clock, each a bit later than the one before."""
TICK_NS = 4_000_000
"""CONFIG_HZ=250. A window has one tick more or less by where in it it starts: a harmless edit must
not move a window across that edge and look like a change, so all of a tick is sampled."""
SETTLE_NS = 2_000_000


def measure(run: Callable[[], None], handled: int, windows: int, rounds: int) -> list[float]:
    """Warm up, run windows of `rounds` rounds, and return each one's cost.

    :param run: one round.
    :param handled: packets or rules of a round.
    :return: nanoseconds of the DUT's clock for each of them, one a window.
    """
    costs = []
    marks = Marks()
    with real_time():
        _repeat(run, WARM_UP_ROUNDS)
        for number in range(windows):
            _sleep_until(number * TICK_NS // windows)
            marks.begin()
            costs.append(_repeat(run, rounds) / (rounds * handled))
            marks.end()
    return costs


def _repeat(run: Callable[[], None], rounds: int) -> int:
    """Return how many nanoseconds it takes."""
    start = time.monotonic_ns()
    for _ in range(rounds):
        run()
    return time.monotonic_ns() - start


def _sleep_until(phase_ns: int) -> None:
    """Sleep to the next point of the DUT's clock that is this long after a multiple of ALIGN_NS."""
    now = time.monotonic_ns()
    target = (now + SETTLE_NS) // ALIGN_NS * ALIGN_NS + ALIGN_NS + phase_ns
    time.sleep((target - now) / 1e9)
