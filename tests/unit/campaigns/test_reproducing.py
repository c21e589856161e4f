# SPDX-License-Identifier: GPL-2.0-or-later
"""The command that asks again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ksuite.campaigns.options import Build, CheckOptions
from ksuite.campaigns.reproducing import command_of
from ksuite.campaigns.suites import VHOST
from ksuite.measure.result import TestOutcome
from ksuite.measure.verdict import Verdict
from ksuite.report.again import again
from ksuite.report.terminal import render
from tests.unit.measure import samples

FAILED = TestOutcome("test_it[one two]", "candidate", Verdict.FAIL, 0.5, "assert False")


def test_what_nobody_has_chosen_is_left_out() -> None:
    assert command_of(CheckOptions("a.mbox"), [VHOST]) == ("ksuite", "check", "a.mbox")


def test_what_was_chosen_is_said_again() -> None:
    options = CheckOptions(
        "a.mbox",
        kernel="debian:6.12",
        build=Build.FULL,
        config=("debug", "mine.config"),
        unpatched=True,
        jobs=2,
        packages=Path("more"),
    )
    assert command_of(options, [VHOST])[2:] == (
        *("a.mbox", "--kernel", "debian:6.12", "--packages", "more", "--unpatched"),
        *("--build", "full", "--config", "debug,mine.config"),
    )


def test_a_suite_s_own_series_is_named() -> None:
    path = command_of(CheckOptions(""), [VHOST])[2]
    assert path.endswith("patches/vhost-rx-tx-limits")


def test_one_test_alone_is_told_in_the_report() -> None:
    result = samples.result(FAILED)
    assert again(result, FAILED) == "ksuite check limit.mbox --check 'test_it[one two]'"
    assert "again: ksuite check limit.mbox --check 'test_it[one two]'" in render(result)


def test_what_no_test_says_has_no_command() -> None:
    assert again(samples.result(), replace(FAILED, seconds=0.0)) == ""
    assert again(replace(samples.result(), subject=None), FAILED) == ""
