# SPDX-License-Identifier: GPL-2.0-or-later
"""Costs, how two are compared, and how verdicts add up."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from itertools import permutations

import numpy as np
import pytest

from ksuite.errors import ExitCode
from ksuite.measure.cost import Cost, Fingerprint
from ksuite.measure.result import TestOutcome, candidate_verdict
from ksuite.measure.verdict import (
    EXIT_CODES,
    SEVERITY,
    Threshold,
    Verdict,
    compare,
    overall,
    pooled_spread,
)
from tests.unit.measure.samples import FINGERPRINT, OTHER, RULES, WALL, comparison, cost


def test_cost_is_the_median_of_its_windows() -> None:
    windows = (990.0, 5000.0, 1000.0, 1010.0, 995.0)
    assert Cost(FINGERPRINT, windows).median == 1000.0
    assert Cost(FINGERPRINT, windows[:4]).median == 1005.0


def test_spread_is_the_width_of_all_windows() -> None:
    for windows in permutations((990.0, 1020.0, 1000.0)):
        assert Cost(FINGERPRINT, windows).spread == pytest.approx(0.03)
    assert Cost(FINGERPRINT, (1000.0,) * 5).spread == 0


def test_unit_is_the_clocks_for_what_is_handled() -> None:
    assert cost(1, fingerprint=RULES).unit == "instructions/rule"
    assert cost(1).unit == "instructions/packet"
    assert cost(1, fingerprint=WALL).unit == "ns/packet"


@pytest.mark.parametrize(
    ("change", "spread", "verdict"),
    [
        (0.0, 0.0, Verdict.PASS),
        (0.0049, 0.0, Verdict.PASS),
        (-0.0049, 0.0, Verdict.PASS),
        (0.0051, 0.0, Verdict.REGRESSION),
        (-0.0051, 0.0, Verdict.IMPROVED),
        (0.0079, 0.001, Verdict.PASS),
        (0.0081, 0.001, Verdict.REGRESSION),
        (0.0349, 0.01, Verdict.PASS),
        (0.0351, 0.01, Verdict.REGRESSION),
        (-0.0351, 0.01, Verdict.IMPROVED),
        (0.0, 0.02, Verdict.INCOMPARABLE),
        (0.059, 0.02, Verdict.INCOMPARABLE),
        (-0.059, 0.02, Verdict.INCOMPARABLE),
        (0.066, 0.02, Verdict.REGRESSION),
        (-0.066, 0.02, Verdict.IMPROVED),
    ],
)
def test_comparison(change: float, spread: float, verdict: Verdict) -> None:
    seen = comparison(change, spread)
    assert seen.verdict is verdict
    assert seen.change == pytest.approx(change)
    assert seen.difference == pytest.approx(1000 * change)
    assert bool(seen.reason) == (verdict is Verdict.INCOMPARABLE)


@pytest.mark.parametrize(
    ("spreads", "pooled"),
    [
        ((0.0, 0.0), 0.0),
        ((0.001, 0.001), 0.001),
        ((0.004, 0.0), 0.002828),
        ((0.0, 0.004), 0.002828),
        ((0.001, 0.003), 0.002236),
    ],
)
def test_threshold_is_half_a_percent_and_three_pooled_spreads(
    spreads: tuple[float, float], pooled: float
) -> None:
    base, candidate = (cost(1000.0, spread) for spread in spreads)
    assert pooled_spread(base, candidate) == pytest.approx(pooled, rel=0.001)
    assert compare(base, candidate).threshold == pytest.approx(0.005 + 3 * pooled, rel=0.001)


def test_noise_is_told() -> None:
    assert "6.5%" in comparison(0.0, 0.02).reason


def test_threshold_can_be_chosen() -> None:
    rule = Threshold(floor=0.1, spreads=1.0)
    assert compare(cost(1000), cost(1090), rule).verdict is Verdict.PASS
    assert compare(cost(1000), cost(1110), rule).verdict is Verdict.REGRESSION


@pytest.mark.parametrize("field", [field.name for field in fields(Fingerprint)])
def test_any_difference_in_the_fingerprint_is_incomparable(field: str) -> None:
    other = cost(2000.0, fingerprint=replace(FINGERPRINT, **{field: OTHER[field]}))  # type: ignore[arg-type]
    seen = compare(cost(1000.0), other)
    assert seen.verdict is Verdict.INCOMPARABLE
    assert seen.reason.startswith(f"{field}: ")
    assert "on the base, " in seen.reason
    assert seen.reason.endswith(" on the candidate")


@pytest.mark.parametrize(
    ("change", "verdict", "decides"),
    [
        (0.004, Verdict.PASS, False),
        (0.008, Verdict.PASS, True),
        (-0.008, Verdict.PASS, True),
        (0.02, Verdict.REGRESSION, False),
    ],
)
def test_reason_of_a_threshold_is_told_where_it_decided(
    change: float, verdict: Verdict, decides: bool
) -> None:
    rule = Threshold(floor=0.01, reason="known to be worth it", usual=0.005)
    seen = compare(cost(1000), cost(1000 * (1 + change)), rule)
    assert seen.verdict is verdict
    assert seen.reason == ("known to be worth it" if decides else "")


def test_why_it_can_not_be_judged_goes_before_the_threshold() -> None:
    rule = Threshold(floor=0.01, reason="known to be worth it", usual=0.005)
    assert "noisy" in compare(cost(1000, 0.04), cost(1000, 0.04), rule).reason


def wall(*guests: float, noise: float = 0.0005, seed: int = 1) -> Cost:
    """Return five windows of each guest, around its level, in real time."""
    draw = np.random.default_rng(seed)
    windows = [level * (1 + draw.normal(0, noise)) for level in guests for _ in range(5)]
    return Cost(WALL, tuple(windows), guests=len(guests))


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (0.0, Verdict.PASS),
        (0.003, Verdict.PASS),
        (-0.003, Verdict.PASS),
        (0.0052, Verdict.INCOMPARABLE),
        (-0.0052, Verdict.PASS),
        (0.01, Verdict.REGRESSION),
        (-0.01, Verdict.IMPROVED),
    ],
)
def test_real_time_is_judged_by_the_whole_interval(change: float, verdict: Verdict) -> None:
    seen = compare(wall(*[1000.0] * 5), wall(*[1000 * (1 + change)] * 5, seed=2))
    assert seen.verdict is verdict
    assert seen.change == pytest.approx(change, abs=0.001)
    assert seen.threshold == 0.005
    assert seen.reason.startswith("undecided: between ") == (verdict is Verdict.INCOMPARABLE)


def test_interval_that_leaves_it_open_is_told() -> None:
    guests = (990.0, 1000.0, 1005.0, 1010.0, 1020.0)
    seen = compare(wall(*guests, noise=0.005), wall(*guests, noise=0.005, seed=2))
    assert seen.verdict is Verdict.INCOMPARABLE
    assert re.fullmatch(r"undecided: between -\d\.\d% and \+\d\.\d%", seen.reason)


@pytest.mark.parametrize("guests", [1, 3])
@pytest.mark.parametrize("few", ["base", "candidate"])
def test_few_guests_say_nothing_of_real_time(few: str, guests: int) -> None:
    """However far apart they are: of how much such guests differ nothing is known."""
    sides = {"base": wall(*[1000.0] * 5), "candidate": wall(*[2000.0] * 5, seed=2)}
    sides[few] = wall(*[500.0] * guests)
    seen = compare(sides["base"], sides["candidate"])
    assert seen.verdict is Verdict.INCOMPARABLE
    assert seen.reason == f"too few: {guests} guests, and 4 is the least that says anything"


@pytest.mark.parametrize("side", ["base", "candidate"])
def test_two_bands_are_called_so_and_judged_by_nothing(side: str) -> None:
    sides = {"base": wall(*[1000.0] * 5), "candidate": wall(*[1000.0] * 5, seed=2)}
    sides[side] = wall(1000.0, 1100.0, 1000.0, 1100.0, 1000.0)
    seen = compare(sides["base"], sides["candidate"])
    assert seen.verdict is Verdict.INCOMPARABLE
    assert seen.reason == f"bimodal: the {side}'s windows are around 1,000 and 1,100"


def test_bands_that_are_closer_than_what_counts_are_none() -> None:
    seen = compare(
        wall(1000.0, 1003.0, 1000.0, 1003.0, 1000.0, noise=1e-5), wall(*[1001.0] * 5, noise=1e-5)
    )
    assert seen.verdict is Verdict.PASS


@pytest.mark.parametrize(("worse", "better"), [(a, b) for a, b in permutations(SEVERITY, 2)])
def test_worst_verdict_is_the_runs(worse: Verdict, better: Verdict) -> None:
    if SEVERITY.index(worse) > SEVERITY.index(better):
        worse, better = better, worse
    assert overall([better, worse, better]) is worse


def test_order_of_severity() -> None:
    assert [str(verdict) for verdict in SEVERITY] == [
        *("FAIL", "REGRESSION", "ERROR", "INCOMPARABLE", "FLAKY", "PASS", "SKIP")
    ]


def test_improvement_passes() -> None:
    assert overall([Verdict.IMPROVED]) is Verdict.PASS
    assert overall([Verdict.IMPROVED, Verdict.SKIP]) is Verdict.PASS
    assert overall([Verdict.IMPROVED, Verdict.REGRESSION]) is Verdict.REGRESSION


def test_run_of_nothing_is_no_pass() -> None:
    assert overall([]) is Verdict.SKIP
    assert EXIT_CODES[Verdict.SKIP] == ExitCode.INCOMPARABLE


def test_every_verdict_has_its_exit_code() -> None:
    assert {str(verdict): int(EXIT_CODES[verdict]) for verdict in Verdict} == {
        "PASS": 0,
        "IMPROVED": 0,
        "FLAKY": 0,
        "FAIL": 1,
        "REGRESSION": 1,
        "ERROR": 3,
        "INCOMPARABLE": 4,
        "SKIP": 4,
    }


def test_bases_failures_are_not_the_candidates() -> None:
    outcomes = (
        TestOutcome("test_a", "base", Verdict.FAIL, 0.1),
        TestOutcome("test_a", "candidate", Verdict.PASS, 0.1),
    )
    assert candidate_verdict(outcomes) is Verdict.PASS
    assert candidate_verdict(outcomes[:1]) is Verdict.SKIP
    both = TestOutcome("test_cost", "", Verdict.REGRESSION, 0.1)
    assert candidate_verdict((*outcomes, both)) is Verdict.REGRESSION


def test_our_own_trouble_on_the_base_is_no_pass() -> None:
    """What was to be compared with was not there, and pytest says that a test failed."""
    outcomes = (
        TestOutcome("test_a", "base", Verdict.ERROR, 0.1),
        TestOutcome("test_a", "candidate", Verdict.PASS, 0.1),
    )
    assert candidate_verdict(outcomes) is Verdict.ERROR
