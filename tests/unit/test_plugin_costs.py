# SPDX-License-Identifier: GPL-2.0-or-later
"""ksuite in pytest: tests of costs, and variants that break while they are measured."""

from __future__ import annotations

import pytest

from ksuite.errors import (
    KernelFault,
    KsuiteError,
)
from tests.unit.judging import Judge, Stub, cost

pytest_plugins = ["pytester"]


@pytest.mark.parametrize(
    ("change", "code", "verdict"),
    [(0.0, 0, "PASS"), (-0.1, 0, "IMPROVED"), (0.1, 1, "REGRESSION")],
)
def test_cost(judge: Judge, change: float, code: int, verdict: str) -> None:
    assert judge(cost(change)) == code
    assert judge.verdicts() == {("test_cost", ""): verdict}
    [told] = judge.json["costs"]
    assert told["name"] == f"{change} 64 B"
    assert told["verdict"] == verdict
    assert told["change"] == pytest.approx(change)
    assert f"{change:+.2%}" in judge.text


def test_all_costs_are_told(judge: Judge) -> None:
    assert judge(cost(0.0, name="test_a") + cost(0.1, name="test_b")) == 1
    assert [told["verdict"] for told in judge.json["costs"]] == ["PASS", "REGRESSION"]


def test_base_that_breaks_in_a_cost_is_what_the_series_mends(judge: Judge, stub: Stub) -> None:
    stub.costs.faults["base"] = KernelFault("oops", "NULL pointer", "the splat")
    assert judge(cost(0.0)) == 0
    assert judge.verdicts() == {
        ("test_cost", "base"): "FAIL",
        ("test_cost", "candidate"): "PASS",
        ("test_cost", ""): "SKIP",
    }
    assert judge.json["costs"] == []


@pytest.mark.parametrize("too", [{}, {"base": KernelFault("oops", "base")}], ids=["alone", "both"])
def test_candidate_that_breaks_in_a_cost_fails(
    judge: Judge, stub: Stub, too: dict[str, KsuiteError]
) -> None:
    stub.costs.faults |= too | {"candidate": KernelFault("oops", "NULL pointer", "the splat")}
    assert judge(cost(0.0)) == 1
    assert judge.verdicts() == {("test_cost", ""): "FAIL"}
    assert "the splat" in judge.text


def test_cost_test_that_fails_for_another_reason(judge: Judge) -> None:
    """A comparison that passes doesn't make a broken test pass."""
    assert judge(cost(0.0) + "    raise KeyError('a bug of the test')\n") == 3
    assert judge.verdicts() == {("test_cost", ""): "ERROR"}


def test_cost_without_a_marker_is_told(judge: Judge) -> None:
    assert judge("def test_cost(ks_comparison): pass\n") == 3
    assert "ks_cost(scenario, frame_bytes)" in judge.text
