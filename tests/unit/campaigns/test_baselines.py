# SPDX-License-Identifier: GPL-2.0-or-later
"""Baselines made of results, compared, and found to be of no more use."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ksuite.campaigns.baselines import compare, costs_of, make, stale
from ksuite.dut import loops
from ksuite.errors import NothingToCompare, UserError
from ksuite.measure.result import CheckResult, NamedComparison, NamedCost
from ksuite.measure.thresholds import Thresholds
from ksuite.measure.verdict import Verdict
from tests.unit.measure.samples import IMAGE, baseline, comparison, cost, result

RX, TX, ECHO = (f"vhost_{loop} 64 B" for loop in ("rx", "tx", "echo"))
RX_COST = cost(2000.0, fingerprint=replace(IMAGE, scenario="vhost_rx"))


def measured() -> CheckResult:
    """Return a result with one cost that was compared, and one that was not."""
    whole = result(costs=(NamedComparison(TX, comparison(0.1)),))
    return replace(whole, measured=(NamedCost(RX, RX_COST),))


def test_costs_of_the_candidate_are_all_that_were_measured() -> None:
    seen = costs_of(measured(), "candidate")
    assert {name: cost.median for name, cost in seen.items()} == pytest.approx(
        {TX: 1100.0, RX: 2000.0}
    )


def test_costs_of_the_base_are_those_that_were_measured_on_it() -> None:
    assert costs_of(measured(), "base") == {TX: comparison(0.1).base}
    stored = result(costs=(NamedComparison(TX, comparison(0.1), baseline="distro"),))
    assert costs_of(stored, "base") == {}
    assert set(costs_of(stored, "candidate")) == {TX}


def test_baseline_has_the_costs_of_all_results_by_name() -> None:
    other = result(costs=(NamedComparison(ECHO, comparison(0.0)),))
    assert other.subject is not None
    other = replace(other, subject=replace(other.subject, series="another"))
    made = make("new", [measured(), other], "candidate")
    assert made.name == "new"
    assert list(made.costs) == [ECHO, RX, TX]
    series = {name: stored.provenance.series for name, stored in made.costs.items()}
    assert series == {ECHO: "another", RX: "limit rx bursts", TX: "limit rx bursts"}
    assert made.costs[RX].provenance.modules == ("vhost_net bb22",)


@pytest.mark.parametrize(
    ("scenario", "names"),
    [(None, {RX, TX}), ("vhost", {RX, TX}), ("vhost_rx", {RX}), ("vhost_tx", {TX})],
)
def test_only_a_scenarios_costs(scenario: str | None, names: set[str]) -> None:
    assert set(make("new", [measured()], "candidate", scenario).costs) == names


def test_nothing_measured_nothing_saved() -> None:
    with pytest.raises(NothingToCompare, match="no cost of the candidate was measured"):
        make("new", [result()], "candidate")
    with pytest.raises(NothingToCompare):
        make("new", [measured()], "candidate", "tc")


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.ERROR])
def test_kernel_that_does_not_work_makes_no_baseline(verdict: Verdict) -> None:
    with pytest.raises(UserError, match=f"verdict {verdict} makes no baseline"):
        make("new", [replace(measured(), verdict=verdict)], "candidate")


def test_series_that_was_refused_makes_no_baseline() -> None:
    refused = replace(measured(), subject=None, verdict=Verdict.INCOMPARABLE, error="full build")
    with pytest.raises(UserError, match="full build"):
        make("new", [refused], "candidate")


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.REGRESSION, Verdict.SKIP])
def test_cost_that_rose_can_be_kept(verdict: Verdict) -> None:
    assert make("new", [replace(measured(), verdict=verdict)], "candidate").costs


def test_costs_are_compared_by_name() -> None:
    old = baseline(tx=1000.0, rx=1000.0, echo=1000.0)
    now = {name: one.cost for name, one in baseline(tx=1004.0, rx=996.0, other=1.0).costs.items()}
    seen = {named.name: named for named in compare(old, now, Thresholds())}
    assert {name: named.comparison.verdict for name, named in seen.items()} == {
        TX: Verdict.REGRESSION,
        RX: Verdict.IMPROVED,
    }
    assert {named.baseline for named in seen.values()} == {"old"}
    lax = compare(old, now, Thresholds(own={TX: 1.0}, reasons={TX: "why not"}))
    told = {named.name: named.comparison for named in lax}
    assert told[TX].verdict is Verdict.PASS
    assert "why not" in told[TX].reason
    assert told[RX].verdict is Verdict.IMPROVED


def test_nothing_in_common_is_not_compared() -> None:
    now = {name: stored.cost for name, stored in baseline(rx=1.0).costs.items()}
    with pytest.raises(NothingToCompare, match="none of the costs in question"):
        compare(baseline(tx=1000.0), now, Thresholds())


@pytest.mark.parametrize(
    ("versions", "expected"),
    [((0,), False), ((1,), True), ((-1,), True), ((1, 0), False), ((1, 2), True)],
)
def test_baseline_is_stale_when_no_cost_is_measured_so(
    versions: tuple[int, ...], expected: bool
) -> None:
    """By how much each cost's version is off."""
    old = baseline(tx=1000.0, rx=1000.0)
    changed = {}
    for (name, stored), off in zip(old.costs.items(), versions, strict=False):
        scenario = stored.cost.fingerprint.scenario
        version = loops.version(scenario) + off
        fingerprint = replace(stored.cost.fingerprint, scenario_version=version)
        changed[name] = replace(stored, cost=replace(stored.cost, fingerprint=fingerprint))
    assert stale(replace(old, costs=changed)) is expected


def test_baseline_of_scenarios_that_are_gone_is_stale() -> None:
    assert stale(baseline(gone=1000.0))
