# SPDX-License-Identifier: GPL-2.0-or-later
"""What every suite's test of its costs shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ksuite.measure.verdict import Comparison

Cost = tuple[str, int]
"""A scenario, and the size of what it handles."""


def gated(costs: Iterable[Cost]) -> pytest.MarkDecorator:
    """Return what parametrises a test over costs, as its ``cost``."""
    return pytest.mark.parametrize(
        "cost",
        [
            pytest.param(
                (scenario, size),
                marks=[pytest.mark.ks_cost(scenario, size), pytest.mark.ks_scenario(scenario)],
                id=f"{scenario}-{size}",
            )
            for scenario, size in costs
        ],
    )


def must_not_have_risen(comparison: Comparison, cost: Cost) -> None:
    """Fail where a cost has risen, or nothing can be said of it."""
    assert cost[0] == comparison.candidate.fingerprint.scenario
    if complaint := comparison.complaint:
        pytest.fail(complaint)
