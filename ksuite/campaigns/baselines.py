# SPDX-License-Identifier: GPL-2.0-or-later
"""Baselines made of results, compared with what was measured later, and found to be of no use."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ksuite.campaigns.suites import SUITES
from ksuite.dut import loops
from ksuite.errors import NothingToCompare, UserError
from ksuite.measure.baseline import Baseline, StoredCost, provenance_of
from ksuite.measure.result import BASE, NamedComparison
from ksuite.measure.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ksuite.measure.cost import Cost
    from ksuite.measure.result import CheckResult
    from ksuite.measure.thresholds import Thresholds


def costs_of(result: CheckResult, variant: str) -> dict[str, Cost]:
    """Return the costs of a variant by name, as they were measured in that run."""
    compared = {
        named.name: named.comparison.base if variant == BASE else named.comparison.candidate
        for named in result.comparisons
        if variant != BASE or not named.baseline
    }
    if variant == BASE:
        return compared
    return compared | {named.name: named.cost for named in result.measured}


def make(
    name: str, results: Sequence[CheckResult], variant: str, scenario: str | None = None
) -> Baseline:
    """Return a baseline of the costs that a variant had.

    :param scenario: only those of this suite or scenario.
    :raises UserError: a result is of a kernel that doesn't work.
    :raises NothingToCompare: no such cost was measured.
    """
    costs: dict[str, StoredCost] = {}
    for result in results:
        must_be_sound(result)
        provenance = provenance_of(result, variant)
        costs |= {
            cost_name: StoredCost(cost, provenance)
            for cost_name, cost in of_scenario(costs_of(result, variant), scenario).items()
        }
    if not costs:
        raise NothingToCompare(f"no cost of the {variant} was measured: there is nothing to save")
    made = datetime.now(UTC).isoformat(timespec="seconds")
    return Baseline(name, made, {cost_name: costs[cost_name] for cost_name in sorted(costs)})


def must_be_sound(result: CheckResult) -> None:
    """Refuse the costs of a kernel that doesn't work.

    :raises UserError: it tells why.
    """
    if result.subject is None or result.verdict in {Verdict.FAIL, Verdict.ERROR}:
        why = result.error or "its kernel does not work"
        raise UserError(f"a result with the verdict {result.verdict} makes no baseline: {why}")


def of_scenario(costs: Mapping[str, Cost], name: str | None) -> dict[str, Cost]:
    """Return the costs of a suite's scenarios, or of one; all of them for None."""
    wanted = next((suite.scenarios for suite in SUITES if suite.name == name), (name,))
    return {
        cost_name: cost
        for cost_name, cost in costs.items()
        if name is None or cost.fingerprint.scenario in wanted
    }


def compare(
    baseline: Baseline, costs: Mapping[str, Cost], thresholds: Thresholds
) -> tuple[NamedComparison, ...]:
    """Judge costs by a baseline; only those that both have.

    :raises NothingToCompare: there is none.
    """
    common = [name for name in baseline.costs if name in costs]
    if not common:
        raise NothingToCompare(f"the baseline {baseline.name} has none of the costs in question")
    return tuple(
        NamedComparison(
            name,
            baseline.compare(
                name,
                costs[name],
                thresholds.of(name, exact=costs[name].fingerprint.restored),
            ),
            baseline=baseline.name,
        )
        for name in common
    )


def stale(baseline: Baseline) -> bool:
    """Whether this ksuite measures none of a baseline's costs as they were measured."""
    return not any(_measured_so(stored.cost) for stored in baseline.costs.values())


def _measured_so(cost: Cost) -> bool:
    try:
        return loops.version(cost.fingerprint.scenario) == cost.fingerprint.scenario_version
    except KeyError:
        return False
