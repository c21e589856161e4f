# SPDX-License-Identifier: GPL-2.0-or-later
"""Costs, how two are compared, and how verdicts add up."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import permutations

import pytest

from ksuite.errors import ExitCode
from ksuite.machines.machine import Clock
from ksuite.measure.cost import Cost, Fingerprint
from ksuite.measure.result import TestOutcome, candidate_verdict
from ksuite.measure.verdict import EXIT_CODES, SEVERITY, Threshold, Verdict, compare, overall
from tests.unit.measure.samples import FINGERPRINT, RULES, WALL, comparison, cost

OTHER = {
    "clock": Clock.WALL,
    "scenario": "vhost_rx",
    "scenario_version": 2,
    "parameters": (("frame_bytes", 1500), ("batch", 500)),
    "kernel_release": "6.1.0-2-amd64",
    "kernel_config": "decaf",
    "compiler": "gcc-13",
    "cpu_model": "host",
    "vcpus": 2,
    "memory_mib": 2048,
    "qemu": "8",
    "root": "0badcafe",
}


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
        (0.0051, 0.001, Verdict.REGRESSION),
        (0.0299, 0.01, Verdict.PASS),
        (0.0301, 0.01, Verdict.REGRESSION),
        (-0.0301, 0.01, Verdict.IMPROVED),
        (0.0, 0.02, Verdict.INCOMPARABLE),
        (0.059, 0.02, Verdict.INCOMPARABLE),
        (-0.059, 0.02, Verdict.INCOMPARABLE),
        (0.061, 0.02, Verdict.REGRESSION),
        (-0.061, 0.02, Verdict.IMPROVED),
    ],
)
def test_comparison(change: float, spread: float, verdict: Verdict) -> None:
    seen = comparison(change, spread)
    assert seen.verdict is verdict
    assert seen.change == pytest.approx(change)
    assert seen.difference == pytest.approx(1000 * change)
    assert bool(seen.reason) == (verdict is Verdict.INCOMPARABLE)


@pytest.mark.parametrize(
    ("spreads", "threshold"),
    [((0.0, 0.0), 0.005), ((0.001, 0.0), 0.005), ((0.004, 0.0), 0.012), ((0.001, 0.003), 0.009)],
)
def test_threshold_is_half_a_percent_or_three_spreads(
    spreads: tuple[float, float], threshold: float
) -> None:
    base, candidate = (cost(1000.0, spread) for spread in spreads)
    assert compare(base, candidate).threshold == pytest.approx(threshold)


def test_noise_is_told() -> None:
    assert "6.0%" in comparison(0.0, 0.02).reason


def test_threshold_can_be_chosen() -> None:
    rule = Threshold(floor=0.1, spreads=1.0)
    assert compare(cost(1000), cost(1090), rule).verdict is Verdict.PASS
    assert compare(cost(1000), cost(1110), rule).verdict is Verdict.REGRESSION


@pytest.mark.parametrize("field", [field.name for field in fields(Fingerprint)])
def test_any_difference_in_the_fingerprint_is_incomparable(field: str) -> None:
    other = cost(2000.0, fingerprint=replace(FINGERPRINT, **{field: OTHER[field]}))  # type: ignore[arg-type]
    seen = compare(cost(1000.0), other)
    assert seen.verdict is Verdict.INCOMPARABLE
    assert "fingerprint" in seen.reason


@pytest.mark.parametrize(("worse", "better"), [(a, b) for a, b in permutations(SEVERITY, 2)])
def test_worst_verdict_is_the_runs(worse: Verdict, better: Verdict) -> None:
    if SEVERITY.index(worse) > SEVERITY.index(better):
        worse, better = better, worse
    assert overall([better, worse, better]) is worse


def test_order_of_severity() -> None:
    assert [str(verdict) for verdict in SEVERITY] == [
        *("FAIL", "REGRESSION", "ERROR", "INCOMPARABLE", "PASS", "SKIP")
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
