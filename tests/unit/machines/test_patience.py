# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a silent guest may take, over processes that compute or sleep."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from ksuite.machines import patience
from ksuite.machines.machine import Clock
from ksuite.machines.patience import Patience, cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 0.2
BUSY = "print(flush=True)\nwhile True: pass\n"
IDLE = "import sys\nprint(flush=True)\nsys.stdin.read()\n"
IN_A_CHILD = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', sys.argv[1]])\n"


@contextmanager
def process(*program: str) -> Iterator[int]:
    """Run a program that says when it has begun, until the end of its input at the latest."""
    with subprocess.Popen(
        # Its child dies with it.
        ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c", *program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        try:
            running.stdout.readline()
            yield running.pid
        finally:
            running.kill()


def seconds_until_ended(pid: int, clock: Clock, limit: float = 60) -> float:
    """Look as `Guest` does, but more often."""
    started = time.monotonic()
    waiting = Patience(pid, LIMIT, clock)
    while not waiting.ended():
        assert time.monotonic() - started < limit
        time.sleep(min(0.02, waiting.next_look_seconds))
    return time.monotonic() - started


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let time alone never be a reason."""
    monkeypatch.setattr(patience, "LOAD_FACTOR", 1 << 20)


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("program", [(BUSY,), (IN_A_CHILD, BUSY)], ids=["itself", "its child"])
def test_work_ends_it(program: tuple[str, ...]) -> None:
    with process(*program) as pid:
        before = cpu_seconds(pid)
        assert seconds_until_ended(pid, Clock.INSTRUCTIONS) >= LIMIT
        assert cpu_seconds(pid) - before >= LIMIT


@pytest.mark.usefixtures("many")
def test_what_was_done_before_does_not_count() -> None:
    with process(BUSY) as pid:
        while cpu_seconds(pid) < 2 * LIMIT:
            time.sleep(0.02)
        assert not Patience(pid, LIMIT, Clock.INSTRUCTIONS).ended()
        assert seconds_until_ended(pid, Clock.INSTRUCTIONS) >= LIMIT


def test_guest_that_gets_no_processor_is_waited_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "LOAD_FACTOR", 3)
    with process(IDLE) as pid:
        assert seconds_until_ended(pid, Clock.INSTRUCTIONS) >= 3 * LIMIT


def test_time_ends_it_on_the_wall_clock() -> None:
    with process(IDLE) as pid:
        seconds = seconds_until_ended(pid, Clock.WALL)
    assert LIMIT <= seconds < patience.LOAD_FACTOR * LIMIT


@pytest.mark.parametrize("clock", Clock)
def test_looks_are_neither_late_nor_in_a_hurry(clock: Clock) -> None:
    waiting = Patience(os.getpid(), LIMIT, clock)
    assert 0 < waiting.next_look_seconds <= LIMIT
    time.sleep(LIMIT + 0.01)
    assert waiting.next_look_seconds == (0 if clock is Clock.WALL else patience.LOOK_SECONDS)
    assert waiting.ended() == (clock is Clock.WALL)


def test_processor_time_is_what_the_kernel_says() -> None:
    with process(BUSY) as pid:
        first = cpu_seconds(pid)
        time.sleep(LIMIT)
        assert first < cpu_seconds(pid)


def test_process_that_is_gone_has_worked_no_more() -> None:
    with process(IDLE) as pid:
        pass
    assert cpu_seconds(pid) == 0


@pytest.mark.parametrize("name", ["a) R 1 2 (b", "a b"])
def test_name_that_looks_like_more_fields(name: str) -> None:
    program = f"open('/proc/self/comm', 'w').write({name!r})\n" + IDLE
    with process(program) as pid:
        assert 0 <= cpu_seconds(pid) < 20
