# SPDX-License-Identifier: GPL-2.0-or-later
"""The selftest: what it puts into a kernel, and what it makes of comparisons."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import pytest

from ksuite.campaigns import selftest
from ksuite.campaigns.selftest import PLACES, chosen, slower, summary, try_out
from ksuite.errors import InfrastructureError, UserError
from ksuite.kernels.series import read_series
from ksuite.machines.machine import Clock
from ksuite.measure.cost import Cost
from ksuite.measure.verdict import Comparison, compare
from tests.unit.measure.samples import IMAGE, WALL, cost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ksuite.campaigns.costs import CostRequest
    from ksuite.campaigns.options import CheckOptions

PLACE = PLACES[0]
COST = 2000.0
RUNS = 3


class StubCheck:
    """Measures COST, and on the candidate as many instructions more as its series has."""

    noise = 0.0
    asked: list[CheckOptions]

    def __init__(self, options: CheckOptions, progress: Callable[[str], None]) -> None:
        progress("building")
        StubCheck.asked.append(options)
        patch = read_series(options.series).patches[0].text.decode()
        wanted = r"__ndelay\((\d+)\)" if options.clock is Clock.WALL else r"\.rept (\d+);"
        found = re.search(wanted, patch)
        assert found
        self._added = 0 if options.unpatched else int(found[1])
        self._clock = options.clock
        self.bench = self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def forget_costs(self) -> None:
        pass

    def compare_costs(self, requests: Sequence[CostRequest]) -> dict[CostRequest, Comparison]:
        base = cost(COST, fingerprint=IMAGE)
        candidate = cost(COST + self._added + self.noise, fingerprint=IMAGE)
        if self._clock is Clock.WALL:
            base, candidate = (in_real_time(one.median) for one in (base, candidate))
        return {request: compare(base, candidate) for request in requests}


def in_real_time(level: float) -> Cost:
    """Return a cost that five guests agree on, nearly."""
    windows = (level * (1 + step / 10_000) for step in range(-2, 3))
    return Cost(WALL, tuple(windows) * 5, guests=5)


@pytest.fixture(autouse=True)
def stub(monkeypatch: pytest.MonkeyPatch) -> type[StubCheck]:
    monkeypatch.setattr(selftest, "Check", StubCheck)
    monkeypatch.setattr(selftest, "_source", lambda place: f"{{\n{place.before}}}\n")
    StubCheck.asked = []
    StubCheck.noise = 0.0
    return StubCheck


def test_kernels_are_compared_with_themselves_and_with_slower_ones() -> None:
    trials = list(try_out([PLACE], RUNS))
    assert [(one.added, one.usual, one.least, one.different) for one in trials] == [
        (0, 0, 0, 0),
        (1, 0, RUNS, RUNS),
        (10, 0, RUNS, RUNS),
        (20, RUNS, RUNS, RUNS),
        (40, RUNS, RUNS, RUNS),
        (100, RUNS, RUNS, RUNS),
    ]
    assert {one.runs for one in trials} == {RUNS}
    assert trials[3].change == pytest.approx(0.01)
    assert [options.unpatched for options in StubCheck.asked] == [True] + [False] * 5


def test_guests_are_asked_anew_each_time() -> None:
    list(try_out([PLACE], 1))
    assert {str(options.recall) for options in StubCheck.asked} == {"never"}


def test_summary_tells_false_alarms_and_the_least_that_was_always_seen() -> None:
    told = summary(list(try_out([PLACE], RUNS)))
    assert told.false == 0
    assert told.compared == RUNS
    assert told.least["vhost_tx 64 B"].added == 1
    assert told.usual["vhost_tx 64 B"].added == 20


def test_false_alarm_is_counted(stub: type[StubCheck]) -> None:
    stub.noise = 0.0001 * COST
    told = summary(list(try_out([PLACE], RUNS)))
    assert told.false == RUNS


def test_what_is_not_seen_each_time_is_not_found() -> None:
    trials = [replace(one, least=RUNS - 1, usual=0) for one in try_out([PLACE], RUNS)]
    told = summary(trials)
    assert told.least == {}
    assert told.usual == {}


def test_real_time_is_judged_in_three_ways() -> None:
    trials = list(try_out([PLACE], RUNS, clock=Clock.WALL))
    assert [one.added for one in trials] == [0, 10, 20, 40, 100]
    assert [one.usual for one in trials] == [0, 0, RUNS, RUNS, RUNS]
    assert [one.open for one in trials] == [0, RUNS, 0, 0, 0]
    assert [one.rivals for one in trials] == [
        {"fixed 5%": fixed, "jumpavg": jumped}
        for fixed, jumped in ((0, 0), (0, RUNS), (0, RUNS), (0, RUNS), (RUNS, RUNS))
    ]
    told = summary(trials)
    assert told.false == 0
    assert told.usual["vhost_tx 64 B"].added == 20
    assert told.rivals["fixed 5%"]["vhost_tx 64 B"].added == 100
    assert told.rivals["jumpavg"]["vhost_tx 64 B"].added == 10


@pytest.mark.parametrize("noise", [-0.1, 0.1])
def test_any_change_seen_in_real_time_is_false_where_there_is_none(
    stub: type[StubCheck], noise: float
) -> None:
    stub.noise = noise * COST
    assert summary(list(try_out([PLACE], RUNS, clock=Clock.WALL))).false == RUNS


def test_patch_waits_so_many_nanoseconds() -> None:
    text = slower(f"{{\n{PLACE.before}}}\n", PLACE, 250, Clock.WALL)
    assert "+\t{ extern void __ndelay(unsigned long); __ndelay(250); }\n" in text


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.file)
def test_patch_adds_so_many_instructions(place: Any, tmp_path: Path) -> None:
    text = slower(f"int f(void)\n{{\n{place.before}}}\n", place, 37)
    path = tmp_path / "slower.patch"
    path.write_text(text)
    (patch,) = read_series(str(path)).patches
    assert patch.files == (place.file,)
    assert '+\tasm volatile(".rept 37; nop; .endr");\n' in text


@pytest.mark.parametrize("copies", [0, 2])
def test_source_that_is_not_known_is_refused(copies: int) -> None:
    with pytest.raises(InfrastructureError, match="not what a selftest knows"):
        slower(PLACE.before * copies, PLACE, 1)


def test_scenarios_are_chosen() -> None:
    assert chosen([]) == PLACES
    assert [place.request.scenario for place in chosen(["tc_redirect"])] == ["tc_redirect"]
    with pytest.raises(UserError, match="no kernel can be made slower for vhost_rx"):
        chosen(["tc_redirect", "vhost_rx"])
    with pytest.raises(UserError, match="no scenario named 'nope'"):
        chosen(["nope"])
