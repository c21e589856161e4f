# SPDX-License-Identifier: GPL-2.0-or-later
"""ksuite in pytest: tests of costs, and variants that break while they are measured."""

from __future__ import annotations

import json

import pytest

from ksuite.errors import (
    KernelFault,
    KsuiteError,
)
from ksuite.measure.attribution import Attribution, FunctionCost
from ksuite.report.baseline_file import write_baseline
from tests.unit.judging import PASSES, Judge, Stub, cost
from tests.unit.measure.samples import baseline

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


@pytest.mark.parametrize(
    ("exact", "compared"),
    [(True, [["0.0"], ["0.1"]]), (False, [["0.0", "0.1"], ["0.0", "0.1"]])],
)
def test_only_a_guest_that_was_booted_measures_all_costs_at_once(
    judge: Judge, stub: Stub, exact: bool, compared: list[list[str]]
) -> None:
    """Its costs are taken in turns; a restored guest's are the same whatever else is measured."""
    stub.exact = exact
    costs = cost(0.0, name="test_a") + cost(0.1, name="test_b") + cost(0.2, name="test_c")
    judge(costs, "--deselect", "vhost/test_it.py::test_c")
    assert stub.compared == compared


def test_where_a_cost_changed_is_told(judge: Judge, stub: Stub) -> None:
    rows = (FunctionCost("handle_rx", "vhost_net", 10.0, 12.5),)
    stub.attribution = Attribution(1000.0, 1100.0, rows)
    judge(cost(0.1))
    assert "where 0.1 64 B changed" in judge.text
    assert "handle_rx [vhost_net]" in judge.text
    [told] = judge.json["costs"]
    assert told["attribution"] == {
        "base": 1000.0,
        "candidate": 1100.0,
        "functions": [
            {"function": "handle_rx", "module": "vhost_net", "base": 10.0, "candidate": 12.5}
        ],
    }


def test_costs_are_written_for_pytest_benchmark(judge: Judge) -> None:
    path = judge.pytester.path / "benchmark.json"
    assert judge(PASSES + cost(0.1), "--ks-benchmark-json", str(path)) == 1
    told = json.loads(path.read_text(encoding="utf-8"))
    assert [benchmark["name"] for benchmark in told["benchmarks"]] == ["0.1 64 B"]


def test_base_that_breaks_in_a_cost_is_what_the_series_mends(judge: Judge, stub: Stub) -> None:
    stub.costs.faults["base"] = KernelFault("oops", "NULL pointer", "the splat")
    assert judge(cost(0.0)) == 0
    assert judge.verdicts() == {
        ("test_cost", "base"): "FAIL",
        ("test_cost", "candidate"): "PASS",
        ("test_cost", ""): "SKIP",
    }
    assert judge.json["costs"] == []


def test_candidate_that_was_never_measured_does_not_pass(judge: Judge, stub: Stub) -> None:
    stub.costs.faults["base"] = KernelFault("oops", "NULL pointer", "the splat")
    stub.costs.unmeasured = {"candidate"}
    assert judge(cost(0.0)) != 0
    assert "PASS" not in judge.verdicts().values()


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
    assert "ks_cost(scenario, size)" in judge.text


def test_cost_that_is_compared_with_nothing_is_told_and_does_not_pass(
    judge: Judge, stub: Stub
) -> None:
    stub.alone = True
    assert judge(cost(0.0), "--ks-costs-only") == 4
    assert judge.verdicts() == {("test_cost", ""): "SKIP"}
    assert judge.json["costs"] == []
    [told] = judge.json["measured"]
    assert (told["name"], told["cost"]["median"]) == ("0.0 64 B", 1234.5)
    assert "1,234.5" in judge.text
    [options] = stub.options
    assert options.costs_only


def test_only_costs_are_measured(judge: Judge) -> None:
    beside = "def test_beside(): pass\n"
    assert judge(PASSES + beside + cost(0.0), "--ks-costs-only") == 0
    assert judge.verdicts() == {("test_cost", ""): "PASS"}


def test_costs_are_compared_with_the_baseline_that_is_named(judge: Judge, stub: Stub) -> None:
    stub.baseline = baseline("distro", tx=1000.0)
    place = judge.pytester.path / "kept"
    write_baseline(stub.baseline, place)
    arguments = ["--ks-baselines", str(place), "--ks-baseline"]
    assert judge(PASSES + cost(0.1), *arguments, "distro") == 1
    [options] = stub.options
    assert options.baseline == stub.baseline
    assert not options.costs_only
    [told] = judge.json["costs"]
    assert told["baseline"] == "distro"
    assert "the stored baseline distro stands for the base" in " ".join(judge.text.split())
    assert judge.verdicts()["test_passes", "base"] == "PASS"


def test_cost_that_the_baseline_lacks_is_incomparable(judge: Judge, stub: Stub) -> None:
    stub.alone = True
    stub.baseline = baseline("distro", tx=1000.0)
    assert judge(cost(0.0)) == 4
    assert judge.verdicts() == {("test_cost", ""): "INCOMPARABLE"}
    assert "the baseline distro has no cost '0.0 64 B'" in judge.text
    assert [told["name"] for told in judge.json["measured"]] == ["0.0 64 B"]


@pytest.mark.parametrize(
    ("name", "says"), [("none", "no baseline 'none' in"), ("../up", "no name of a baseline")]
)
def test_baseline_that_is_not_there_is_usage(
    judge: Judge, stub: Stub, name: str, says: str
) -> None:
    place = str(judge.pytester.path)
    assert judge(cost(0.0), "--ks-baselines", place, "--ks-baseline", name) == 2
    assert says in judge.text
    assert stub.entered == 0
