# SPDX-License-Identifier: GPL-2.0-or-later
"""act_mirred: who gets which packet, what it costs in clones, and what is counted.

::

    packet socket --> gen ==veth== port --> host stack
                       |             |
                 egress hook   ingress hook    matchall + mirred --> out ==veth== sink --> socket
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ksuite.dut import tc_mirred
from tests.tc.frames import batch

if TYPE_CHECKING:
    from ksuite.campaigns.dut import Dut

pytestmark = pytest.mark.ks_scenario("tc_function")

ETHERNET_BYTES = 14
ENDING = ("drop", "stolen", "queued", "trap")
"""Control actions after which nobody looks at the packet again."""
GOING_ON = ("pipe", "ok")
NOBODY = "*"
"""What tc calls a target that is gone."""


def forward(dut: Dut, hook: str, kind: str, control: str, **how: Any) -> dict[str, Any]:
    """Send the batch past a rule; every packet is counted by it, byte for byte."""
    frames = batch()
    seen: dict[str, Any] = dut.call(tc_mirred.forward, frames, hook, kind, control, **how)
    assert len(seen["actions"]) == (2 if how.get("then") else 1)
    for action in seen["actions"]:
        assert action["packets"] == len(frames)
        # At ingress the Ethernet header has been taken off (sch_handle_ingress()).
        header = ETHERNET_BYTES if hook == "ingress" else 0
        assert action["bytes"] == sum(len(frame) - header for frame in frames)
    return seen


@pytest.mark.parametrize("control", ENDING)
def test_redirect_at_ingress_moves_the_packet_itself(ks_dut: Dut, control: str) -> None:
    assert forward(ks_dut, "ingress", "redirect", control)["clones"] == 0


@pytest.mark.parametrize("control", [*ENDING, *GOING_ON])
@pytest.mark.parametrize("kind", ["redirect", "mirror"])
@pytest.mark.parametrize("hook", ["ingress", "egress"])
def test_frames_arrive_unchanged(ks_dut: Dut, hook: str, kind: str, control: str) -> None:
    """Once each, in order, at the target; and past the hook where the rule goes on.

    What goes there is a clone of the packet, wherever somebody may still look at that one.
    """
    seen = forward(ks_dut, hook, kind, control)
    if (hook, kind) != ("ingress", "redirect") or control in GOING_ON:
        assert seen["clones"] == len(batch())
    assert seen["arrived"] == batch()
    # Whether a packet that was redirected is then "dropped" depends on whose clone it was.
    if control != "drop" or kind == "mirror":
        assert seen["drops"] == (len(batch()) if control == "drop" else 0)
    assert seen["passed"] == (len(batch()) if control in GOING_ON else 0)
    (action,) = seen["actions"]
    assert action["overlimits"] == 0


@pytest.mark.parametrize("kind", ["redirect", "mirror"])
@pytest.mark.parametrize(
    ("hook", "towards"), [("ingress", "egress"), ("ingress", "ingress"), ("egress", "ingress")]
)
def test_target_may_be_either_side_of_a_link(
    ks_dut: Dut, hook: str, towards: str, kind: str
) -> None:
    """Each frame comes once; from egress to ingress by way of the backlog (CVE-2022-4269)."""
    seen = forward(ks_dut, hook, kind, "stolen", towards=towards)
    assert seen["arrived"] == batch()
    assert seen["queued"] == (len(batch()) if (hook, towards) == ("egress", "ingress") else 0)
    (action,) = seen["actions"]
    assert action["overlimits"] == 0


@pytest.mark.parametrize("kind", ["redirect", "mirror"])
def test_sockets_see_what_came_in(ks_dut: Dut, kind: str) -> None:
    """A packet socket on the port gets every frame, whole, before TC has it."""
    seen = forward(ks_dut, "ingress", kind, "stolen")
    assert seen["seen"] == batch()


def test_mirror_leaves_the_original_intact(ks_dut: Dut) -> None:
    """What is redirected after a mirror is the frame as it came."""
    seen = forward(
        ks_dut, "ingress", "mirror", "pipe", then="action mirred egress redirect dev out"
    )
    frames = batch()
    assert seen["arrived"] == [frame for frame in frames for _ in range(2)]
    assert len(seen["actions"]) == 2


@pytest.mark.parametrize("target", ["down", "replaced"])
@pytest.mark.parametrize("kind", ["redirect", "mirror"])
@pytest.mark.parametrize("hook", ["ingress", "egress"])
def test_target_that_is_no_more(ks_dut: Dut, hook: str, kind: str, target: str) -> None:
    """One overlimit a packet, and a redirected packet is dropped; a mirrored one goes on.

    A rule outlives its target, and nothing reaches a new link of the same name.
    """
    seen = forward(ks_dut, hook, kind, "pipe" if kind == "mirror" else "stolen", target=target)
    assert seen["to"] == ("out" if target == "down" else NOBODY)
    frames = batch()
    assert seen["arrived"] == []
    assert seen["clones"] == 0
    (action,) = seen["actions"]
    assert action["overlimits"] == len(frames)
    assert seen["passed"] == (len(frames) if kind == "mirror" else 0)
    assert seen["drops"] == (0 if kind == "mirror" else len(frames))
