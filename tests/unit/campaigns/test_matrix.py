# SPDX-License-Identifier: GPL-2.0-or-later
"""Suites over kernels: which processes are started, and what becomes of those that fail."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from ksuite.campaigns import matrix
from ksuite.campaigns.matrix import as_file_name, run_all
from ksuite.errors import InfrastructureError
from ksuite.report import json_file
from ksuite.report.baseline_file import baseline_path
from tests.unit.measure.samples import result

RUNNER = """
import json, os, shutil, signal, sys, time
words = sys.argv[1:]
kernel = words[words.index("--ks-kernel") + 1]
answer = words[words.index("--ks-json") + 1]
print("ran", *words, flush=True)
{does}
shutil.copy({result!r}, answer)
"""
KERNELS = ("debian:5.10", "debian:7.2")
SUITES = {"vhost": ["tests/vhost", "--flag"], "tc": ["tests/tc"]}


class Runner:
    """Stands in the place of the real one."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.result = directory / "told.json"
        json_file.write(result(), self.result)

    def does(self, statements: str) -> None:
        text = RUNNER.format(does=statements, result=str(self.result))
        (self.directory / "ks_stub_runner.py").write_text(text, encoding="utf-8")


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Runner:
    """Have runs be short and the kernels be there."""
    monkeypatch.setattr(matrix, "RUNNER", "ks_stub_runner")
    monkeypatch.setattr(matrix, "find_source", lambda *_: None)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    stub = Runner(tmp_path)
    stub.does("")
    return stub


def test_each_suite_runs_on_each_kernel(runner: Runner, tmp_path: Path) -> None:
    runs = list(run_all(KERNELS, SUITES, tmp_path))
    assert [(one.kernel, one.suite) for one in runs] == [
        (kernel, suite) for kernel in KERNELS for suite in SUITES
    ]
    assert all((one.exit_code, one.error) == (0, "") for one in runs)
    assert runs[0].result == json_file.read(runner.result)
    log = (tmp_path / "debian-7.2-vhost.log").read_text(encoding="utf-8").split()
    assert log[:3] == ["ran", "tests/vhost", "--flag"]
    assert log[log.index("--ks-kernel") + 1] == "debian:7.2"


def test_kernel_that_can_not_be_had_costs_the_others_nothing(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(name: str, *_: object) -> None:
        if name == "debian:5.10":
            raise InfrastructureError("no network")

    monkeypatch.setattr(matrix, "find_source", find)
    runs = list(run_all(KERNELS, SUITES, tmp_path))
    assert [(one.exit_code, one.error) for one in runs] == [(3, "no network")] * 2 + [(0, "")] * 2
    assert runner.result.exists()


def test_system_error_costs_the_others_nothing(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(name: str, *_: object) -> None:
        if name == "debian:5.10":
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(matrix, "find_source", find)
    runs = list(run_all(KERNELS, SUITES, tmp_path))
    assert [one.exit_code for one in runs] == [3, 3, 0, 0]
    assert runs[0].error == "looking for debian:5.10 failed: [Errno 5] Input/output error"
    assert runner.result.exists()


def test_path_that_is_longer_than_a_file_name(runner: Runner, tmp_path: Path) -> None:
    kernels = [f"/{'a/' * 200}{name}" for name in ("one", "two")]
    runs = list(run_all(kernels, {"tc": []}, tmp_path))
    assert [one.exit_code for one in runs] == [0, 0]
    assert len({path.name for path in tmp_path.glob("*.log")}) == len(kernels)
    assert runner.result.exists()


def test_run_that_leaves_nothing(runner: Runner, tmp_path: Path) -> None:
    """What an earlier matrix left there is not taken for its result."""
    (tmp_path / "debian-5.10-tc.json").write_text(runner.result.read_text())
    runner.does("sys.exit(0 if kernel == 'debian:7.2' else 1)")
    (run,) = run_all(KERNELS[:1], {"tc": []}, tmp_path)
    assert run.exit_code == 3
    assert run.result is None
    assert "the run ended with 1 and left no result: see" in run.error
    assert "debian-5.10-tc.log" in run.error


@pytest.mark.parametrize(
    ("code", "told", "why"),
    [(4, 4, "there is no test"), (2, 2, "could not be collected"), (1, 3, "ended with 1")],
)
def test_run_that_leaves_nothing_says_what_it_printed(
    runner: Runner, tmp_path: Path, code: int, told: int, why: str
) -> None:
    runner.does(f"print('x\\n' * 10_000 + 'E   No module \\x1b[2J', flush=True); sys.exit({code})")
    (run,) = run_all(KERNELS[:1], {"tc": []}, tmp_path)
    assert (run.exit_code, run.result) == (told, None)
    assert why in run.error
    lines = run.error.splitlines()
    assert lines[1].startswith("E   No module")
    assert "\x1b" not in run.error
    assert len(lines) == 2
    runner.does(f"print('x\\n' * 100_000 + 'the last', flush=True); sys.exit({code})")
    (run,) = run_all(KERNELS[:1], {"tc": []}, tmp_path)
    lines = run.error.splitlines()
    assert (lines[-1], len(lines)) == ("the last", matrix.LAST_LINES + 1)


def test_run_that_was_interrupted_ends_the_matrix(runner: Runner, tmp_path: Path) -> None:
    runner.does("sys.exit(130)")
    with pytest.raises(KeyboardInterrupt):
        list(run_all(KERNELS, SUITES, tmp_path))


def test_interrupt_reaches_the_run(runner: Runner, tmp_path: Path) -> None:
    runner.does(
        "signal.signal(signal.SIGINT, lambda *_: (print('ended', flush=True), sys.exit(130)))\n"
        "os.kill(os.getppid(), signal.SIGUSR1)\ntime.sleep(60)"
    )

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            list(run_all(KERNELS, SUITES, tmp_path))
    finally:
        signal.signal(signal.SIGUSR1, before)
    log = (tmp_path / "debian-5.10-vhost.log").read_text(encoding="utf-8")
    assert log.endswith("ended\n")


DAEMON = """
import subprocess
words = ["sh", "-c", "trap '' TERM HUP; setsid sleep {mark} & exec sleep {mark}"]
subprocess.Popen(words, start_new_session=True)
time.sleep(.2)
"""


@pytest.mark.parametrize("ending", ["", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_nothing_that_a_run_has_started_survives_it(
    runner: Runner, tmp_path: Path, ending: str
) -> None:
    mark = f"1000.{os.getpid()}"
    with subprocess.Popen(["sleep", "1000"]) as ours:
        runner.does(DAEMON.format(mark=mark) + ending)
        list(run_all(KERNELS[:1], {"tc": []}, tmp_path))
        lines = [
            path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()
        ]
        alive = ours.poll() is None
        ours.kill()
        assert alive
        assert not [line for line in lines if mark.encode() in line]


def test_log_that_can_not_be_written(runner: Runner, tmp_path: Path) -> None:
    assert runner.result.exists()
    with pytest.raises(InfrastructureError, match="can't write"):
        list(run_all(KERNELS, SUITES, tmp_path / "none"))


@pytest.mark.parametrize(
    "kernel", ["distro", "debian:6.12", "~/linux@v6.13", "./linux", "/srv/linux", "../ü", "…"]
)
def test_every_kernel_has_a_name_for_a_baseline(kernel: str, tmp_path: Path) -> None:
    assert baseline_path(tmp_path, as_file_name(kernel)).parent == tmp_path


def test_kernels_of_other_directories_have_other_names() -> None:
    assert as_file_name("debian:6.12") == "debian-6.12"
    assert len({as_file_name(name) for name in ("~/linux", "/linux", "../linux", "linux")}) == 4
