# SPDX-License-Identifier: GPL-2.0-or-later
"""Bad input: one clear line, the documented exit code, no traceback, nothing left behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksuite.kernels.store import Store
from tests.broken.test_broken import outside_pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

INPUT = Path(__file__).parent / "input"
SERIES = Path(__file__).parent / "harmless-comment.patch"


def ksuite(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ksuite", *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env=outside_pytest() | environment,
    )


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("no-such-file.patch", 2, "does not exist"),
        ("not-a-patch.txt", 2, "no patch"),
        ("outside-tree.patch", 2, "outside"),
        ("other-version.patch", 1, "drivers/vhost/net.c"),
        ("does-not-compile.patch", 1, "error:"),
        ("not-ours.patch", 4, "no scenario"),
    ],
)
def test_bad_series(name: str, code: int, says: str) -> None:
    done = ksuite("check", INPUT / name)
    printed = done.stdout + done.stderr
    assert done.returncode == code, printed
    assert says in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("built-in.patch", "net/core/dev.c is built into the kernel"),
        ("header.patch", "include/linux/skbuff.h"),
    ],
)
def test_modules_that_will_not_do(name: str, says: str) -> None:
    done = ksuite("check", INPUT / name, "--build", "module")
    printed = done.stdout + done.stderr
    assert done.returncode == 4, printed
    assert says in printed
    assert "Traceback" not in printed
    assert not Path("/etc/ksuite-was-here").exists()


def test_empty_series(tmp_path: Path) -> None:
    empty = tmp_path / "empty.mbox"
    empty.touch()
    done = ksuite("check", empty)
    assert done.returncode == 2
    assert "empty" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_unknown_kernel() -> None:
    done = ksuite("check", SERIES, "--kernel", "debian:0.99")
    assert done.returncode == 2
    assert "known are distro, debian:5.10" in done.stdout + done.stderr


def test_unknown_scenario() -> None:
    done = ksuite("check", SERIES, "--scenario", "vhost_tz")
    assert done.returncode == 2
    assert "vhost_tx" in done.stderr


def test_missing_tool(tmp_path: Path) -> None:
    done = ksuite("check", SERIES, PATH=str(tmp_path))
    assert done.returncode == 3
    assert "install" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a file system of 16 MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "small", tmp_path], check=True)
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_disk_full_in_the_store(small_disk: Path) -> None:
    done = ksuite("check", SERIES, KSUITE_STORE=str(small_disk))
    printed = done.stdout + done.stderr
    assert done.returncode == 3, printed
    assert "disk full" in printed
    assert not [path for path in small_disk.rglob("*") if path.is_file() and path.stat().st_size]


def store_without(tmp_path: Path, *kinds: str) -> Path:
    """Return a new store that has what the usual one has, but for some kinds of entries."""
    store = tmp_path / "store"
    store.mkdir()
    for kind in {"dut-kernel", "dut-root", "modules", "snapshot", "tree"} - set(kinds):
        (store / kind).symlink_to(Store.default().root / kind)
    return store


MOMENTS = [
    *((seconds, ["dut-kernel", "dut-root", "modules", "snapshot", "tree"]) for seconds in (0.5, 8)),
    (5, ["dut-kernel", "dut-root", "snapshot"]),
    (10, ["snapshot"]),
    (5, []),
]
"""Seconds after the start, and what the store lacks: unpacking, building, making the DUT's image,
the one cold boot, and measuring in restored guests."""


@pytest.mark.parametrize(("after_seconds", "lacks"), MOMENTS)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill-9"])
def test_killed_at_any_moment(
    how: signal.Signals, after_seconds: float, lacks: list[str], tmp_path: Path
) -> None:
    """No guest, build, mount or half-written store is left, and the next run works."""
    store = store_without(tmp_path, *lacks)
    command = [sys.executable, "-m", "ksuite", "check", str(SERIES), "--scenario", "vhost_tx"]
    environment = outside_pytest() | {"KSUITE_STORE": str(store)}
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        children = _wait_and_collect(process.pid, after_seconds)
        assert process.poll() is None, "it was over before it could be killed"
        if how is signal.SIGINT:
            os.killpg(process.pid, how)
        else:
            process.send_signal(how)
        printed, _ = process.communicate(timeout=60)
    if how is signal.SIGINT:
        # A shell shows both as 130; Python dies of the signal when it came during an import.
        assert process.returncode in {130, -signal.SIGINT}, printed
        assert "Traceback" not in printed
    assert _gone(children) == set(), "left running"
    mounts = Path("/proc/mounts").read_text()
    assert not re.search(f"virtme|ksuite|{re.escape(str(tmp_path))}", mounts)


@dataclass(frozen=True)
class Process:
    """One of this host's, as /proc/PID/stat has it, proc(5).

    :param started: in clock ticks since the host booted: numbers are given again, and soon.
    """

    pid: int
    parent: int
    started: int
    name: str


def _processes() -> dict[int, Process]:
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        # One that ends while it is looked at is as good as gone.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            before, _, after = (place / "stat").read_text().rpartition(")")
            words = after.split()
            name = before.partition("(")[2]
            pid = int(place.name)
            found[pid] = Process(pid, int(words[1]), int(words[19]), name)
    return found


def _wait_and_collect(pid: int, seconds: float) -> set[Process]:
    """Sleep, and return every process that was then below `pid`."""
    time.sleep(seconds)
    found, below = _processes(), {pid}
    for _ in range(8):
        below |= {one.pid for one in found.values() if one.parent in below}
    return {found[one] for one in below & found.keys() if one != pid}


def _gone(processes: set[Process], within_seconds: float = 5) -> set[str]:
    """Return the names of those that are still there after so long."""
    deadline = time.monotonic() + within_seconds
    left: set[str] = set()
    while time.monotonic() < deadline:
        there = {(one.pid, one.started) for one in _processes().values()}
        left = {one.name for one in processes if (one.pid, one.started) in there}
        if not left:
            break
        time.sleep(0.1)
    return left


def test_two_runs_at_once_and_after_a_kill(tmp_path: Path) -> None:
    """Two checks share a store without builds and snapshots, that a killed run has been at."""
    store = store_without(tmp_path, "modules", "snapshot", "tree")
    environment = outside_pytest() | {"KSUITE_STORE": str(store)}
    command = [sys.executable, "-m", "ksuite", "check", str(SERIES), "--scenario", "vhost_tx"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as victim:
        time.sleep(4)
        victim.kill()
    answers = [tmp_path / "one.json", tmp_path / "two.json"]
    runs = [
        subprocess.Popen(
            [*command, "--json", str(answer)], env=environment, stdout=subprocess.DEVNULL
        )
        for answer in answers
    ]
    assert [run.wait(timeout=600) for run in runs] == [0, 0]
    for answer in answers:
        assert json.loads(answer.read_text())["verdict"] == "PASS"
