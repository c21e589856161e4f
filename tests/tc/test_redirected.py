# SPDX-License-Identifier: GPL-2.0-or-later
"""act_mirred: what a packet brings along, and how often it may go around.

::

    packet socket --> gen ==veth== port, clsact --> out ==veth== sink
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.dut import tc_redirected
from tests.tc.flower_actions import UDP4
from tests.tc.frames import batch

if TYPE_CHECKING:
    from ksuite.campaigns.dut import Dut

pytestmark = pytest.mark.ks_scenario("tc_function")

NEST_LIMIT = 4
"""MIRRED_NEST_LIMIT, net/sched/act_mirred.c: since 5.10."""
CIRCLES = {
    "itself-at-ingress": [("port", "ingress", "ingress", "port")],
    "two-ports-at-ingress": [
        ("port", "ingress", "ingress", "sink"),
        ("sink", "ingress", "ingress", "port"),
    ],
    "itself-at-egress": [("gen", "egress", "egress", "gen")],
    "two-links-at-egress": [
        ("gen", "egress", "egress", "out"),
        ("out", "egress", "egress", "gen"),
    ],
}


@pytest.mark.parametrize("towards", ["egress", "ingress"])
@pytest.mark.parametrize("kind", ["redirect", "mirror"])
def test_conntrack_state_is_reset(ks_dut: Dut, kind: str, towards: str) -> None:
    """What was tracked on its way in is new to the target."""
    frames = [bytes(UDP4)] * 4
    seen = ks_dut.call(tc_redirected.conntrack, frames, kind, towards)
    assert seen == {"sent": len(frames), "tracked": 0, "untracked": len(frames)}


@pytest.mark.parametrize("hook", ["ingress", "egress"])
@pytest.mark.parametrize("kind", ["redirect", "mirror"])
def test_generic_xdp_does_not_see_what_was_redirected(ks_dut: Dut, hook: str, kind: str) -> None:
    """A program that drops everything on the target gets what was mirrored there, only."""
    passed = ks_dut.call(tc_redirected.past_generic_xdp, batch(), hook, kind)
    assert passed == (batch() if kind == "redirect" else [])


@pytest.mark.parametrize("circle", CIRCLES)
def test_circle_ends(ks_dut: Dut, circle: str) -> None:
    """A frame goes around NEST_LIMIT times, and is dropped where it would be once more.

    The action that sent it there has the overlimit; each round counts one packet.
    """
    hops = CIRCLES[circle]
    seen = ks_dut.call(tc_redirected.around, batch(), [list(hop) for hop in hops])
    frames = len(batch())
    last = (NEST_LIMIT - 1) % len(hops)
    assert seen == [
        {
            "packets": frames * NEST_LIMIT // len(hops),
            "overlimits": frames if hop == last else 0,
            "drops": frames if hop == NEST_LIMIT % len(hops) else 0,
        }
        for hop in range(len(hops))
    ]
