# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages made in columns are the messages that one would make one by one."""

from __future__ import annotations

import errno
import socket
import struct
from typing import Self

import numpy as np
import pytest

from ksuite.dut import netlink_bulk
from ksuite.dut.netlink import HEADER, NLM_F_ACK
from ksuite.dut.netlink_bulk import NEW, attribute, send

KIND, PROTOCOL = 44, 0


class Kernel:
    """What messages are sent to; refuses those after some.

    :param takes: messages.
    """

    def __init__(self, takes: int = 1 << 30) -> None:
        self.takes = takes
        self.messages: list[bytes] = []
        self.answers: list[bytes] = []

    def __call__(self, *_: int) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert not self.answers

    def send(self, data: bytes) -> None:
        while data:
            length, _, flags, *_ = HEADER.unpack_from(data)
            self.messages.append(data[:length])
            refused = len(self.messages) > self.takes
            if refused or flags & NLM_F_ACK:
                error = -errno.EEXIST if refused else 0
                self.answers.append(HEADER.pack(36, 2, 0, 0, 0) + struct.pack("=i", error))
            data = data[length:]

    def recv(self, _size: int) -> bytes:
        return self.answers.pop(0)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(socket, "socket", made)
    return made


def column(count: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    return np.arange(count, dtype=">u2").view(np.uint8).reshape(-1, 2)


def test_parts_are_the_same_or_each_message_s_own(kernel: Kernel) -> None:
    send("rules", PROTOCOL, KIND, 3, [b"head", *attribute(7, column(3)), *attribute(8, b"x")])
    assert len(kernel.messages) == 3
    for number, message in enumerate(kernel.messages):
        assert HEADER.unpack_from(message)[:2] == (len(message), KIND)
        body = b"head" + struct.pack("=HH", 6, 7) + struct.pack("!H", number) + bytes(2)
        assert message[HEADER.size :] == body + struct.pack("=HH", 5, 8) + b"x" + bytes(3)


def test_attributes_nest() -> None:
    (head, *rest) = attribute(1, *attribute(2, column(5)), *attribute(3, b"four"))
    assert head == struct.pack("=HH", 20, 1)
    assert len(rest) == 7


def test_the_last_of_each_lot_is_answered(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netlink_bulk, "TOGETHER_BYTES", 80)
    send("rules", PROTOCOL, KIND, 9, [*attribute(7, column(9))])
    flags = [HEADER.unpack_from(message)[2] for message in kernel.messages]
    assert flags == [NEW, NEW, NEW | NLM_F_ACK] * 3


def test_refusal_is_told(kernel: Kernel) -> None:
    kernel.takes = 2
    with pytest.raises(FileExistsError, match="rules: File exists"):
        send("rules", PROTOCOL, KIND, 3, [*attribute(7, column(3))])
