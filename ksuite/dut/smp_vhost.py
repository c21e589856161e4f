# SPDX-License-Identifier: GPL-2.0-or-later
"""Queue pairs whose vhost workers run on CPUs of their own, all sending into one tap at once.

::

    driver on CPU 0 --tx ring--> worker on CPU 0 --+
                                                   +--> tap0 --> packet socket
    driver on CPU N --tx ring--> worker on CPU N --+
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from ksuite.dut import batches
from ksuite.dut.frames import STAMP, FrameBatch, udp_frame
from ksuite.dut.smp import FRAME_BYTES, at_once, first_of, sink, told, whose
from ksuite.dut.tap import tap
from ksuite.dut.vhost_queues import workers
from ksuite.dut.vhostnet import RingShape, VhostNet

Observation = dict[str, Any]
BATCH = 100
RING = 256
PROCESSOR = 36
"""proc_pid_stat(5): the CPU that a thread last ran on, counted from what follows its name."""


def transmit(rounds: int) -> Observation:
    """Send `rounds` batches of BATCH frames from each pair at once, one pair for each CPU.

    :return: besides what `smp.told` says of what tap0 received, ``whole`` how many of these frames
        are as they were sent; ``counted`` packets and bytes by tap0; ``ran_on`` the CPU of each
        pair's worker, ``ran`` whether it was given it.
    """
    pairs = len(os.sched_getaffinity(0))
    frame = udp_frame(FRAME_BYTES)
    with ExitStack() as stack:
        others = workers()
        link = stack.enter_context(tap(queues=pairs))
        devices = [stack.enter_context(VhostNet(RingShape(RING))) for _ in range(pairs)]
        for device, fd in zip(devices, link.fds, strict=True):
            device.attach(fd)
        idle = {tid: runs for tid, runs in sorted(workers().items()) if tid not in others}
        for cpu, worker in enumerate(idle):
            os.sched_setaffinity(worker, {cpu})
        take = stack.enter_context(sink("tap0"))
        at_once([partial(_send, device, frame, cpu, rounds) for cpu, device in enumerate(devices)])
        arrived, counters, busy = take(), link.counters(), workers()
        return told([whose(one) for one in arrived], pairs) | {
            "whole": sum(_but_number(one) == _but_number(frame) for one in arrived),
            "counted": {"packets": counters["rx_packets"], "bytes": counters["rx_bytes"]},
            "ran_on": [_processor(worker) for worker in idle],
            "ran": [busy[worker] > runs for worker, runs in idle.items()],
        }


def _send(device: VhostNet, frame: bytes, cpu: int, rounds: int) -> None:
    batch = FrameBatch([frame] * BATCH)
    batch.number = first_of(cpu)
    for number in range(1, rounds + 1):
        batches.post(device.tx, batch)
        device.tx.wait_used(number * BATCH)
        device.tx.take_used()


def _but_number(frame: bytes) -> bytes:
    return frame[: STAMP.start] + frame[STAMP.stop :]


def _processor(thread: int) -> int:
    line = Path(f"/proc/{thread}/stat").read_text(encoding="ascii")
    return int(line.rpartition(")")[2].split()[PROCESSOR])
