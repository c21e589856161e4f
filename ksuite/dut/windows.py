# SPDX-License-Identifier: GPL-2.0-or-later
"""Times a closed loop in windows of the DUT's clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ksuite.dut.cpu import real_time
from ksuite.dut.marks import Marks, NoMarks

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


class Watch:
    """Adds up the time from each begin() to its end().

    :param marks: set around it.
    """

    def __init__(self, marks: Marks | NoMarks) -> None:
        self._marks = marks
        self._began = 0
        self.spent_ns = 0

    def begin(self) -> None:
        """Count from now on."""
        self._marks.begin()
        self._began = time.monotonic_ns()

    def end(self) -> None:
        """Count no more."""
        self.spent_ns += time.monotonic_ns() - self._began
        self._marks.end()


@dataclass(frozen=True)
class Part:
    """A round of which only a part is timed.

    :param run: one round, which tells the watch when that part begins and ends.
    """

    run: Callable[[Watch], None]


def measure_part(part: Part, packets: int, windows: int, rounds: int) -> list[float]:
    """Return what a part of a round costs; as `measure`."""
    costs = []
    watch, warming_up = Watch(Marks()), Watch(NoMarks())
    with real_time():
        for _ in range(WARM_UP_ROUNDS):
            part.run(warming_up)
        for number in range(windows):
            _sleep_until(number * TICK_NS // windows)
            watch.spent_ns = 0
            for _ in range(rounds):
                part.run(watch)
            costs.append(watch.spent_ns / (rounds * packets))
    return costs


def measured(
    run: Callable[[], None] | Part, handled: int, windows: int, rounds: int
) -> list[float]:
    """Return what a round costs, or that part of it which is timed; as `measure`."""
    if isinstance(run, Part):
        return measure_part(run, handled, windows, rounds)
    return measure(run, handled, windows, rounds)


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
