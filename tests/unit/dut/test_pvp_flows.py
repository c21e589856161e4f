# SPDX-License-Identifier: GPL-2.0-or-later
"""The frames of PVP, as scapy reads them."""

from __future__ import annotations

import numpy as np
import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from ksuite.dut.frames import STAMP
from ksuite.dut.pvp_flows import FROM, HEADERS, MOST, TO, Flows


@pytest.mark.parametrize("size", [64, 512, 1500])
@pytest.mark.parametrize("number", [0, 1, 255, 256, 9999])
def test_frame_is_sound(number: int, size: int) -> None:
    raw = Flows(10_000).inward(size)[number].tobytes()
    frame = Ether(raw)
    assert len(frame) == size
    assert frame[IP].len == size - 14
    assert frame[UDP].len == size - 34
    again = frame.copy()
    del again[IP].chksum
    assert bytes(again) == raw


def test_flows_differ_in_every_field() -> None:
    frames = [Ether(row.tobytes()) for row in Flows(300).inward(64)]
    for fields in (
        {frame.src for frame in frames},
        {frame.dst for frame in frames},
        {frame[IP].src for frame in frames},
        {frame[IP].dst for frame in frames},
        {frame[UDP].sport for frame in frames},
        {frame[UDP].dport for frame in frames},
    ):
        assert len(fields) == 300


def test_the_guest_swaps_addresses_and_nothing_else() -> None:
    flows = Flows(10)
    there, back = flows.inward(64), flows.outward(64)
    assert (back[:, TO] == there[:, FROM]).all()
    assert (back[:, FROM] == there[:, TO]).all()
    assert (back[:, FROM.stop :] == there[:, FROM.stop :]).all()
    assert not (back[:, TO] == there[:, TO]).all(axis=1).any()


def test_payload_is_a_flow_s_own_and_leaves_room_for_a_number() -> None:
    rows = Flows(200).inward(128)
    assert len(HEADERS) == STAMP.start
    assert len(np.unique(rows[:, len(HEADERS) :], axis=0)) == 200


@pytest.mark.parametrize("count", [0, MOST + 1])
def test_count_that_is_not_possible(count: int) -> None:
    with pytest.raises(ValueError, match=str(count)):
        Flows(count)


def test_no_port_is_too_large() -> None:
    last = Ether(Flows(MOST).inward(64)[-1].tobytes())
    assert (last[UDP].sport, last[UDP].dport) == (1024 + MOST - 1, 33792 + MOST - 1)
