# SPDX-License-Identifier: GPL-2.0-or-later
"""How often the datapath copies a packet: not at all for one output, once less than outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.dut import ovs_clones
from tests.ovs.packets import UDP4

if TYPE_CHECKING:
    from ksuite.campaigns.dut import Dut

pytestmark = pytest.mark.ks_scenario("ovs_function")

FRAME = bytes(UDP4)
TIMES = 10


@pytest.mark.parametrize(
    ("actions", "clones"),
    [
        ([("output", 2)], 0),
        ([("output", 2), ("output", 3)], 1),
        ([("output", 2), ("output", 3), ("output", 2)], 2),
        ([("push_vlan", 0x8100, 0x1064), ("output", 2)], 0),
        ([("output", 2), ("push_vlan", 0x8100, 0x1064)], 1),
        ([("clone", [("output", 2)])], 0),
        ([], 0),
    ],
    ids=["one", "two", "three", "after a change", "before a change", "last clone", "drop"],
)
def test_last_output_takes_the_packet_itself(
    ks_dut: Dut, actions: list[tuple[object, ...]], clones: int
) -> None:
    seen = ks_dut.call(ovs_clones.clones, FRAME, actions, TIMES)
    outputs = sum(action[0] == "output" or action[0] == "clone" for action in actions)
    assert seen == {"clones": TIMES * clones, "out": TIMES * outputs}
