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

import pytest

from ksuite.measure.verdict import Verdict

if TYPE_CHECKING:
    from ksuite.measure.verdict import Comparison


@pytest.mark.parametrize(
    "cost",
    [
        pytest.param(
            (loop, size),
            marks=[pytest.mark.ks_cost(loop, size), pytest.mark.ks_scenario(loop)],
            id=f"{loop}-{size}",
        )
        for loop, size in (
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
        )
    ],
)
def test_cost(ks_comparison: Comparison, cost: tuple[str, int]) -> None:
    assert cost[0] == ks_comparison.candidate.fingerprint.scenario
    change = f"{ks_comparison.change:+.2%}, threshold {ks_comparison.threshold:.2%}"
    if ks_comparison.verdict not in {Verdict.PASS, Verdict.IMPROVED}:
        pytest.fail(f"{ks_comparison.verdict}: {change} {ks_comparison.reason}".rstrip())
