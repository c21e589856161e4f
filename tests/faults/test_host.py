# SPDX-License-Identifier: GPL-2.0-or-later
"""What the host can do to a run: never the candidate's fault, and never a pass."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.broken.test_broken import running
from tests.gate.gates import Gate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.drill import Drill

SERIES = Path(__file__).parents[1] / "broken" / "harmless-rename.patch"
OWN_MODULE = Path(__file__).parents[1] / "gate" / "redirect"
SHORT = "test_rx_bursts_are_limited"
LONG = "test_wakeups_and_index_wrap[to_host-flags]"
"""Its guest works for some seconds."""
RUN_SECONDS = 120
DAEMONS = '''
import pytest
from ksuite.dut import own

FORK = """
import subprocess

def fork():
    return subprocess.Popen(["sleep", "1000000"], start_new_session=True).pid
"""

@pytest.mark.ks_scenario("vhost_function")
def test_daemon_on_the_dut(ks_dut):
    assert ks_dut.call(own.call, {"forking": FORK}, "forking", "fork", [], {}) > 1
'''


def checking(answer: Path, test: str) -> list[str | Path]:
    """Return Python's arguments for a check of the harmless series."""
    command: list[str | Path] = ["-m", "ksuite", "check", SERIES, "--json", answer, "--jobs", "1"]
    return [*command, "--scenario", "vhost_function", "--candidate-only", "--check", test]


def gating(module: Path, output: Path) -> list[str | Path]:
    """Return Python's arguments for a gate that builds and loads a module, and unloads it."""
    command: list[str | Path] = ["-m", "ksuite", "gate", module, "--kernel", "distro"]
    return [*command, "--part", "module", "--output", output]


def ended(process: subprocess.Popen[str], drill: Drill, answer: Path) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the result of a run, which must end."""
    code = process.wait(RUN_SECONDS)
    printed = drill.printed.read_text()
    print(printed)
    assert "Traceback" not in printed
    assert answer.exists(), printed
    return code, json.loads(answer.read_text())


@pytest.mark.parametrize(
    ("blow", "says", "timeout"),
    [
        (signal.SIGKILL, "the guest ended (status", 60),
        (signal.SIGSTOP, "QEMU itself does not answer", 2),
    ],
    ids=["killed", "stopped"],
)
def test_blow_to_qemu_is_an_error(
    blow: signal.Signals, says: str, timeout: int, drill: Drill, tmp_path: Path
) -> None:
    answer = tmp_path / "result.json"
    process = drill.start(*checking(answer, LONG), "--timeout", str(timeout))
    os.kill(drill.emulator(process, 1.5), blow)
    code, result = ended(process, drill, answer)
    assert code == 3
    assert result["verdict"] == "ERROR"
    assert says in json.dumps(result)


@contextmanager
def small_disk(at: Path, size: str) -> Iterator[None]:
    """Have a small file system in a place."""
    options = f"size={size},mode=711"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "small", at], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", at], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
@pytest.mark.parametrize(
    ("where", "size"),
    [("tmp", "16m"), ("tmp", "100m"), ("store", "64k")],
    ids=["mailbox", "saved guest", "store"],
)
def test_full_disk_is_an_error(where: str, size: str, drill: Drill, tmp_path: Path) -> None:
    answer = tmp_path / "result.json"
    place = drill.place / where
    links = {path.name: path.readlink() for path in place.iterdir()}
    with small_disk(place, size):
        for name, target in links.items():
            (place / name).symlink_to(target)
        code, result = ended(drill.start(*checking(answer, SHORT)), drill, answer)
        # What there was room for may stay.
        drill.must_be_whole()
    assert code == 3
    assert result["verdict"] == "ERROR"
    assert "free" in json.dumps(result)


def test_two_runs_at_once(drill: Drill, tmp_path: Path) -> None:
    answers = [tmp_path / name for name in ("one.json", "other.json")]
    runs = [drill.start(*checking(answer, SHORT)) for answer in answers]
    for process, answer in zip(runs, answers, strict=True):
        code, result = ended(process, drill, answer)
        assert (code, result["verdict"]) == (0, "PASS")


def test_two_gates_at_once(drill: Drill, tmp_path: Path) -> None:
    top = Gate.of(OWN_MODULE, tmp_path).top
    answers = [tmp_path / name for name in ("one", "other")]
    runs = [drill.start(*gating(top, answer)) for answer in answers]
    for process, answer in zip(runs, answers, strict=True):
        code, result = ended(process, drill, answer / "distro.json")
        assert (code, result["verdict"]) == (0, "PASS")


def test_daemon_ends_with_its_guest(drill: Drill, tmp_path: Path) -> None:
    suite = tmp_path / "vhost"
    suite.mkdir()
    (suite / "test_daemon.py").write_text(DAEMONS)
    answer = tmp_path / "result.json"
    command = running("vhost", SERIES, answer, "daemon")
    command[2] = str(suite)
    process = drill.start(*command, "--ks-candidate-only", f"--rootdir={tmp_path}")
    code, result = ended(process, drill, answer)
    assert (code, result["verdict"]) == (0, "PASS")
