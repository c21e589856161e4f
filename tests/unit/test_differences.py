# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests that are listed for the running kernel, in pytest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.judging import PASSES, Judge, Stub, raising

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["pytester"]

LISTED = """\
[[difference]]
tests = ["vhost/test_it.py::test_it"]
kernels = ["{kernels}"]
commit = "fe946a751d9b"
title = "a: b"
instead = "it loses three"
{more}
"""
WHY = '6.1.192: it loses three (fe946a751d9b "a: b")'
PASSES_IT = "def test_it(ks_dut): pass\n"
LOSES = "AssertionError('3 lost')"
SPLAT = "KernelFault('warn', 'WARNING', 'splat')"


def listing(directory: Path, more: str = "", kernels: str = "<6.2") -> str:
    """Write a list, and return the option that names it."""
    path = directory / "list.toml"
    path.write_text(LISTED.format(kernels=kernels, more=more), encoding="utf-8")
    return f"--ks-differences={path}"


@pytest.fixture
def listed(tmp_path: Path) -> str:
    return listing(tmp_path)


@pytest.mark.parametrize("error", [LOSES, "DutError('3 lost')", "pytest.fail.Exception('3 lost')"])
def test_failure_is_expected(judge: Judge, listed: str, error: str) -> None:
    assert judge(PASSES + raising(error, "BOTH"), listed) == 0
    told = {test["variant"]: test for test in judge.json["tests"] if test["test"] == "test_it"}
    for variant in ("base", "candidate"):
        assert (told[variant]["verdict"], told[variant]["expected"]) == ("SKIP", WHY)
        assert "3 lost" in told[variant]["detail"]
    assert judge.text.count(f"expected of {WHY}:\n    it") == 1
    assert "FAIL" not in judge.text
    assert "2 xfailed" in judge.text


def test_workers_expect_it_too(workers: Judge, listed: str) -> None:
    assert workers(PASSES + raising(LOSES, "BOTH"), "-n", "2", listed) == 0
    assert workers.verdicts()["test_it", "candidate"] == "SKIP"
    assert workers(PASSES + PASSES_IT, "-n", "2", listed) == 3


def test_other_kernels_fail(judge: Judge, tmp_path: Path) -> None:
    assert judge(raising(LOSES, "BOTH"), listing(tmp_path, kernels=">=6.2")) == 1
    assert judge.verdicts()["test_it", "candidate"] == "FAIL"


def test_other_tests_fail(judge: Judge, listed: str) -> None:
    tests = raising(LOSES, "BOTH") + raising(LOSES, "BOTH", "test_other")
    assert judge(tests, listed) == 1
    assert judge.verdicts()["test_other", "candidate"] == "FAIL"
    assert judge.verdicts()["test_it", "candidate"] == "SKIP"


@pytest.mark.parametrize(
    ("error", "code", "verdict"),
    [
        (SPLAT, 1, "FAIL"),
        ("SeriesError('refused')", 1, "FAIL"),
        ("InfrastructureError('qemu died')", 3, "ERROR"),
        ("KeyError('qemu died')", 3, "ERROR"),
        ("NothingToCompare('nothing')", 4, "INCOMPARABLE"),
    ],
)
def test_what_is_no_answer_is_not_excused(
    judge: Judge, listed: str, error: str, code: int, verdict: str
) -> None:
    named = "from ksuite.errors import NothingToCompare, SeriesError\n"
    assert (
        judge(PASSES + named + raising(error, "CANDIDATE"), "--ks-candidate-only", listed) == code
    )
    assert judge.verdicts()["test_it", "candidate"] == verdict


def test_fault_that_is_listed_is_expected(judge: Judge, stub: Stub, tmp_path: Path) -> None:
    stub.dut.faults["candidate"] = 1
    tests = PASSES + raising(SPLAT, "CANDIDATE")
    assert judge(tests, "--ks-candidate-only", listing(tmp_path, "faults = true")) == 0
    told = [test for test in judge.json["tests"] if test["test"] == "test_it"]
    assert (told[0]["verdict"], told[0]["console"]) == ("SKIP", "splat")
    assert stub.dut.faults["candidate"] == 0, "it must not count as a sign that enough is known"


@pytest.mark.parametrize("options", [("--ks-candidate-only",), ("--ks-unpatched",), ()])
def test_pass_is_an_error_of_the_list(judge: Judge, listed: str, options: tuple[str, ...]) -> None:
    assert judge(PASSES_IT, *options, listed) == 3
    assert f"passes, though it is listed as a difference of {WHY}" in judge.text
    assert "ERROR" in judge.verdicts().values()


def test_pass_of_the_candidate_alone_is_what_the_series_mends(judge: Judge, listed: str) -> None:
    assert judge(PASSES + raising(LOSES, "BASE"), listed) == 0
    assert judge.verdicts()["test_it", "base"] == "SKIP"
    assert judge.verdicts()["test_it", "candidate"] == "PASS"


def test_what_must_not_run_does_not(judge: Judge, tmp_path: Path) -> None:
    option = listing(tmp_path, "runs = false")
    assert judge(PASSES + raising("SystemExit('ran')", "BOTH"), option) == 0
    told = [test for test in judge.json["tests"] if test["test"] == "test_it"]
    assert [(test["verdict"], test["expected"]) for test in told] == [("SKIP", WHY)] * 2


def test_bad_list_is_a_usage_error(judge: Judge, stub: Stub, tmp_path: Path) -> None:
    assert judge(PASSES, listing(tmp_path, "reason = 'x'")) == 2
    assert "difference 1: unknown: reason" in judge.text
    assert stub.entered == 0


def test_list_of_tests_that_are_gone(judge: Judge, listed: str) -> None:
    """Only who has collected the whole suite can tell."""
    assert judge(PASSES, listed) == 2
    assert "no test is 'vhost/test_it.py::test_it'" in judge.text
    assert judge(PASSES, listed, "-k", "passes") == 0
    assert judge(PASSES, listed, "vhost/test_it.py::test_passes") == 0
    assert judge(PASSES, listed, "--ks-scenario", "vhost_function") == 0


def test_workers_collect_the_whole_suite(workers: Judge, listed: str) -> None:
    assert workers(PASSES, "-n", "2", listed) == 2
    assert "no test is 'vhost/test_it.py::test_it'" in workers.text
    assert workers(PASSES, "-n", "2", listed, "-k", "passes") == 0
