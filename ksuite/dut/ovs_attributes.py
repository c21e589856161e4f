# SPDX-License-Identifier: GPL-2.0-or-later
"""Flow keys and actions of the Open vSwitch datapath, as data and as netlink attributes.

A key is a dictionary of fields by name, ``{"in_port": 1, "eth": (source, destination)}``; an action
is a tuple that begins with its name, ``("output", 2)``; actions are a list of them. Numbers and
layouts: include/uapi/linux/openvswitch.h.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from ksuite.dut.fields import Field, pack, unpack
from ksuite.dut.netlink import attribute, attributes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Key = Mapping[str, Any]
    Action = Sequence[Any]

ENCAP = 1
TUNNEL = 16
KEYS = {
    "priority": (2, "u32"),
    "in_port": (3, "u32"),
    "eth": (4, "mac mac"),
    "vlan": (5, "be16"),
    "eth_type": (6, "be16"),
    "ipv4": (7, "ip4 ip4 u8 u8 u8 u8"),
    "ipv6": (8, "ip6 ip6 be32 u8 u8 u8 u8"),
    "tcp": (9, "be16 be16"),
    "udp": (10, "be16 be16"),
    "icmp": (11, "u8 u8"),
    "icmpv6": (12, "u8 u8"),
    "arp": (13, "ip4 ip4 be16 mac mac pad2"),
    "nd": (14, "ip6 mac mac"),
    "skb_mark": (15, "u32"),
    "sctp": (17, "be16 be16"),
    "tcp_flags": (18, "be16"),
    "dp_hash": (19, "u32"),
    "recirc_id": (20, "u32"),
    "mpls": (21, "be32"),
    "ct_state": (22, "u32"),
    "ct_zone": (23, "u16"),
    "ct_mark": (24, "u32"),
}
"""OVS_KEY_ATTR_*: number, and the types of the fields in order."""

TUNNEL_KEYS = {
    "id": (0, "be64"),
    "src": (1, "ip4"),
    "dst": (2, "ip4"),
    "tos": (3, "u8"),
    "ttl": (4, "u8"),
    "df": (5, ""),
    "csum": (6, ""),
    "tp_src": (9, "be16"),
    "tp_dst": (10, "be16"),
}
"""OVS_TUNNEL_KEY_ATTR_*."""


def pack_key(key: Key) -> bytes:
    """Return a flow key's attributes, or those of its mask."""
    return b"".join(_pack_field(name, value) for name, value in key.items())


def _pack_field(name: str, value: Any) -> bytes:
    if name == "encap":
        return attribute(ENCAP, pack_key(value))
    if name == "tunnel":
        return attribute(TUNNEL, pack_tunnel(value))
    number, types = KEYS[name]
    return attribute(number, pack(types, _fields(value)))


def _fields(value: Any) -> Sequence[Field]:
    return value if isinstance(value, (tuple, list)) else (value,)


def pack_tunnel(tunnel: Mapping[str, Any]) -> bytes:
    """Return a tunnel key's attributes; what is True is a flag."""
    packed = b""
    for name, value in tunnel.items():
        number, types = TUNNEL_KEYS[name]
        packed += attribute(number, pack(types, _fields(value)) if types else b"")
    return packed


def unpack_key(data: bytes) -> dict[str, Any]:
    """Return a flow key as the kernel tells it, without fields that have no name here.

    :raises OSError: the kernel sent something else.
    """
    names = {number: name for name, (number, _) in KEYS.items()}
    key: dict[str, Any] = {}
    for number, value in attributes(data):
        if number == ENCAP:
            key["encap"] = unpack_key(value)
        elif number == TUNNEL:
            key["tunnel"] = _unpack_tunnel(value)
        elif number in names:
            fields = unpack(KEYS[names[number]][1], value)
            key[names[number]] = fields[0] if len(fields) == 1 else fields
    return key


def _unpack_tunnel(data: bytes) -> dict[str, Any]:
    names = {number: (name, types) for name, (number, types) in TUNNEL_KEYS.items()}
    found: dict[str, Any] = {}
    for number, value in attributes(data):
        if number in names:
            name, types = names[number]
            found[name] = unpack(types, value)[0] if types else True
    return found


def pack_actions(actions: Sequence[Action]) -> bytes:
    """Return the attributes of actions, in order."""
    return b"".join(_pack_action(*action) for action in actions)


def _pack_action(name: str, *arguments: Any) -> bytes:
    number, packed = ACTIONS[name]
    return attribute(number, packed(*arguments))


def _of(types: str) -> Callable[..., bytes]:
    return lambda *fields: pack(types, fields)


def _userspace(port_id: int, userdata: bytes = b"") -> bytes:
    return attribute(1, struct.pack("=I", port_id)) + (attribute(2, userdata) if userdata else b"")


def _set_masked(key: Key, mask: Key) -> bytes:
    """Return one field with its mask behind it; only what the mask has may be set."""
    ((name, value),) = key.items()
    number, types = KEYS[name]
    return attribute(number, pack(types, _fields(value)) + pack(types, _fields(mask[name])))


def _sample(probability: int, actions: Sequence[Action]) -> bytes:
    return attribute(1, struct.pack("=I", probability)) + attribute(2, pack_actions(actions))


def _check_packet_length(
    length: int, greater: Sequence[Action], less_or_equal: Sequence[Action]
) -> bytes:
    # The kernel wants the actions for what is smaller last.
    packed = attribute(1, struct.pack("=H", length))
    return packed + attribute(2, pack_actions(greater)) + attribute(3, pack_actions(less_or_equal))


def _decrement_ttl(actions: Sequence[Action]) -> bytes:
    return attribute(1, pack_actions(actions))


CT = {"commit": (1, ""), "zone": (2, "u16"), "mark": (3, "u32 u32")}
NAT = {"src": (1, ""), "dst": (2, ""), "ip_min": (3, "ip4"), "ip_max": (4, "ip4")}
NAT |= {"proto_min": (5, "u16"), "proto_max": (6, "u16")}
CT_NAT = 6


def _ct(**options: Any) -> bytes:
    nat = options.pop("nat", None)
    packed = _options(CT, options)
    return packed if nat is None else packed + attribute(CT_NAT, _options(NAT, nat))


def _options(known: Mapping[str, tuple[int, str]], options: Mapping[str, Any]) -> bytes:
    """Return the attributes of options; what is True is a flag."""
    packed = b""
    for name, value in options.items():
        number, types = known[name]
        packed += attribute(number, pack(types, _fields(value)) if types else b"")
    return packed


ACTIONS: Mapping[str, tuple[int, Callable[..., bytes]]] = {
    "output": (1, _of("u32")),
    "userspace": (2, _userspace),
    "set": (3, pack_key),
    "push_vlan": (4, _of("be16 be16")),
    "pop_vlan": (5, _of("")),
    "sample": (6, _sample),
    "recirc": (7, _of("u32")),
    "hash": (8, _of("u32 u32")),
    "push_mpls": (9, _of("be32 be16 pad2")),
    "pop_mpls": (10, _of("be16")),
    "set_masked": (11, _set_masked),
    "ct": (12, lambda options=None: _ct(**(options or {}))),
    "trunc": (13, _of("u32")),
    "ct_clear": (16, _of("")),
    "meter": (19, _of("u32")),
    "clone": (20, pack_actions),
    "check_pkt_len": (21, _check_packet_length),
    "dec_ttl": (23, _decrement_ttl),
}
"""OVS_ACTION_ATTR_*: number, and what packs the arguments."""
