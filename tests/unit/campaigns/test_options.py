# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user can choose, and what makes no sense."""

from __future__ import annotations

import pytest

from ksuite.campaigns.options import (
    MOST_JOBS,
    OPTIONS,
    CheckOptions,
    Recall,
    jobs,
    time_limit,
    vcpus,
)
from ksuite.campaigns.suites import SMP, TC, VHOST
from ksuite.errors import ExitCode, UserError
from ksuite.machines.machine import Clock, Root


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon"])
def test_no_time_limit(text: str) -> None:
    with pytest.raises(ValueError, match=r"limit|float"):
        time_limit(text)


def test_time_limit() -> None:
    assert time_limit("2.5") == 2.5


@pytest.mark.parametrize("text", ["0", "-1", str(MOST_JOBS + 1), "1.5", "many", ""])
def test_no_number_of_guests(text: str) -> None:
    with pytest.raises(ValueError, match=r"number of guests|invalid literal"):
        jobs(text)


def test_number_of_guests() -> None:
    assert [jobs("1"), jobs(str(MOST_JOBS))] == [1, MOST_JOBS]


@pytest.mark.parametrize(
    ("clock", "root", "restores"),
    [
        (Clock.INSTRUCTIONS, None, True),
        (Clock.INSTRUCTIONS, Root.IMAGE, True),
        (Clock.INSTRUCTIONS, Root.HOST, False),
        (Clock.WALL, None, False),
        (Clock.WALL, Root.HOST, False),
    ],
)
def test_which_guests_are_restored(clock: Clock, root: Root | None, restores: bool) -> None:
    assert CheckOptions("", clock=clock, root=root).restores is restores


def test_snapshots_have_no_wall_clock() -> None:
    with pytest.raises(UserError, match="wall clock needs the host's root") as raised:
        assert CheckOptions("", clock=Clock.WALL, root=Root.IMAGE).restores
    assert raised.value.exit_code == ExitCode.USAGE


def test_guests_are_as_the_options_say() -> None:
    spec = CheckOptions("", clock=Clock.WALL, timeout_seconds=7).spec([VHOST])
    assert (spec.clock, spec.call_timeout_seconds) == (Clock.WALL, 7)


def test_candidate_is_asked_anew_unless_it_is_chosen_otherwise() -> None:
    assert CheckOptions("").recall is Recall.BASE
    assert Recall(OPTIONS["recall"]["default"]) is Recall.BASE


def test_every_way_to_recall_can_be_chosen() -> None:
    assert [Recall(choice) for choice in OPTIONS["recall"]["choices"]] == list(Recall)


@pytest.mark.parametrize("text", ["0", "-1", "17", "1.5", "two", ""])
def test_no_number_of_vcpus(text: str) -> None:
    with pytest.raises(ValueError, match=r"number of vCPUs|invalid literal"):
        vcpus(text)


@pytest.mark.parametrize("clock", Clock)
def test_suite_asks_for_its_vcpus(clock: Clock) -> None:
    assert CheckOptions("", clock=clock).spec([VHOST, TC]).vcpus == 1
    assert CheckOptions("", clock=clock).spec([SMP]).vcpus == 2
    assert CheckOptions("", clock=clock, vcpus=vcpus("4")).spec([SMP, TC]).vcpus == 4


def test_suites_that_ask_for_different_guests_are_told() -> None:
    with pytest.raises(UserError, match=r"differ in their vCPUs \(tc: 1, smp: 2\)") as raised:
        CheckOptions("").spec([TC, SMP])
    assert raised.value.exit_code == ExitCode.USAGE


def test_too_few_vcpus_are_told() -> None:
    with pytest.raises(UserError, match="1 vCPU are too few: smp needs 2"):
        CheckOptions("", vcpus=1).spec([SMP])
