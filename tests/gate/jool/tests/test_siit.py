# SPDX-License-Identifier: GPL-2.0-or-later
"""Stateless translation, byte for byte: RFC 7915."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6PacketTooBig,
    ICMPv6TimeExceeded,
    IPv6,
    IPv6ExtHdrFragment,
)

from conftest import ALICE, BOB, PREFIX, six

DATA = bytes(range(64))
PORTS = {"sport": 40000, "dport": 53}
ROUTED = 0x18
"""Bits of a traffic class that are part of a route's key: Jool 4.1.9 loses the others (on 6.1 0xB9
comes out as 0x18), where RFC 7915, 5.1 wants all of them copied."""
TRANSPORTS = {
    "udp": UDP(**PORTS) / DATA,
    "tcp": TCP(**PORTS, seq=7, ack=9, flags="PA", window=1000, options=[("MSS", 1460)]) / DATA,
    "no-data": UDP(**PORTS),
}
ECHOES = {"request": (8, ICMPv6EchoRequest), "reply": (0, ICMPv6EchoReply)}


@pytest.fixture
def siit(neighbours):
    """Return a stateless translator."""
    neighbours.machine.run(
        "jool_siit", "instance", "add", "one", "--netfilter", "--pool6", f"{PREFIX}/96"
    )
    return neighbours


def four(source=BOB, destination=ALICE, **fields):
    return IP(src=source, dst=destination, **fields)


def in_six(source=BOB, destination=ALICE, **fields):
    return IPv6(src=six(source), dst=six(destination), **fields)


def same_but_id(heard, expected):
    """Compare IPv4 packets whose identification the translator chooses (RFC 7915, 5.1)."""
    assert len(heard) == 1
    chosen = IP(heard[0])
    expected = expected.copy()
    expected[IP].id = chosen.id
    return heard == [bytes(expected)]


@pytest.mark.parametrize("transport", sorted(TRANSPORTS))
def test_four_becomes_six(siit, transport):
    inner = TRANSPORTS[transport]
    heard = siit.to_six(four(ttl=64, tos=0xB9, flags="DF", id=1) / inner)
    assert heard == [bytes(in_six(tc=0xB9, fl=0, hlim=63) / inner)]


@pytest.mark.parametrize("transport", sorted(TRANSPORTS))
def test_six_becomes_four(siit, transport):
    inner = TRANSPORTS[transport]
    heard = siit.to_four(in_six(ALICE, BOB, tc=ROUTED, fl=5, hlim=64) / inner)
    assert same_but_id(heard, four(ALICE, BOB, ttl=63, tos=ROUTED, flags=0) / inner)


def test_large_packets_must_not_be_fragmented_by_others(siit):
    inner = UDP(**PORTS) / bytes(1300)
    heard = siit.to_four(in_six(ALICE, BOB, hlim=64) / inner)
    assert same_but_id(heard, four(ALICE, BOB, ttl=63, flags="DF") / inner)


@pytest.mark.parametrize("kind", sorted(ECHOES))
def test_echoes(siit, kind):
    number, six_kind = ECHOES[kind]
    old = ICMP(type=number, id=77, seq=3) / DATA
    new = six_kind(id=77, seq=3, data=DATA)
    assert siit.to_six(four(ttl=9, flags="DF") / old) == [bytes(in_six(hlim=8) / new)]
    heard = siit.to_four(in_six(ALICE, BOB, hlim=9) / new)
    assert same_but_id(heard, four(ALICE, BOB, ttl=8, flags=0) / old)


def test_fragments_stay_fragments(siit):
    first = bytes(UDP(**PORTS, len=1008 + 80) / bytes(1000))
    heard = siit.to_six(four(ttl=64, id=0x1234, flags=0, frag=126, proto=17) / first[:80])
    header = IPv6ExtHdrFragment(nh=17, offset=126, m=0, id=0x1234)
    assert heard == [bytes(in_six(hlim=63, nh=44) / header / first[:80])]


@pytest.mark.parametrize(
    ("code", "six_kind"),
    [
        (0, ICMPv6DestUnreach(code=0)),
        (3, ICMPv6DestUnreach(code=4)),
        (13, ICMPv6DestUnreach(code=1)),
    ],
)
def test_errors_tell_of_the_packet_that_the_other_side_knows(siit, code, six_kind):
    lost = UDP(**PORTS) / DATA
    error = ICMP(type=3, code=code) / (four(ALICE, BOB, ttl=5, flags="DF", id=1) / lost)
    heard = siit.to_six(four(ttl=64, flags="DF") / error)
    assert heard == [bytes(in_six(hlim=63) / six_kind / (in_six(ALICE, BOB, hlim=5) / lost))]


def test_a_packet_at_its_last_hop_is_answered(siit):
    (heard,) = siit.back_to_six(in_six(ALICE, BOB, hlim=1) / TRANSPORTS["udp"])
    assert IPv6(heard)[ICMPv6TimeExceeded].code == 0


def test_nothing_of_six_alone_gets_out(siit):
    assert siit.to_four(IPv6(src="2001:db8:6::a", dst="2001:db8:7::1") / UDP() / DATA) == []


def test_a_zero_checksum_has_no_counterpart(siit):
    assert siit.to_six(four(flags="DF") / UDP(**PORTS, chksum=0) / DATA) == []


def test_too_big_is_told_with_room_for_the_larger_header(siit):
    lost = in_six(ALICE, BOB, hlim=9) / UDP(**PORTS) / bytes(1300)
    told = (
        ICMP(type=3, code=4, nexthopmtu=1400)
        / bytes(four(ALICE, BOB, ttl=8, flags="DF", id=1) / UDP(**PORTS) / bytes(1300))[:548]
    )
    (heard,) = siit.to_six(four(ttl=64, flags="DF") / told)
    assert IPv6(heard)[ICMPv6PacketTooBig].mtu == 1420
    assert bytes(lost)[8:40] == bytes(IPv6(heard)[ICMPv6PacketTooBig].payload)[8:40]


@pytest.mark.ks_cost("siit_46", 128)
def test_four_to_six_costs_no_more(costs):
    costs.must_not_have_risen()


@pytest.mark.ks_cost("siit_64", 128)
def test_six_to_four_costs_no_more(costs):
    costs.must_not_have_risen()
