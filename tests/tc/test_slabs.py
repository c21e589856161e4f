# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets that act_mirred has handled are freed, each of them, with all that was cloned of them.

::

    packet socket --> gen ==veth== port, clsact ingress: flower + mirred --> out (a dummy)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.dut import tc_slabs

if TYPE_CHECKING:
    from ksuite.campaigns.bench import Bench
    from ksuite.campaigns.dut import Dut

pytestmark = pytest.mark.ks_scenario("tc_function")

AT_A_TIME = 50_000
LOOKS = 5
"""In one guest: it may not be silent for too long."""
DEBUGGING = 50
"""How many times fewer packets there are on a kernel with KASAN and kmemleak, which takes 2 ms for
each; kmemleak looks for what they leave, too."""
TOLERATED = 10
"""Objects that others may want meanwhile; one packet lost in a thousand would be 50."""


@pytest.mark.parametrize(
    ("scenario", "packets"), [("tc_redirect", 1_000_000), ("tc_mirror", 250_000)]
)
def test_slabs_do_not_grow(ks_bench: Bench, ks_dut: Dut, scenario: str, packets: int) -> None:
    """Whether packets are moved or cloned."""
    slower = DEBUGGING if ks_bench.prepared.debugs else 1
    for _ in range(packets // AT_A_TIME // LOOKS):
        looks = ks_dut.call(tc_slabs.growth, scenario, AT_A_TIME // slower, LOOKS, TOLERATED)
        for grown in looks:
            assert "skbuff_head_cache" in grown
            assert {name: objects for name, objects in grown.items() if objects > TOLERATED} == {}
        assert len(looks) == LOOKS
