# SPDX-License-Identifier: GPL-2.0-or-later
"""A second opinion: DPDK's testpmd in the guest's place, a real driver, timed by the wall clock.

::

    generator --> gen ===veth=== port --+          +-- tap0 --> vhost --> virtio-user --+
                                        | datapath |                testpmd, macswap    |
    sink      <-- gen ===veth=== port --+          +-- tap0 <-- vhost <-- virtio-user <-+

What it finds, in packets a second of the wall clock, is a property of the test in the JUnit report
and is printed (pytest -rP); nothing is judged by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.dut import pvp_testpmd
from ksuite.dut.pvp_datapaths import DATAPATHS

if TYPE_CHECKING:
    from collections.abc import Callable

    from ksuite.campaigns.dut import Dut

pytestmark = pytest.mark.ks_scenario("pvp_function")
PACKETS = 6400


@pytest.mark.parametrize("datapath", DATAPATHS)
def test_testpmd_gets_and_returns_every_packet(
    ks_dut: Dut, datapath: str, record_property: Callable[[str, object], None]
) -> None:
    if reason := ks_dut.call(pvp_testpmd.missing):
        pytest.skip(reason)
    seen = ks_dut.call(pvp_testpmd.forward, datapath, 64, PACKETS)
    assert seen["answered"]["corrupt"] == 0, seen["answered"]["first_corrupt"]
    trouble = {name: seen["answered"][name] for name in ("missing", "duplicated", "reordered")}
    assert not any(trouble.values()), f"{trouble} of {PACKETS} frames"
    assert seen["answered"]["arrived"] == PACKETS
    assert seen["carried"] == [PACKETS, PACKETS]
    rate = round(PACKETS / seen["seconds"])
    record_property("ksuite.packets_per_second_of_the_wall_clock", rate)
    print(f"{datapath}: {rate} packets/s there and back, wall clock, 64 B")
