# SPDX-License-Identifier: GPL-2.0-or-later
"""OpenFlow rules on a real switch: what they make of packets, and where their flows sit.

::

    packet socket --> genN ==veth== portN -- br0: rules -- portM ==veth== genM --> packet socket
"""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ksuite.dut.links import veth
from ksuite.dut.ovs_switch import Switch
from ksuite.dut.packet import PacketRing

if TYPE_CHECKING:
    from collections.abc import Sequence

    Observation = dict[str, Any]
    Rule = tuple[Sequence[str], Sequence[tuple[int, bytes, int]], int]
    """OpenFlow rules; ports, frames sent to them and how many should come out; and how many
    datapath flows come of all these."""

PORTS = (1, 2, 3)
SLOTS = 64
SLOT_BYTES = 2048
ARRIVAL_SECONDS = 0.05
"""The first packet takes the way through the switch's own process."""
LOOKS = 40
"""The first action of a kind has the kernel load a module."""


class _Watched(ExitStack):
    """A switch whose ports' other ends send and watch."""

    def __init__(self, *, on_tc: bool, idle_ms: int = 10_000) -> None:
        super().__init__()
        with ExitStack() as stack:
            for number in PORTS:
                stack.enter_context(veth(f"gen{number}", f"port{number}"))
            links = [f"port{number}" for number in PORTS]
            self.switch = stack.enter_context(Switch(links, on_tc=on_tc, idle_ms=idle_ms))
            self._sinks = {
                number: stack.enter_context(
                    PacketRing(f"gen{number}", SLOTS, SLOT_BYTES, send=False)
                )
                for number in PORTS
            }
            self._source = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
            self.push(stack.pop_all())

    def passed(self, port: int, frame: bytes, due: int) -> dict[int, list[bytes]]:
        """Send a frame into a port, and return what came out, by port.

        :param due: how many frames should.
        """
        self._source.sendto(frame, (f"gen{port}", 0))
        taken: dict[int, list[bytes]] = {}
        for _ in range(LOOKS):
            time.sleep(ARRIVAL_SECONDS)
            for number, sink in self._sinks.items():
                if frames := sink.take():
                    taken.setdefault(number, []).extend(frames)
            if sum(map(len, taken.values())) >= due:
                break
        return taken


def judge(rules: Sequence[Rule], times: int, *, on_tc: bool) -> list[Observation]:
    """Try rules one after the other on one switch.

    :param times: how often all frames of a rule are sent.
    :return: for each rule: ``out`` for each time and frame, frames by port; ``flows`` of both
        datapaths afterwards: packets, where it sits, actions.
    """
    told = []
    with _Watched(on_tc=on_tc) as watched:
        for flows, sent, expected in rules:
            watched.switch.use(flows)
            out = [[watched.passed(*one) for one in sent]]
            watched.switch.wait_for_flows(expected)
            out += [[watched.passed(*one) for one in sent] for _ in range(times - 1)]
            dumped = [(one.packets, one.datapath, one.actions) for one in watched.switch.flows()]
            told.append({"out": out, "flows": dumped})
    return told


def expire(rule: str, frame: bytes, idle_ms: int, *, on_tc: bool) -> Observation:
    """Let a flow of port 1 come, be used, and grow old.

    :param rule: sends each frame to one port.
    :return: ``out`` for each of three frames, the last one after the flow was gone; ``flows`` how
        many there were after the second frame, when it was old, and after the third.
    """
    with _Watched(on_tc=on_tc, idle_ms=idle_ms) as watched:
        switch = watched.switch
        switch.use([rule])
        out, flows = [watched.passed(1, frame, 1)], []
        switch.wait_for_flows(1)
        out.append(watched.passed(1, frame, 1))
        flows.append(len(switch.flows()))
        # The revalidators look twice a second.
        time.sleep(2 * idle_ms / 1000 + 2)
        flows.append(len(switch.flows()))
        out.append(watched.passed(1, frame, 1))
        switch.wait_for_flows(1)
        flows.append(len(switch.flows()))
        return {"out": out, "flows": flows}
