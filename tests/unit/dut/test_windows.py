# SPDX-License-Identifier: GPL-2.0-or-later
"""Of a round of which a part is timed, that part counts, and nothing else."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import nullcontext

import pytest

from ksuite.dut import windows
from ksuite.dut.windows import Part, Watch, measure_part


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a clock, in nanoseconds, that stands still unless it is moved."""
    now = [1000]
    monkeypatch.setattr(time, "monotonic_ns", lambda: now[0])
    monkeypatch.setattr(windows, "real_time", nullcontext)
    monkeypatch.setattr(windows, "_sleep_until", lambda _: None)
    return now


def test_only_the_part_counts(clock: list[int]) -> None:
    rounds = [0]

    def run(watch: Watch) -> None:
        rounds[0] += 1
        clock[0] += 1_000_000
        for _ in range(2):
            watch.begin()
            clock[0] += 50
            watch.end()
            clock[0] += 7_000

    assert measure_part(Part(run), packets=10, windows=3, rounds=4) == [10.0] * 3
    assert rounds[0] == windows.WARM_UP_ROUNDS + 3 * 4


def test_marks_are_set_around_what_counts(
    clock: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not in rounds that warm up, or who counts instructions would count them."""
    marks = Counter[str]()

    class Counted:
        def begin(self) -> None:
            marks["begin"] += 1

        def end(self) -> None:
            marks["end"] += 1

    def run(watch: Watch) -> None:
        watch.begin()
        clock[0] += 1
        watch.end()

    monkeypatch.setattr(windows, "Marks", Counted)
    measure_part(Part(run), packets=1, windows=3, rounds=4)
    assert marks == {"begin": 12, "end": 12}
