# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of packets that several CPUs handle at once.

::

    packet socket of CPU 0 --+
                             +--> gen ==veth== port -- datapath --> out ==veth== sink --> socket
    packet socket of CPU N --+

A veth hands a packet to its peer's softirq on the CPU of whoever sends it: all is done there.
"""

from __future__ import annotations

import itertools
import os
import socket
import threading
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ksuite.dut import tc
from ksuite.dut.cpu import prompt_softirqs
from ksuite.dut.frames import STAMP, frame_of, udp_frame
from ksuite.dut.links import sent_packets, veth
from ksuite.dut.ovs_datapath import Datapath
from ksuite.dut.packet import (
    ETH_P_ALL,
    PACKET_IGNORE_OUTGOING,
    SO_RCVBUFFORCE,
    SOL_PACKET,
    PacketRing,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Observation = dict[str, Any]
FRAME_BYTES = 60
SLOT_BYTES = 256
QUEUE_BYTES = 64 << 20
CPU_SHIFT = 32
"""A frame's number (`frames.STAMP`) has above these bits the CPU that sent it."""
SOFTNET = Path("/proc/net/softnet_stat")


class _Senders:
    """A packet socket for each CPU, all on one link.

    :param packets: that each sends in a burst, at most.
    """

    def __init__(self, rings: Sequence[PacketRing], frame: bytes, packets: int) -> None:
        self._rings = rings
        self._rows = np.tile(np.frombuffer(frame, dtype=np.uint8), (packets, 1))

    def burst(self, packets: int) -> None:
        """Have all CPUs send their frames, numbered from 0, at once."""
        for cpu, ring in enumerate(self._rings):
            rows = self._rows[:packets]
            numbers = (np.arange(packets) + first_of(cpu)).astype("<u8")
            rows[:, STAMP] = numbers.view(np.uint8).reshape(-1, 8)
            ring.fill(rows, np.full(packets, rows.shape[1], dtype=np.uint32))
        at_once([lambda ring=ring: ring.send(packets) for ring in self._rings])  # type: ignore[misc]


@contextmanager
def _senders(frame: bytes, packets: int) -> Iterator[_Senders]:
    with ExitStack() as stack:
        rings = [
            stack.enter_context(PacketRing("gen", packets, SLOT_BYTES, send=True))
            for _ in os.sched_getaffinity(0)
        ]
        stack.enter_context(prompt_softirqs())
        yield _Senders(rings, frame, packets)


@contextmanager
def sink(interface: str) -> Iterator[Callable[[], list[bytes]]]:
    """Yield what returns the frames that have come in on a link since it was last asked.

    A memory-mapped ring would lose some: tpacket_rcv() looks whether there is room without a lock,
    and takes a slot that another CPU has filled meanwhile for a ring that is full.
    """
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as packets:
        packets.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, QUEUE_BYTES)
        packets.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        packets.setblocking(False)
        packets.bind((interface, ETH_P_ALL))

        def take() -> list[bytes]:
            taken = []
            with suppress(BlockingIOError):
                while True:
                    taken.append(packets.recv(SLOT_BYTES))
            return taken

        yield take


def at_once(work: Sequence[Callable[[], None]]) -> None:
    """Do work at the same time, the first on CPU 0, the next on CPU 1.

    :raises OSError: the first that was met.
    """
    gate = threading.Barrier(len(work))
    errors: list[OSError] = []

    def do(cpu: int, one: Callable[[], None]) -> None:
        os.sched_setaffinity(0, {cpu})
        gate.wait()
        try:
            one()
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=do, args=each) for each in enumerate(work)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def processed() -> list[int]:
    """Return how many packets each CPU's softirq has taken from its backlog."""
    return [int(line.split()[0], 16) for line in SOFTNET.read_text().splitlines()]


def redirect(packets: int, flags: str) -> Observation:
    """Redirect what all CPUs send, by one rule.

    :param packets: of each CPU.
    :param flags: of the action, in tc's words.
    :return: ``counted`` packets and bytes of the rule's action; see also `_seen`.
    """
    frame = frame_of(FRAME_BYTES)
    with ExitStack() as stack:
        stack.enter_context(veth("gen", "port"))
        stack.enter_context(veth("out", "sink"))
        stack.enter_context(tc.clsact("port"))
        rule = "filter add dev port ingress protocol all pref 1 flower skip_hw"
        tc.run([f"{rule} dst_mac 02:00:00:00:00:02 action mirred egress redirect dev out {flags}"])
        senders = stack.enter_context(_senders(frame, packets))
        seen = _seen(senders, packets)
        (action,) = tc.actions("port")
        return seen | {"counted": {name: action["stats"][name] for name in ("packets", "bytes")}}


def switch(packets: int, misses: int) -> Observation:
    """Switch what all CPUs send, by one flow of Open vSwitch, after they met no flow at all.

    :param packets: of each CPU, for which there is a flow.
    :param misses: of each CPU, for which there is none.
    :return: ``missed`` packets as the datapath counts them; ``told`` who sent the packets of the
        upcalls, CPU and number, sorted; ``counted`` packets and bytes of the flow, ``hit`` the
        datapath's; ``cleared`` what is left of the flow's when they are set to nothing; see also
        `_seen`.
    """
    with ExitStack() as stack:
        stack.enter_context(veth("gen", "port"))
        stack.enter_context(veth("out", "sink"))
        datapath = stack.enter_context(Datapath("dp"))
        datapath.add_port(1, "port")
        datapath.add_port(2, "out")
        senders = stack.enter_context(_senders(udp_frame(FRAME_BYTES), packets))
        senders.burst(misses)
        upcalls = datapath.upcalls()
        missed = datapath.statistics()["missed"]
        datapath.add_flow(upcalls[0].key, [("output", 2)])
        seen = _seen(senders, packets)
        (flow,) = datapath.flows()
        hit = datapath.statistics()["hit"]
        datapath.clear_flow(flow.key)
        (cleared,) = datapath.flows()
        return seen | {
            "missed": missed,
            "told": sorted(whose(upcall.packet) for upcall in upcalls),
            "counted": {"packets": flow.packets, "bytes": flow.bytes},
            "hit": hit,
            "cleared": cleared.packets,
        }


def _seen(senders: _Senders, packets: int) -> Observation:
    """Have all CPUs send, and look at what comes out.

    :return: besides what `told` says of them, ``processed`` packets by CPU and ``sent`` ones that
        the link out has counted.
    """
    cpus = len(os.sched_getaffinity(0))
    with sink("sink") as take:
        before, out = processed(), sent_packets("out")
        senders.burst(packets)
        after = processed()
        who = [whose(frame) for frame in take()]
    return told(who, cpus) | {
        "processed": [now - then for now, then in zip(after, before, strict=True)],
        "sent": sent_packets("out") - out,
    }


def first_of(cpu: int) -> int:
    """Return what a CPU's frames are numbered from."""
    return cpu << CPU_SHIFT


def whose(frame: bytes) -> tuple[int, int]:
    """Return which CPU sent a frame, and which of its frames it is."""
    return divmod(int.from_bytes(frame[STAMP], "little"), 1 << CPU_SHIFT)


def told(who: Sequence[tuple[int, int]], cpus: int) -> Observation:
    """Return what is to be said of frames that arrived.

    :param who: sent them, as `whose` tells it, in order.
    :return: ``arrived`` numbers in order, by the CPU that sent them; ``turns`` how often a frame
        came of another CPU than the one before.
    """
    return {
        "arrived": [[number for cpu, number in who if cpu == one] for one in range(cpus)],
        "turns": sum(one[0] != other[0] for one, other in itertools.pairwise(who)),
    }
