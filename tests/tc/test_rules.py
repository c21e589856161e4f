# SPDX-License-Identifier: GPL-2.0-or-later
"""flower's rules go in and out as fast among many as among few.

::

    netlink --> port (a dummy), clsact ingress: flower, one rule for each MAC address --> one mirred

Rules go in through netlink itself, ten in one system call: see `ksuite.dut.tc_rules`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.dut import tc_rules
from ksuite.machines.machine import Clock

if TYPE_CHECKING:
    from ksuite.campaigns.bench import Bench
    from ksuite.campaigns.dut import Dut

pytestmark = pytest.mark.ks_scenario("tc_function")

SIZES = (1_000, 10_000, 50_000)
MOST = 1.05
"""Both structures are flat: rhashtable keeps its chains as short as they were, and IDR is one level
of 64 deeper at 50,000 than at 1,000. Measured: 1.003 to insert, 1.015 to delete. Whatever looks at
each rule takes 49,000 steps more, of some 14,500 instructions to insert."""


@pytest.mark.parametrize("masks", [1, tc_rules.MANY_MASKS])
def test_rule_takes_no_longer_among_many(ks_bench: Bench, ks_dut: Dut, masks: int) -> None:
    """Each rule is there, too: it can be deleted once."""
    if ks_bench.prepared.conditions.clock is Clock.WALL:
        pytest.skip("caches and other guests are in a wall clock's figures")
    if debugs := ks_bench.prepared.debugs:
        pytest.skip(f"what a rule takes says nothing on a kernel with {', '.join(debugs)}")
    took = ks_dut.call(tc_rules.growth, masks, list(SIZES))
    for times in (took["insert"], took["delete"]):
        assert len(times) == len(SIZES)
        assert max(times) <= MOST * times[0]
