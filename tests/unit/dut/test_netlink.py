# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said in netlink, and what is made of answers."""

from __future__ import annotations

import errno

import pytest

from ksuite.dut.netlink import (
    ERROR,
    HEADER,
    NLM_F_CREATE,
    NLM_F_REQUEST,
    NLMSG_ERROR,
    NLMSGERR_ATTR_MSG,
    attribute,
    message,
    must_be_acknowledged,
)


def answer(error: int, *attributes: bytes) -> bytes:
    asked = HEADER.pack(HEADER.size, 44, 0, 0, 0)
    body = ERROR.pack(-error) + asked + b"".join(attributes)
    return HEADER.pack(HEADER.size + len(body), NLMSG_ERROR, 0, 0, 0) + body


@pytest.mark.parametrize(
    ("value", "padded"),
    [
        (b"", b"\x04\0\x07\0"),
        (b"abcd", b"\x08\0\x07\0abcd"),
        (b"abcde", b"\x09\0\x07\0abcde\0\0\0"),
    ],
)
def test_attribute_is_padded_behind_its_length(value: bytes, padded: bytes) -> None:
    assert attribute(7, value) == padded


def test_message_knows_its_length() -> None:
    said = message(44, NLM_F_CREATE, bytes(20))
    assert HEADER.unpack_from(said) == (36, 44, NLM_F_REQUEST | NLM_F_CREATE, 0, 0)
    assert len(said) == 36


def test_acknowledgement() -> None:
    must_be_acknowledged(answer(0), "a rule")


def test_refusal_tells_the_kernels_reason() -> None:
    reason = attribute(NLMSGERR_ATTR_MSG, b"Filter already exists\0")
    with pytest.raises(OSError, match=r"a rule: File exists \(Filter already exists\)") as raised:
        must_be_acknowledged(answer(errno.EEXIST, attribute(9, b"12345"), reason), "a rule")
    assert raised.value.errno == errno.EEXIST


def test_refusal_without_a_reason() -> None:
    with pytest.raises(OSError, match=r"a rule: No such file or directory$"):
        must_be_acknowledged(answer(errno.ENOENT), "a rule")


def test_other_answer() -> None:
    with pytest.raises(OSError, match="a rule: netlink answered with a message of type 3"):
        must_be_acknowledged(HEADER.pack(20, 3, 0, 0, 0) + bytes(4), "a rule")
