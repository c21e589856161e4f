# SPDX-License-Identifier: GPL-2.0-or-later
"""A cost that changed is followed to the function that was changed, and the counts add up."""

from __future__ import annotations

from pathlib import Path

import pytest

from ksuite.campaigns.check import Check
from ksuite.campaigns.costs import CostRequest
from ksuite.campaigns.options import Attribute, CheckOptions
from ksuite.measure.attribution import TOLERANCE

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("series", "scenario", "function"),
    [
        ("slower-tx-2-percent", "vhost_tx", "handle_tx_copy"),
        ("one-instruction", "vhost_rx", "vhost_exceeds_weight"),
    ],
)
def test_change_is_found_in_the_function_that_was_changed(
    series: str, scenario: str, function: str
) -> None:
    request = CostRequest(scenario, 64)
    options = CheckOptions(str(HERE / f"{series}.patch"), attribute=Attribute.ANY)
    with Check(options) as check:
        seen = check.bench.compare_costs([request])[request]
        found = check.bench.told(request, seen).attribution
    assert found is not None
    first = found.functions[0]
    assert (first.function, first.module.startswith("vhost")) == (function, True)
    assert first.difference == pytest.approx(seen.difference, rel=0.1, abs=0.1)
    assert found.candidate - found.base == pytest.approx(seen.difference, rel=0.1, abs=0.1)
    assert found.base == pytest.approx(seen.base.median, rel=TOLERANCE)
    assert sum(one.base for one in found.functions) == pytest.approx(found.base)


def test_functions_are_what_the_cost_is_made_of() -> None:
    """Both directions of an echo, the generator's half included, and nothing unknown."""
    request = CostRequest("vhost_echo", 1500)
    options = CheckOptions(str(HERE / "one-instruction.patch"), attribute=Attribute.ANY)
    with Check(options) as check:
        seen = check.bench.compare_costs([request])[request]
        found = check.bench.told(request, seen).attribution
    assert found is not None
    costs = {one.function: one.candidate for one in found.functions}
    for function in (
        "handle_rx",
        "handle_tx_copy",
        "tun_net_xmit",
        "tun_sendmsg",
        "packet_sendmsg",
    ):
        assert costs[function] > 10, function
    assert found.candidate == pytest.approx(seen.candidate.median, rel=0.002)
