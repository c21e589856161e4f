# SPDX-License-Identifier: GPL-2.0-or-later
"""What a packet costs through the Open vSwitch datapath, candidate against base, on one CPU.

::

    packet socket --> gen ==veth== port 1 -- datapath: a flow or two --> port 2: out (a dummy)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.costs import gated, must_not_have_risen

if TYPE_CHECKING:
    from ksuite.measure.verdict import Comparison
    from tests.costs import Cost


GATED = [
    ("ovs_output", 64),
    ("ovs_output", 1500),
    ("ovs_set", 64),
    ("ovs_push_vlan", 64),
    ("ovs_recirc", 64),
    ("ovs_ct", 64),
    ("ovs_masks", 64),
]


@gated(GATED)
def test_cost(ks_comparison: Comparison, cost: Cost) -> None:
    must_not_have_risen(ks_comparison, cost)
