# SPDX-License-Identifier: GPL-2.0-or-later
"""How often the datapath copies a packet on its way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksuite.dut.calls import counted
from ksuite.dut.links import sent_packets
from ksuite.dut.ovs_bare import Bench

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ksuite.dut.ovs_attributes import Action

PORTS = 3


def clones(frame: bytes, actions: Sequence[Action], times: int) -> dict[str, int]:
    """Send a frame through a flow, and tell how often it is copied.

    :return: ``clones`` calls of skb_clone(); ``out`` frames that came out of any port.
    """
    # A socket that looks at a port may have its own copy.
    with Bench(PORTS, watch=False) as bench:
        bench.learn((1, frame), [actions])
        before = _sent()
        with counted("skb_clone") as calls:
            for _ in range(times):
                bench.send(1, frame)
            made = calls.counts()["skb_clone"]
        after = _sent()
        return {"clones": made, "out": after - before}


def _sent() -> int:
    return sum(sent_packets(f"port{number}") for number in range(1, PORTS + 1))
