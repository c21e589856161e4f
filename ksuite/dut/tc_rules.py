# SPDX-License-Identifier: GPL-2.0-or-later
"""How long it takes to insert or delete a flower rule beside many others.

::

    netlink --> port (a dummy), clsact ingress: flower, one rule for each MAC address --> one mirred

Messages go into a netlink socket as they are, BATCH in one system call: ``tc -b`` would spend more
on its text than the kernel on a rule. All rules share an action: to make one takes twice as long as
all that flower does. What runs in workers is not in the figures: rhashtable grows, and what deleted
rules leave is freed, when the driver (SCHED_FIFO) sleeps between two windows.
"""

from __future__ import annotations

import socket
import statistics
import struct
import time
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ksuite.dut import tc
from ksuite.dut.cpu import real_time
from ksuite.dut.links import dummy
from ksuite.dut.netlink import (
    HEADER,
    NLM_F_CREATE,
    NLM_F_EXCL,
    attribute,
    message,
    must_be_acknowledged,
    routing,
)
from ksuite.dut.packet import SO_SNDBUFFORCE
from ksuite.dut.sizes import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SIZE = RULES
VERSION = 1
"""Raised whenever a change here changes a cost."""
BATCH = 10
"""Rules a round."""
ROUNDS = 56
"""That a measurement takes, warm-up included: at its busier end there are as many as asked for."""
MANY_MASKS = 64
SAMPLES = 30
"""Rounds that `growth` times at each size."""
FILL = 500
"""Rules in one system call while nobody measures."""
REST_SECONDS = 0.1
"""For workers."""

RTM_NEWTFILTER, RTM_DELTFILTER = 44, 45
CLSACT_INGRESS = 0xFFFFFFF2
PREFERENCE = 1
ETH_P_ALL = 0x0003
TCA_KIND, TCA_OPTIONS = 1, 2
TCA_FLOWER_ACT = 3
TCA_FLOWER_KEY_ETH_DST, TCA_FLOWER_KEY_ETH_DST_MASK = 4, 5
TCA_FLOWER_KEY_ETH_SRC, TCA_FLOWER_KEY_ETH_SRC_MASK = 6, 7
FLOWER = attribute(TCA_KIND, b"flower\0")
TCMSG = struct.Struct("=B3xiIII")
HANDLE_AT = HEADER.size + 8
"""Where in a message its tcm_handle is."""
MAC, MASK = bytes.fromhex("02005a5aa5a5"), bytes.fromhex("0000000000a6")
"""Of the message that all others are made from, to find their places."""
SEND_BUFFER_BYTES = 16 << 20
ACTION = (1, "egress", "redirect", "stolen", "out")
"""What all rules share."""


class Rules:
    """Makes and sends messages about flower rules, which are numbered from 0.

    :param interface: whose clsact ingress they are at.
    :param masks: how many masks they have, one after the other.
    """

    def __init__(self, interface: str, masks: int) -> None:
        self._masks = masks
        self._new = _filter(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, interface, _options())
        self._old = _filter(RTM_DELTFILTER, 0, interface, b"")
        self._socket = routing()
        self._socket.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER_BYTES)
        self.send = self._socket.send

    def insertion(self, first: int, count: int) -> bytes:
        """Return the messages that insert some rules."""
        rows = np.tile(np.frombuffer(self._new, dtype=np.uint8), (count, 1))
        numbers = np.arange(first, first + count)
        # The last four bytes of the address are the number, the last byte of the mask varies.
        _put(rows, self._new.index(MAC) + 2, numbers.astype(">u4"))
        _put(rows, self._new.index(MASK) + 5, (numbers % self._masks).astype("u1"))
        _put(rows, HANDLE_AT, (numbers + 1).astype("<u4"))
        return rows.tobytes()

    def deletion(self, first: int, count: int) -> bytes:
        """Return the messages that delete some rules."""
        rows = np.tile(np.frombuffer(self._old, dtype=np.uint8), (count, 1))
        _put(rows, HANDLE_AT, np.arange(first + 1, first + 1 + count).astype("<u4"))
        return rows.tobytes()

    def change(self, count: int, wanted: int) -> None:
        """Insert or delete rules until there are as many as wanted.

        :param count: how many there are.
        :raises OSError: the kernel refused to insert one, or had none to delete.
        """
        for first in range(count, wanted, FILL):
            self.send(self.insertion(first, min(FILL, wanted - first)))
        for first in range(wanted, count, FILL):
            self.send(self.deletion(first, min(FILL, count - first)))
        self.check()

    def check(self) -> None:
        """Look for what the kernel has refused so far.

        :raises OSError: it has refused something.
        """
        with suppress(BlockingIOError):
            must_be_acknowledged(self._socket.recv(4096, socket.MSG_DONTWAIT), "a flower rule")

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


@contextmanager
def _rules(masks: int) -> Iterator[Rules]:
    with ExitStack() as stack:
        stack.enter_context(dummy("port"))
        stack.enter_context(dummy("out"))
        stack.enter_context(tc.mirred(*ACTION))
        stack.enter_context(tc.clsact("port"))
        rules = Rules("port", masks)
        stack.callback(rules.close)
        yield rules


@contextmanager
def _closed_loop(masks: int, inserts: bool, size: int) -> Iterator[Callable[[], None]]:
    """Yield a function that inserts, or deletes, the next BATCH of `size` rules."""
    with _rules(masks) as rules:
        least = size - ROUNDS * BATCH
        starts = range(least, size, BATCH)
        if inserts:
            messages = [rules.insertion(first, BATCH) for first in starts]
        else:
            messages = [rules.deletion(first, BATCH) for first in reversed(starts)]
        start = least if inserts else size
        rules.change(0, start)
        time.sleep(REST_SECONDS)
        sent = [0]

        def run() -> None:
            rules.send(messages[sent[0]])
            sent[0] += 1

        yield run
        rules.check()
        # Each of those that must be there is: to delete any other is refused.
        rules.change(start + sent[0] * BATCH * (1 if inserts else -1), 0)


LOOPS = {
    "tc_insert": partial(_closed_loop, 1, True),
    "tc_delete": partial(_closed_loop, 1, False),
    "tc_insert_masks": partial(_closed_loop, MANY_MASKS, True),
    "tc_delete_masks": partial(_closed_loop, MANY_MASKS, False),
}


def growth(masks: int, sizes: Sequence[int]) -> dict[str, list[float]]:
    """Insert and delete some rules at each of some sizes.

    :param masks: how many masks the rules have.
    :param sizes: how many rules there are, growing.
    :return: nanoseconds of the DUT's clock a rule, by size, to ``insert`` and to ``delete``.
    """
    inserting, deleting = [], []
    count, most = 0, SAMPLES * BATCH
    with _rules(masks) as rules:
        for size in sizes:
            rules.change(count, size - most)
            starts = range(size - most, size, BATCH)
            inserting.append(_median(rules, [rules.insertion(at, BATCH) for at in starts]))
            count = size
        for size in reversed(sizes):
            rules.change(count, size)
            starts = range(size - BATCH, size - most - BATCH, -BATCH)
            deleting.append(_median(rules, [rules.deletion(at, BATCH) for at in starts]))
            count = size - most
        rules.change(count, 0)
    return {"insert": inserting, "delete": deleting[::-1]}


def _median(rules: Rules, messages: Sequence[bytes]) -> float:
    """Return what a rule takes in the median of some system calls."""
    time.sleep(REST_SECONDS)
    with real_time():
        took = []
        for one in messages:
            start = time.monotonic_ns()
            rules.send(one)
            took.append((time.monotonic_ns() - start) / BATCH)
    rules.check()
    return statistics.median(took)


def _filter(kind: int, flags: int, interface: str, options: bytes) -> bytes:
    information = PREFERENCE << 16 | socket.htons(ETH_P_ALL)
    index = socket.if_nametoindex(interface)
    head = TCMSG.pack(socket.AF_UNSPEC, index, 0, CLSACT_INGRESS, information)
    return message(kind, flags, head + FLOWER + options)


def _options() -> bytes:
    return attribute(
        TCA_OPTIONS,
        attribute(TCA_FLOWER_KEY_ETH_DST, MAC)
        + attribute(TCA_FLOWER_KEY_ETH_DST_MASK, b"\xff" * len(MAC))
        + attribute(TCA_FLOWER_KEY_ETH_SRC, bytes(len(MAC)))
        + attribute(TCA_FLOWER_KEY_ETH_SRC_MASK, MASK)
        + attribute(TCA_FLOWER_ACT, attribute(1, tc.mirred_action(*ACTION))),
    )


def _put(rows: np.ndarray, at: int, values: np.ndarray) -> None:
    """Write a number into each row."""
    rows[:, at : at + values.itemsize] = values.view(np.uint8).reshape(len(rows), -1)
