# SPDX-License-Identifier: GPL-2.0-or-later
"""Stateful translation: one address for all (RFC 6146)."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, IPv6

from conftest import BOB, PREFIX, six

CLIENT, POOL = "2001:db8:6::a", "192.0.2.1"
DATA = b"who is there?"


@pytest.fixture
def nat64(neighbours):
    """Return a translator that gives its clients ports of one address."""
    run = neighbours.machine.run
    run("jool", "instance", "add", "one", "--netfilter", "--pool6", f"{PREFIX}/96")
    for protocol in ("--udp", "--tcp", "--icmp"):
        run("jool", "-i", "one", "pool4", "add", POOL, "61000-61999", protocol)
    return neighbours


def ask(nat64, port):
    (heard,) = nat64.to_four(
        IPv6(src=CLIENT, dst=six(BOB), hlim=64) / UDP(sport=port, dport=53) / DATA
    )
    return IP(heard)


def test_a_question_and_its_answer(nat64):
    asked = ask(nat64, 1234)
    port = asked[UDP].sport
    assert 61000 <= port <= 61999
    expected = (
        IP(src=POOL, dst=BOB, ttl=63, flags=0, id=asked.id) / UDP(sport=port, dport=53) / DATA
    )
    assert bytes(asked) == bytes(expected)
    answer = IP(src=BOB, dst=POOL, ttl=64, flags="DF") / UDP(sport=53, dport=port) / DATA
    back = IPv6(src=six(BOB), dst=CLIENT, hlim=63) / UDP(sport=53, dport=1234) / DATA
    assert nat64.to_six(answer) == [bytes(back)]


def test_each_flow_has_a_port_and_keeps_it(nat64):
    ports = [ask(nat64, port)[UDP].sport for port in (1, 2, 3, 1, 2, 3)]
    assert ports[:3] == ports[3:]
    assert len(set(ports)) == 3


def test_echoes_find_their_way_back(nat64):
    question = IPv6(src=CLIENT, dst=six(BOB), hlim=64) / ICMPv6EchoRequest(id=5, seq=1, data=DATA)
    (heard,) = nat64.to_four(question)
    mine = IP(heard)[ICMP].id
    answer = IP(src=BOB, dst=POOL, ttl=64, flags="DF") / ICMP(type=0, id=mine, seq=1) / DATA
    back = IPv6(src=six(BOB), dst=CLIENT, hlim=63) / ICMPv6EchoReply(id=5, seq=1, data=DATA)
    assert nat64.to_six(answer) == [bytes(back)]


def test_who_was_not_asked_gets_nowhere(nat64):
    asked = ask(nat64, 1234)
    other = asked[UDP].sport ^ 1
    stray = IP(src=BOB, dst=POOL, ttl=64, flags="DF") / UDP(sport=53, dport=other) / DATA
    assert nat64.to_six(stray) == []
