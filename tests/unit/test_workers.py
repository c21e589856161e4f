# SPDX-License-Identifier: GPL-2.0-or-later
"""ksuite in pytest where pytest-xdist's workers run the tests."""

from __future__ import annotations

import os
import sys

import pytest

from ksuite.pytest_workers import suites_of
from tests.unit.judging import FUNCTION, PASSES, Judge, Stub, cost, raising

pytest_plugins = ["pytester"]

TWO = ("-n", "2")
OURS = "import os\ndef test_pid(ks_dut): assert os.getpid() == {pid}\n"
DIES = """
def test_dies(ks_dut):
    import os
    if ks_dut.variant in CANDIDATE: os._exit(0)
"""


def left(judge: Judge) -> list[str]:
    """Return the private directories that processes have left in their TMPDIR."""
    return [path.name for path in (judge.pytester.path / "tmp").glob("ksuite*")]


def test_what_workers_say_is_merged(workers: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(workers.pytester.mkdir("tmp")))
    tests = PASSES + raising("AssertionError('3 lost')", "BASE") + cost(-0.1)
    assert workers(tests, *TWO, "-v") == 0
    assert workers.verdicts() == {
        ("test_passes", "base"): "PASS",
        ("test_it", "base"): "FAIL",
        ("test_passes", "candidate"): "PASS",
        ("test_it", "candidate"): "PASS",
        ("test_cost", ""): "IMPROVED",
    }
    assert workers.json["subject"]["series"] == "limit rx bursts"
    assert [told["name"] for told in workers.json["costs"]] == ["-0.1 64 B"]
    assert {"[gw0]", "[gw1]"} <= set(workers.text.split())
    assert "3 lost" in workers.text
    assert workers.text.count("verdict: PASS (exit 0") == 1
    assert left(workers) == []


def test_cost_that_a_worker_measured_alone_is_told(workers: Judge) -> None:
    workers.stub_does("stub.alone = True\n")
    assert workers(cost(0.0), *TWO, "--ks-costs-only") == 4
    assert [told["name"] for told in workers.json["measured"]] == ["0.0 64 B"]


def test_outcomes_are_in_the_order_of_collection(workers: Judge) -> None:
    """Which worker is done first must not show: the first test waits for the last."""
    waits = """
import time
from pathlib import Path

@pytest.mark.parametrize("number", range(6))
def test_waits(ks_bench, number):
    if number == 5:
        Path("last").touch()
    while number == 0 and not Path("last").exists():
        time.sleep(0.01)
"""
    assert workers(waits, *TWO, "--dist", "worksteal") == 0
    assert [test["test"] for test in workers.json["tests"]] == [
        f"test_waits[{number}]" for number in range(6)
    ]


def test_candidates_failure_is_the_runs(workers: Judge) -> None:
    splat = "KernelFault('warn', 'WARNING', '[ 1.0] Call Trace: handle_rx')"
    assert workers(PASSES + raising(splat, "CANDIDATE"), *TWO) == 1
    [told] = [test for test in workers.json["tests"] if test["verdict"] == "FAIL"]
    assert (told["test"], told["variant"], told["detail"]) == (
        *("test_it", "candidate", "warn: WARNING"),
    )
    assert told["console"] == "[ 1.0] Call Trace: handle_rx"
    assert workers.json["verdict"] == "FAIL"
    assert "Call Trace: handle_rx" in workers.text


def test_first_failure_can_end_the_run(workers: Judge) -> None:
    """That it was ended early is no interrupt: what has failed stands."""
    assert workers(PASSES + raising("AssertionError", "CANDIDATE"), *TWO, "-x") == 1
    assert workers.json["verdict"] == "FAIL"


@pytest.mark.parametrize(
    ("error", "code", "verdict"),
    [
        ("DoesNotApply('hunk 3 refused')", 1, "FAIL"),
        ("NothingToCompare('nothing of ours')", 4, "INCOMPARABLE"),
    ],
)
def test_series_that_is_refused(
    workers: Judge, monkeypatch: pytest.MonkeyPatch, error: str, code: int, verdict: str
) -> None:
    monkeypatch.setenv("TMPDIR", str(workers.pytester.mkdir("tmp")))
    workers.stub_does(f"stub.preparing = {error}")
    assert workers(PASSES, *TWO) == code
    assert workers.json["verdict"] == verdict
    assert workers.json["tests"] == []
    assert "passed" not in workers.text
    assert "Traceback" not in workers.text
    assert workers.text.count(workers.json["error"]) == 1
    assert left(workers) == []


def test_scenario_that_no_test_belongs_to(workers: Judge) -> None:
    assert workers(PASSES, *TWO, "--ks-scenario", "vhost_rx") == 4
    assert "vhost_rx" in workers.json["error"]


def test_worker_that_dies_is_an_error(workers: Judge) -> None:
    assert workers(PASSES + DIES, *TWO) == 3
    assert workers.json["verdict"] == "ERROR"
    [told] = [test for test in workers.json["tests"] if test["verdict"] == "ERROR"]
    assert "test_dies" in told["test"]
    assert "crashed" in told["detail"]
    others = {verdict for (name, _), verdict in workers.verdicts().items() if name == "test_passes"}
    assert others == {"PASS"}


def test_late_faults_of_workers_arrive(workers: Judge) -> None:
    workers.stub_does("stub.dut.late = KernelFault('leak', 'a page stays', 'the splat')")
    assert workers(PASSES, *TWO) == 1
    late = {
        (test["variant"], test["verdict"], test["console"])
        for test in workers.json["tests"]
        if test["test"] == "test_nothing_breaks_after_the_last_check"
    }
    assert ("candidate", "FAIL", "the splat") in late
    assert "a page stays" in workers.text
    assert workers.json["tests"][-1]["test"] == "test_nothing_breaks_after_the_last_check"


def test_test_that_judges_nothing_fails_the_run_too(workers: Judge) -> None:
    assert workers(PASSES + "def test_plain(): assert False\n", *TWO) == 3
    assert workers.json["error"] == "1 tests beside the series failed"


def test_suite_that_does_not_import_passes_nothing(workers: Judge) -> None:
    """Even where other files would run."""
    workers.write("test_broken", "import no_such_module")
    assert workers(PASSES, *TWO) != 0
    assert workers.json.get("verdict") != "PASS"


def test_interrupt(workers: Judge) -> None:
    assert workers(PASSES + raising("KeyboardInterrupt", "CANDIDATE"), *TWO) == 130
    assert workers.json["error"] == "interrupted"


def test_suite_without_a_default_series(workers: Judge) -> None:
    workers.pytester.makepyfile(test_elsewhere=FUNCTION + PASSES)
    done = workers.pytester.run(sys.executable, "-m", "ksuite.runner", "-p", "no:benchmark", *TWO)
    assert done.ret in {2, 4}


def test_run_that_judges_nothing_is_left_alone(workers: Judge) -> None:
    workers.pytester.makepyfile(test_plain="def test_a(): pass\ndef test_b(): assert False\n")
    done = workers.pytester.runpytest_subprocess("-p", "no:benchmark", *TWO)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.assert_outcomes(passed=1, failed=1)


@pytest.mark.parametrize("options", [("--ks-clock", "wall"), ("--ks-root", "host")], ids=" ".join)
def test_booted_guests_run_one_at_a_time(
    judge: Judge, stub: Stub, options: tuple[str, str]
) -> None:
    assert judge(OURS.format(pid=os.getpid()), *TWO, *options) == 0
    assert judge.verdicts() == {("test_pid", "base"): "PASS", ("test_pid", "candidate"): "PASS"}
    assert (stub.entered, stub.left) == (1, 1)


def test_collecting_builds_nothing(workers: Judge) -> None:
    workers.stub_does("stub.preparing = UserError('built')")
    assert workers(PASSES, *TWO, "--collect-only") == 0
    assert "2 tests collected" in workers.text


def test_tests_say_which_suites_they_are_of(pytestconfig: pytest.Config) -> None:
    nodes = ["tests/vhost/test_a.py::test_a[x/y::z]", "tests/elsewhere/test_b.py::test_b"]
    assert [suite.name for suite in suites_of(pytestconfig, nodes)] == ["vhost"]
    assert suites_of(pytestconfig, ["test_a.py::test_vhost"]) == []
    assert suites_of(pytestconfig, []) == []
