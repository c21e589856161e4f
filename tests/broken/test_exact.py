# SPDX-License-Identifier: GPL-2.0-or-later
"""Costs from restored guests are exact: the same to the digit, and one instruction is seen.

::

    snapshot --restore--> guest: load modules, measure, unload   (one message, nothing host-timed)
        |
        +-----restore--> guest: the same again, on a busy host      == to the last digit
"""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ksuite.campaigns.check import Check
from ksuite.campaigns.costs import ROUNDS, WINDOWS, CostRequest
from ksuite.campaigns.options import CheckOptions, Recall
from ksuite.dut import loops, vhost_bad_rings
from ksuite.kernels.store import Store
from ksuite.measure.result import BASE, CANDIDATE
from ksuite.measure.thresholds import Thresholds
from ksuite.measure.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
REQUESTS = tuple(
    CostRequest(loop, size)
    for loop in ("vhost_tx", "vhost_rx", "vhost_echo")
    for size in (64, 1500)
)
SMALL = tuple(request for request in REQUESTS if request.size == 64)
RESTORES = 3
HARMLESS = ("harmless-function-name", "harmless-declarations")
"""The others are judged as whole series, in test_broken.py."""
A_HUNDREDTH = 0.01
"""Instructions a packet: a longer name takes some more of the module's loading."""


def series(name: str) -> str:
    return str(HERE / f"{name}.patch")


@contextmanager
def busy_host() -> Iterator[None]:
    """Give the guests two competitors for two processors."""
    load = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(2)]
    try:
        yield
    finally:
        for process in load:
            process.kill()
            process.wait()


def windows(check: Check, request: CostRequest) -> list[float]:
    answer = check.bench.dut.use_for(
        CANDIDATE, loops.measure, request.scenario, request.size, WINDOWS, ROUNDS
    )
    assert not answer.recalled
    found: list[float] = answer.value
    return found


def test_every_cost_repeats_to_the_digit_on_a_busy_host() -> None:
    with Check(CheckOptions(series("one-instruction"))) as check, busy_host():
        for request in (*REQUESTS, CostRequest("tc_redirect", 64), CostRequest("pvp_ovs", 64)):
            first, *others = [windows(check, request) for _ in range(RESTORES)]
            assert len(first) == WINDOWS
            assert others == [first] * (RESTORES - 1), request.name


def test_snapshots_of_two_cold_boots_give_the_same_costs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second store has everything but the snapshot, which is taken anew on a busy host."""
    requests = (CostRequest("vhost_rx", 64), CostRequest("tc_redirect", 1500))
    with Check(CheckOptions(series("one-instruction"))) as check:
        first = [windows(check, request) for request in requests]
    usual = Store.default().root
    for kind in ("dut-root", "dut-kernel", "tree", "modules"):
        (tmp_path / kind).symlink_to(usual / kind)
    monkeypatch.setenv("KSUITE_STORE", str(tmp_path))
    with busy_host(), Check(CheckOptions(series("one-instruction"))) as check:
        second = [windows(check, request) for request in requests]
        assert (tmp_path / "snapshot").is_dir()
    assert second == first


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless_edit_costs_nothing(name: str) -> None:
    with Check(CheckOptions(series(name))) as check:
        for request, seen in check.bench.compare_costs(SMALL).items():
            assert abs(seen.difference) < A_HUNDREDTH, request.name


def test_one_instruction_a_packet_is_seen() -> None:
    """An echo passes both handlers, and so the instruction twice."""
    options = CheckOptions(series("one-instruction"), thresholds=Thresholds(default=0))
    with Check(options) as check:
        for request, seen in check.bench.compare_costs(REQUESTS).items():
            times = 2 if request.scenario == "vhost_echo" else 1
            assert seen.difference == pytest.approx(times, abs=0.1), request.name
            assert seen.base.spread == seen.candidate.spread == 0
            assert seen.verdict is Verdict.REGRESSION


def test_the_same_modules_show_no_difference_at_all() -> None:
    options = CheckOptions(series("one-instruction"), thresholds=Thresholds(default=0))
    with Check(options) as check:
        check.bench.builds[CANDIDATE] = check.bench.builds[BASE]
        for request, seen in check.bench.compare_costs(SMALL).items():
            assert seen.difference == 0, request.name
            assert seen.verdict is Verdict.PASS


def test_recalled_answers_are_those_that_a_guest_gives() -> None:
    """The first run may have to ask, the second one must not, and the third one has to."""
    seen: list[tuple[bool, dict[str, object], tuple[float, ...]]] = []
    for recall in (Recall.BASE, Recall.BASE, Recall.NEVER):
        with Check(CheckOptions(series("one-instruction"), recall=recall)) as check:
            dut = check.bench.dut
            dut.use(BASE)
            lie = dut.call(vhost_bad_rings.lie, "tx", "length 0")
            recalled = dut.recalled
            cost = check.bench.compare_costs(SMALL[:1])[SMALL[0]]
            assert not cost.candidate.recalled
            assert cost.base.recalled is recalled or not seen
            seen.append((recalled, lie, cost.base.windows))
    assert [recalled for recalled, *_ in seen[1:]] == [True, False]
    assert seen[1][1:] == seen[2][1:] == seen[0][1:]
