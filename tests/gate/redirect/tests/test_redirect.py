# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever comes in on one device goes out of the other, one hop older."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether

PAIR = "/sys/module/ks_redirect/parameters/pair"
MACS = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}


@pytest.fixture
def redirected(machine, veth):
    """Return where frames are sent and where they arrive, with the module between."""
    ends = veth("left/a", "in")[0], veth("out", "right/b")[1]
    machine.run("sh", "-c", f"echo in out > {PAIR}")
    return ends


def packet(**fields):
    return Ether(**MACS) / IP(src="10.0.0.1", dst="10.0.0.2", **fields) / UDP(sport=7, dport=9)


@pytest.mark.parametrize("size", [0, 18, 1472])
def test_packets_go_through_one_hop_older(redirected, traffic, size):
    sent = packet(ttl=64) / (b"\x5a" * size)
    aged = sent.copy()
    aged[IP].ttl = 63
    # Built anew, it has the checksum that its header must have.
    assert traffic.through(sent, *redirected) == [bytes(aged)]


def test_all_checksums_are_right(redirected, traffic):
    sent = [packet(ttl=ttl, id=number) for number, ttl in enumerate((2, 63, 128, 255))]
    aged = [packet(ttl=ttl - 1, id=number) for number, ttl in enumerate((2, 63, 128, 255))]
    assert traffic.through(sent, *redirected) == [bytes(one) for one in aged]


def test_packets_at_their_last_hop_are_dropped(redirected, traffic):
    assert traffic.through([packet(ttl=1), packet(ttl=0)], *redirected) == []


def test_what_is_no_ip_goes_through_as_it_is(redirected, traffic):
    frame = Ether(**MACS) / ARP(psrc="10.0.0.1", pdst="10.0.0.2")
    assert traffic.through(frame, *redirected) == [bytes(frame)]


def test_short_packets_are_dropped(redirected, traffic):
    cut = bytes(packet(ttl=64))[:20]
    assert traffic.through(cut, *redirected) == []


def test_a_tap_is_as_good_as_a_veth(machine, tap, traffic):
    for name in ("in", "out"):
        tap(name)
    machine.run("sh", "-c", f"echo in out > {PAIR}")
    assert traffic.through(packet(ttl=9), "in", "out") == [bytes(packet(ttl=8))]


@pytest.mark.usefixtures("redirected")
def test_links_can_go_first(machine):
    machine.take_links_down()
    assert machine.run("cat", PAIR).strip() == ""


def test_nonsense_is_refused(machine):
    for words in ("in", "no such"):
        with pytest.raises(Exception, match="exit status"):
            machine.run("sh", "-c", f"echo {words} > {PAIR}")


@pytest.mark.ks_cost("redirect", 64)
def test_a_packet_costs_no_more(costs):
    costs.must_not_have_risen()


@pytest.mark.ks_cost("redirect", 1500)
def test_a_large_packet_costs_no_more(costs):
    costs.must_not_have_risen()
