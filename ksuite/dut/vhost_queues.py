# SPDX-License-Identifier: GPL-2.0-or-later
"""Several queue pairs on one tap: a vhost worker each, and each flow stays on its pair.

::

                 +--> vhost worker 0 --+
    driver pairs +--> ...              +--> tap0 (N queues) <--> packet socket
                 +--> vhost worker N-1-+
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ksuite.dut.packet import PacketRing
from ksuite.dut.tap import tap
from ksuite.dut.vhostnet import HEADER_BYTES, RingShape, VhostNet
from ksuite.dut.vring import LostWakeupError

if TYPE_CHECKING:
    from collections.abc import Sequence


def workers() -> dict[int, int]:
    """Return the vhost workers that belong to this thread: how often each was given a CPU.

    Kernel threads up to 6.3, threads of this process since 6.4 (6e890c5d5021, "vhost: use
    vhost_tasks for worker threads"); both are named after the thread that set the owner.
    """
    name = f"vhost-{threading.get_native_id()}"
    places = [*Path("/proc").glob("[0-9]*"), *Path("/proc/self/task").iterdir()]
    found = {}
    for place in places:
        try:
            if (place / "comm").read_text().strip() == name:
                found[int(place.name)] = int((place / "schedstat").read_text().split()[2])
        except FileNotFoundError:
            continue
    return found


def flows_through_pairs(outward: Sequence[bytes], inward: Sequence[bytes]) -> dict[str, Any]:
    """Send flow i from queue pair i, then its answer from the host; see where each arrives.

    :param outward: one frame a queue pair, each of another flow.
    :param inward: the answers: the same flows, source and destination swapped.
    :return: ``workers`` and how many of them ``ran``; the packets each pair sent that tap0 counted
        in all (``arrived``); for each pair the flows whose answer it received (``answered``).
    """
    pairs = len(outward)
    with ExitStack() as stack:
        before = set(workers())
        link = stack.enter_context(tap(queues=pairs))
        devices = [stack.enter_context(VhostNet(RingShape(256))) for _ in range(pairs)]
        for device, fd in zip(devices, link.fds, strict=True):
            device.attach(fd)
        idle = {tid: runs for tid, runs in workers().items() if tid not in before}
        for device, frame in zip(devices, outward, strict=True):
            _transmit(device, frame)
        busy = workers()
        answered = _answer(devices, inward, stack)
        return {
            "workers": len(idle),
            "ran": sum(busy[tid] > runs for tid, runs in idle.items()),
            "arrived": link.counters()["rx_packets"],
            "answered": answered,
        }


def _transmit(device: VhostNet, frame: bytes) -> None:
    queue = device.tx
    queue.buffers[0, HEADER_BYTES : HEADER_BYTES + len(frame)] = np.frombuffer(frame, np.uint8)
    queue.desc["len"][0] = HEADER_BYTES + len(frame)
    queue.post([0])
    queue.kick()
    queue.wait_used(1)


def _answer(devices: list[VhostNet], frames: Sequence[bytes], stack: ExitStack) -> list[list[int]]:
    source = stack.enter_context(PacketRing("tap0", len(frames), 2048, send=True))
    for slot, frame in enumerate(frames):
        source.frames[slot, : len(frame)] = np.frombuffer(frame, np.uint8)
        source.headers["len"][slot] = len(frame)
    for device in devices:
        device.rx.post(np.arange(device.shape.entries))
        device.rx.kick_always()
    source.send(len(frames))
    return [_flows_received(device, frames) for device in devices]


def _flows_received(device: VhostNet, frames: Sequence[bytes]) -> list[int]:
    try:
        device.rx.wait_used(1, timeout_seconds=0.5)
    except LostWakeupError:
        return []
    ids, lengths = device.rx.take_used()
    taken = [
        device.rx.buffers[i, HEADER_BYTES:n].tobytes() for i, n in zip(ids, lengths, strict=True)
    ]
    return [frames.index(frame) if frame in frames else -1 for frame in taken]
