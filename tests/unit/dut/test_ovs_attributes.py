# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys and actions as netlink attributes: the kernel's layouts, there and back."""

from __future__ import annotations

from typing import Any

import pytest

from ksuite.dut.fields import pack, unpack
from ksuite.dut.netlink import attribute, attributes
from ksuite.dut.ovs_attributes import pack_actions, pack_key, unpack_key

KEYS: list[dict[str, Any]] = [
    {"in_port": 7},
    {"eth": ("02:00:00:00:00:01", "02:00:00:00:00:02"), "eth_type": 0x0800},
    {"ipv4": ("10.0.0.1", "10.0.1.1", 17, 4, 64, 0), "udp": (1000, 2000)},
    {"ipv6": ("2001:db8::1", "::", 0x12345, 6, 0, 64, 0)},
    {"arp": ("10.0.0.1", "10.0.1.1", 1, "02:00:00:00:00:01", "00:00:00:00:00:00")},
    {"vlan": 0x1064, "eth_type": 0x8100, "encap": {"eth_type": 0x0800}},
    {"tunnel": {"id": 1 << 40, "src": "10.0.0.1", "dst": "10.0.0.2", "ttl": 64, "df": True}},
]


@pytest.mark.parametrize("key", KEYS, ids=[next(iter(key)) for key in KEYS])
def test_key_comes_back_as_it_was(key: dict[str, Any]) -> None:
    assert unpack_key(pack_key(key)) == key


@pytest.mark.parametrize(
    ("types", "fields", "data"),
    [
        ("be16 u8", (0x0102, 3), b"\x01\x02\x03"),
        ("mac", ("02:00:00:00:00:01",), bytes([2, 0, 0, 0, 0, 1])),
        ("ip4 pad2 be16", ("10.0.0.1", 1), bytes([10, 0, 0, 1, 0, 0, 0, 1])),
        ("u32", (1,), b"\x01\x00\x00\x00"),
        ("be64", (1,), bytes(7) + b"\x01"),
    ],
)
def test_fields(types: str, fields: tuple[Any, ...], data: bytes) -> None:
    assert pack(types, fields) == data
    assert unpack(types, data) == fields


def test_attribute_is_padded_and_tells_its_length_without() -> None:
    packed = attribute(5, b"abc") + attribute(6, b"")
    assert packed == b"\x07\x00\x05\x00abc\x00\x04\x00\x06\x00"
    assert list(attributes(packed)) == [(5, b"abc"), (6, b"")]


def test_flags_of_a_type_are_not_its_number() -> None:
    assert list(attributes(attribute(0x8000 | 3, b""))) == [(3, b"")]


@pytest.mark.parametrize(
    "data", [b"\x08\x00", b"\x08\x00\x01\x00", b"\x03\x00\x01\x00", b"\x09\x00\x01\x00abcd"]
)
def test_attribute_of_a_length_that_cannot_be_is_refused(data: bytes) -> None:
    with pytest.raises(OSError, match="an attribute of"):
        list(attributes(data))


@pytest.mark.parametrize(
    ("action", "number", "data"),
    [
        (("output", 2), 1, b"\x02\x00\x00\x00"),
        (("push_vlan", 0x8100, 0x1064), 4, b"\x81\x00\x10\x64"),
        (("push_mpls", 0x64140, 0x8847), 9, b"\x00\x06\x41\x40\x88\x47\x00\x00"),
        (("pop_vlan",), 5, b""),
        (("hash", 0, 1), 8, b"\x00\x00\x00\x00\x01\x00\x00\x00"),
        (("userspace", 9, b"ab"), 2, attribute(1, b"\x09\x00\x00\x00") + attribute(2, b"ab")),
        (("set_masked", {"udp": (1, 0)}, {"udp": (0xFFFF, 0)}), 11,
         attribute(10, b"\x00\x01\x00\x00\xff\xff\x00\x00")),
        (("sample", 1, [("pop_vlan",)]), 6,
         attribute(1, b"\x01\x00\x00\x00") + attribute(2, attribute(5, b""))),
        (("ct", {"commit": True, "zone": 7, "nat": {"src": True}}), 12,
         attribute(1, b"") + attribute(2, b"\x07\x00") + attribute(6, attribute(1, b""))),
        (("ct",), 12, b""),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)  # fmt: skip
def test_action(action: tuple[Any, ...], number: int, data: bytes) -> None:
    assert list(attributes(pack_actions([action]))) == [(number, data)]


def test_actions_stand_in_order() -> None:
    packed = pack_actions([("pop_vlan",), ("output", 1)])
    assert [number for number, _ in attributes(packed)] == [5, 1]


@pytest.mark.parametrize("data", [b"\x02\x00\x00\x00\x00", bytes(7)])
def test_fields_of_another_size_are_refused(data: bytes) -> None:
    with pytest.raises(OSError, match="bytes are not mac"):
        unpack("mac", data)
