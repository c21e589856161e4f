# SPDX-License-Identifier: GPL-2.0-or-later
"""What a datapath that no daemon watches makes of packets, flow by flow.

::

    packet socket --> gen1 ==veth== port 1 --+
                                             +-- datapath --> port N ==veth== genN --> packet socket
    packet socket --> genN ==veth== port N --+

Flows are installed as a switch daemon does: a packet misses, its upcall brings the key, and what is
to be done is installed under that key. Then it is sent again, and must not come up any more.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ksuite.dut.cpu import prompt_softirqs
from ksuite.dut.links import veth
from ksuite.dut.ovs_attributes import unpack_key
from ksuite.dut.ovs_datapath import ACTION, BIG_QUEUE_BYTES, MISS, Datapath
from ksuite.dut.packet import PacketRing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ksuite.dut.ovs_attributes import Action, Key
    from ksuite.dut.ovs_datapath import Flow, Upcall

    Observation = dict[str, Any]
    Sent = tuple[int, bytes]
    """The number of the port that a frame comes in at, and the frame."""

SLOTS = 64
SLOT_BYTES = 4096
KINDS = {MISS: "miss", ACTION: "action"}


class Bench(ExitStack):
    """A datapath with ports on veth pairs, whose other ends send and watch; a context manager.

    :param ports: how many.
    :param queue_bytes: room for upcalls.
    :param watch: what comes out of the ports.
    """

    def __init__(
        self, ports: int, queue_bytes: int = BIG_QUEUE_BYTES, *, watch: bool = True
    ) -> None:
        super().__init__()
        with ExitStack() as stack:
            numbers = range(1, ports + 1)
            for number in numbers:
                stack.enter_context(veth(f"gen{number}", f"port{number}"))
            self.datapath = stack.enter_context(Datapath("dp", queue_bytes))
            for number in numbers:
                self.datapath.add_port(number, f"port{number}")
            self._sources = {number: stack.enter_context(_source(number)) for number in numbers}
            self._sinks = {
                number: stack.enter_context(
                    PacketRing(f"gen{number}", SLOTS, SLOT_BYTES, send=False)
                )
                for number in (numbers if watch else ())
            }
            stack.enter_context(prompt_softirqs())
            self.push(stack.pop_all())

    def send(self, port: int, frame: bytes) -> None:
        """Send a frame into a port."""
        self._sources[port].send(frame)

    def taken(self) -> dict[int, list[bytes]]:
        """Take the frames that came out, by port; ports where none did are left out."""
        taken = {number: sink.take() for number, sink in self._sinks.items()}
        return {number: frames for number, frames in taken.items() if frames}

    def learn(self, sent: Sent, turns: Sequence[Sequence[Action]]) -> list[bytes]:
        """Send a frame until it misses no more, installing what its misses ask for, in turn.

        :return: the keys that were installed.
        :raises OSError: a flow was refused, or there are more or fewer misses than answers to them.
        """
        keys: list[bytes] = []
        while True:
            self.send(*sent)
            misses = [upcall for upcall in self.datapath.upcalls() if upcall.kind == MISS]
            if not misses:
                break
            if len(keys) == len(turns):
                raise OSError(f"misses again after {len(keys)} flows: {unpack_key(misses[0].key)}")
            self.datapath.add_flow(misses[0].key, turns[len(keys)])
            keys.append(misses[0].key)
        if len(keys) < len(turns):
            raise OSError(f"{len(keys)} upcalls came where {len(turns)} flows were to be learnt")
        self.taken()
        return keys


def _source(number: int) -> socket.socket:
    source = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    source.bind((f"gen{number}", 0))
    return source


def judge(
    learnt: Sequence[tuple[Sent, Sequence[Sequence[Action]]]],
    sent: Sequence[Sent],
    *,
    installed: Sequence[tuple[Key, Key, Sequence[Action]]] = (),
    meters: Sequence[tuple[int, int, int]] = (),
    ports: int = 3,
    queue_bytes: int = BIG_QUEUE_BYTES,
) -> Observation:
    """Install flows and learn others, send frames one by one, and tell what came of each.

    :param learnt: frames, and what to install for the misses of each in turn.
    :param installed: key, mask and actions of flows.
    :param meters: number, packets a second and burst of each.
    :param queue_bytes: room for upcalls.
    :return: ``frames`` for each one sent: ``out`` frames by port, ``upcalls`` of it; ``learnt`` the
        flows that were learnt, in order, None for one that is not dumped; ``flows`` all others;
        ``datapath`` what was counted.
    :raises OSError: the kernel refused something.
    """
    with Bench(ports, queue_bytes) as bench:
        datapath = bench.datapath
        for meter in meters:
            datapath.add_meter(*meter)
        for flow in installed:
            _install(datapath, *flow)
        keys = [key for one, turns in learnt for key in bench.learn(one, turns)]
        datapath.upcalls()
        for key in keys:
            datapath.clear_flow(key)
        before = datapath.statistics()
        frames = []
        for one in sent:
            bench.send(*one)
            frames.append({"out": bench.taken(), "upcalls": _told(datapath.upcalls())})
        after = datapath.statistics()
        flows = {one.key: _counted(one) for one in datapath.flows()}
        return {
            "frames": frames,
            "learnt": [flows.pop(key, None) for key in keys],
            "flows": list(flows.values()),
            "datapath": {name: after[name] - before[name] for name in after},
        }


def _install(datapath: Datapath, key: Key, mask: Key, actions: Sequence[Action]) -> None:
    datapath.add_flow(key, actions, mask)


def execute(frame: bytes, actions: Sequence[Action]) -> Observation:
    """Have actions carried out on a packet that comes from user space, as if from port 1.

    :return: ``out`` frames by port; ``datapath`` what was counted.
    """
    with Bench(2) as bench:
        bench.send(1, frame)
        key = bench.datapath.miss().key
        before = bench.datapath.statistics()
        bench.datapath.execute(frame, key, actions)
        after = bench.datapath.statistics()
        counted = {name: after[name] - before[name] for name in ("hit", "missed", "flows")}
        return {"out": bench.taken(), "datapath": counted}


def overflow(frame: bytes, count: int, queue_bytes: int) -> Observation:
    """Send frames for which there is no flow, and read no upcall before the last.

    :return: ``read`` how many upcalls were there; ``whole`` how many of them brought the frame as
        it was; ``datapath`` what was counted.
    """
    with Bench(1, queue_bytes) as bench:
        for _ in range(count):
            bench.send(1, frame)
        upcalls = bench.datapath.upcalls()
        return {
            "read": len(upcalls),
            "whole": sum(upcall.packet == frame for upcall in upcalls),
            "datapath": bench.datapath.statistics(),
        }


def _counted(flow: Flow) -> Observation:
    return {
        "key": unpack_key(flow.key),
        "mask": unpack_key(flow.mask),
        "packets": flow.packets,
        "bytes": flow.bytes,
        "used": flow.used_ms is not None,
    }


def _told(upcalls: Sequence[Upcall]) -> list[Observation]:
    return [
        {
            "kind": KINDS[upcall.kind],
            "packet": upcall.packet,
            "key": unpack_key(upcall.key),
            "userdata": upcall.userdata,
        }
        for upcall in upcalls
    ]
