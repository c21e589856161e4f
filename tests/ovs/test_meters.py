# SPDX-License-Identifier: GPL-2.0-or-later
"""Meters let a burst through, and drop what is above it; sampling takes about its share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.dut import ovs_bare
from tests.ovs.packets import UDP4, only

if TYPE_CHECKING:
    from ksuite.campaigns.dut import Dut

pytestmark = pytest.mark.ks_scenario("ovs_function")

FRAME = bytes(UDP4)
METER, PER_SECOND, BURST = 1, 1, 5
HALF = 1 << 31
MANY = 200


def test_meter_drops_what_is_above_the_burst(ks_dut: Dut) -> None:
    """The frames come within a second, in which the meter earns less than one more."""
    learnt = [((1, FRAME), [[("meter", METER), ("output", 2)]])]
    seen = ks_dut.call(
        ovs_bare.judge, learnt, [(1, FRAME)] * (2 * BURST), meters=[(METER, PER_SECOND, BURST)]
    )
    # One was let through when the flow was learnt.
    arrived = [one["out"] for one in seen["frames"]]
    assert arrived == [{2: [FRAME]}] * (BURST - 1) + [{}] * (BURST + 1)
    assert only(seen["learnt"])["packets"] == 2 * BURST


def test_half_of_the_packets_are_sampled(ks_dut: Dut) -> None:
    """All go on, and 200 throws of a coin lie within 5 deviations of 100."""
    actions = [("sample", HALF, [("output", 3)]), ("output", 2)]
    seen = ks_dut.call(ovs_bare.judge, [((1, FRAME), [actions])], [(1, FRAME)] * MANY)
    arrived = [one["out"] for one in seen["frames"]]
    assert all(out.get(2) == [FRAME] for out in arrived)
    assert 65 <= sum(3 in out for out in arrived) <= 135
