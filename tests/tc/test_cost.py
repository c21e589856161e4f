# SPDX-License-Identifier: GPL-2.0-or-later
"""What a packet costs through TC's software datapath, and a rule to be inserted or deleted.

::

    packet socket --> gen ==veth== port, clsact ingress: flower --> tc_redirect: out (a dummy)
                                                                    tc_mirror:   out, then drop
                                                                    tc_drop:     drop

    netlink --> flower rules, one mask or 64 (..._masks)     tc_insert: the last of so many
                                                             tc_delete: the first of so many
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.costs import gated, must_not_have_risen

if TYPE_CHECKING:
    from ksuite.measure.verdict import Comparison
    from tests.costs import Cost


GATED = [
    ("tc_redirect", 64),
    ("tc_redirect", 1500),
    ("tc_mirror", 64),
    ("tc_drop", 64),
    ("tc_insert", 1_000),
    ("tc_insert", 10_000),
    ("tc_insert", 50_000),
    ("tc_delete", 1_000),
    ("tc_delete", 10_000),
    ("tc_delete", 50_000),
    ("tc_insert_masks", 10_000),
    ("tc_delete_masks", 10_000),
]


@gated(GATED)
def test_cost(ks_comparison: Comparison, cost: Cost) -> None:
    must_not_have_risen(ks_comparison, cost)
