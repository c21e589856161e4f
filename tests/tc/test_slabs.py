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
    from ksuite.campaigns.dut import Dut

pytestmark = pytest.mark.ks_scenario("tc_function")

AT_A_TIME = 200_000
"""Some 1.2e9 instructions: a guest is not silent for longer than in other checks."""
TOLERATED = 10
"""Objects that others may want meanwhile; one packet lost in a thousand would be 200."""


@pytest.mark.parametrize(("scenario", "times"), [("tc_redirect", 5), ("tc_mirror", 1)])
def test_slabs_do_not_grow(ks_dut: Dut, scenario: str, times: int) -> None:
    """Over a million packets that are moved, and 200,000 that are cloned."""
    for _ in range(times):
        grown = ks_dut.call(tc_slabs.growth, scenario, AT_A_TIME)
        assert "skbuff_head_cache" in grown
        assert {name: objects for name, objects in grown.items() if objects > TOLERATED} == {}
