# SPDX-License-Identifier: GPL-2.0-or-later
"""Drivers that lie: what vhost must answer with an error, and nothing else.

::

    driver --broken tx ring--> vhost worker --> (nothing) tap0

    packet socket --> tap0 queue --> vhost worker --broken rx ring--> driver
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from ksuite.dut.frames import frame_of
from ksuite.dut.packet import PacketRing
from ksuite.dut.tap import tap
from ksuite.dut.vhostnet import HEADER_BYTES, RingShape, VhostNet
from ksuite.dut.vring import DESC_F_NEXT, DESC_F_WRITE, Virtqueue

if TYPE_CHECKING:
    from collections.abc import Callable

FRAME = frame_of(64)
SHAPE = RingShape(256)
KICKS = 2
"""What was refused once must not be believed the next time."""


def _loop(queue: Virtqueue) -> None:
    queue.desc["flags"][0] |= DESC_F_NEXT
    queue.desc["next"][0] = 0
    queue.post([0])


def _address_out_of_range(queue: Virtqueue) -> None:
    queue.desc["addr"][0] = 0x1000
    queue.post([0])


def _length_zero(queue: Virtqueue) -> None:
    queue.desc["len"][0] = 0
    queue.post([0])


def _next_out_of_range(queue: Virtqueue) -> None:
    queue.desc["flags"][0] |= DESC_F_NEXT
    queue.desc["next"][0] = queue.size + 5
    queue.post([0])


def _head_out_of_range(queue: Virtqueue) -> None:
    queue.post([queue.size + 7])


def _absurd_index(queue: Virtqueue) -> None:
    queue.publish_raw_avail_idx(queue.size * 3)


def _wrong_direction(queue: Virtqueue) -> None:
    queue.desc["flags"][0] ^= DESC_F_WRITE
    queue.post([0])


LIES: dict[str, Callable[[Virtqueue], None]] = {
    "descriptor loop": _loop,
    "address out of range": _address_out_of_range,
    "length 0": _length_zero,
    "next out of range": _next_out_of_range,
    "head out of range": _head_out_of_range,
    "absurd index": _absurd_index,
    "wrong direction": _wrong_direction,
}


def lie(direction: str, case: str) -> dict[str, Any]:
    """Hand vhost a broken ring, then see whether a fresh device still works.

    :param direction: ``tx`` or ``rx``: which ring is broken.
    :param case: a key of LIES.
    :return: ``error`` whether the ring's error eventfd fired at the first kick; ``used`` chains
        that vhost returned from the broken ring; ``passed`` packets that reached tap0 (tx only);
        ``works_after``.
    """
    with ExitStack() as stack:
        link = stack.enter_context(tap())
        device = stack.enter_context(VhostNet(SHAPE))
        queue = device.rx if direction == "rx" else device.tx
        queue.desc["len"] = HEADER_BYTES + len(FRAME)
        LIES[case](queue)
        device.attach(link.fds[0])
        errors = []
        for _ in range(KICKS):
            queue.kick_always()
            if direction == "rx":
                _send_one(stack)
            errors.append(queue.error_signalled())
        result = {
            "error": errors[0],
            "used": queue.used_count(),
            "passed": link.counters()["rx_packets"],
        }
    return result | {"works_after": _works()}


def _send_one(stack: ExitStack) -> None:
    source = stack.enter_context(PacketRing("tap0", 1, 2048, send=True))
    source.frames[0, : len(FRAME)] = np.frombuffer(FRAME, np.uint8)
    source.headers["len"] = len(FRAME)
    source.send(1)


def _works() -> bool:
    with ExitStack() as stack:
        link = stack.enter_context(tap())
        device = stack.enter_context(VhostNet(SHAPE))
        device.attach(link.fds[0])
        device.tx.desc["len"] = HEADER_BYTES + len(FRAME)
        device.tx.post([0])
        device.tx.kick()
        device.tx.wait_used(1)
        device.rx.post([0])
        device.rx.kick_always()
        _send_one(stack)
        device.rx.wait_used(1)
        return link.counters()["rx_packets"] == 1
