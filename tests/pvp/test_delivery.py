# SPDX-License-Identifier: GPL-2.0-or-later
"""PVP delivers every frame once in each direction, in order, byte for byte, at a paced rate.

::

    netns ks-outside            the DUT's own netns
    generator --> gen ===veth=== port --+          +-- tap0 --> vhost --rx ring--> driver --+
                                        | datapath |                             swaps MACs |
    sink      <-- gen ===veth=== port --+          +-- tap0 <-- vhost <--tx ring------------+
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ksuite.dut import pvp_transfer
from ksuite.dut.pvp_datapaths import DATAPATHS

if TYPE_CHECKING:
    from ksuite.campaigns.dut import Dut

pytestmark = [
    pytest.mark.ks_scenario("pvp_function"),
    pytest.mark.parametrize("datapath", DATAPATHS),
]


def deliver(dut: Dut, datapath: str, size: int, packets: int, **load: int) -> dict[str, Any]:
    """Send frames to the guest and back, and hold what both sides got against what was sent."""
    ticks = packets // pvp_transfer.TOGETHER
    seen: dict[str, Any] = dut.call(pvp_transfer.deliver, datapath, size, ticks=ticks, **load)
    for where in ("arrived", "answered"):
        tally = seen[where]
        assert tally["corrupt"] == 0, f"{where}: {tally['first_corrupt']}"
        trouble = {name: tally[name] for name in ("missing", "duplicated", "overtaken")}
        assert not any(trouble.values()), f"{where}: {trouble} of {packets} frames"
        assert tally["arrived"] == packets, where
    # Neither another way for the frames, nor frames that nobody sent.
    assert seen["carried"] == [packets, packets]
    assert seen["late"] == 0
    return seen


@pytest.mark.parametrize("size", [64, 512, 1500])
def test_frames_reach_the_guest_and_come_back(ks_dut: Dut, datapath: str, size: int) -> None:
    seen = deliver(ks_dut, datapath, size, 2000)
    assert seen["arrived"]["reordered"] == seen["answered"]["reordered"] == 0


@pytest.mark.parametrize("flows", [100, 10_000])
def test_each_flow_finds_its_way(ks_dut: Dut, datapath: str, flows: int) -> None:
    seen = deliver(ks_dut, datapath, 64, max(2000, flows), flows=flows)
    assert seen["arrived"]["reordered"] == seen["answered"]["reordered"] == 0


@pytest.mark.parametrize("pairs", [2, 4])
def test_queue_pairs_share_the_flows(ks_dut: Dut, datapath: str, pairs: int) -> None:
    """A flow stays on its pair, and so in order; the pairs may overtake each other."""
    seen = deliver(ks_dut, datapath, 64, 2000, flows=100, pairs=pairs)
    assert seen["received"] == [2000 // pairs] * pairs
