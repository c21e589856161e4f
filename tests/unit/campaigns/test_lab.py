# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests of an out-of-tree module have in their hands, without a DUT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6MLReport2,
    ICMPv6ND_NS,
    IPv6,
    IPv6ExtHdrHopByHop,
)
from scapy.layers.l2 import ARP, Ether

from ksuite.campaigns.lab import CommandFailed, Lab, is_chatter, place_of
from ksuite.dut import lab as dut_lab
from ksuite.errors import DutError, InfrastructureError, UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ksuite.campaigns.dut import Dut
    from ksuite.campaigns.own_tests import OnDut


class StubDut:
    """Answers calls with what it was told to."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer
        self.calls: list[tuple[Any, ...]] = []

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        self.calls.append((function, *args))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def retire(self) -> None:
        self.calls.append(("retired",))

    def discard(self) -> None:
        self.calls.append(("discarded",))


def lab_on(dut: StubDut) -> Lab:
    return Lab(cast("Dut", dut), cast("OnDut", None), ["one"], "6.1")


@pytest.mark.parametrize(
    ("link", "place"), [("a", ("", "a")), ("left/a", ("left", "a")), ("x/123456789012345", None)]
)
def test_a_link_has_a_place(link: str, place: tuple[str, str] | None) -> None:
    assert place_of(link) == (place or ("x", "123456789012345"))


@pytest.mark.parametrize("link", ["", "left/", "a/b/c", "1234567890123456", "../x", "..//x"])
def test_what_is_no_link_is_refused(link: str) -> None:
    with pytest.raises(UserError, match="is no link"):
        place_of(link)


def test_namespaces_of_links_come_by_themselves_and_once() -> None:
    dut = StubDut()
    lab = lab_on(dut)
    assert lab.veth("left/a", "right/b") == ("left/a", "right/b")
    lab.tap("left/t")
    assert [call for call in dut.calls if call[0] is dut_lab.add_namespace] == [
        (dut_lab.add_namespace, "left"),
        (dut_lab.add_namespace, "right"),
    ]
    lab.take_links_down()
    assert dut.calls[-1] == (dut_lab.take_down, ["left", "right"])
    lab.take_links_down()
    assert dut.calls[-1] == (dut_lab.take_down, [])


@pytest.mark.parametrize(
    ("passed", "done"),
    [(True, [dut_lab.dismantle, "retired", "discarded"]), (False, ["discarded"])],
)
def test_the_next_test_gets_another_guest(passed: bool, done: list[Any]) -> None:
    dut = StubDut(["one"])
    lab_on(dut).end(passed=passed)
    assert [call[0] for call in dut.calls] == done


def test_a_guest_whose_modules_do_not_unload_is_thrown_away() -> None:
    dut = StubDut(DutError("in use"))
    with pytest.raises(DutError, match="in use"):
        lab_on(dut).end(passed=True)
    assert [call[0] for call in dut.calls] == [dut_lab.dismantle, "discarded"]


def test_a_command_that_fails_says_why() -> None:
    assert lab_on(StubDut((0, "out", ""))).run("ip", "link") == "out"
    with pytest.raises(CommandFailed, match="ip link: exit status 2: no such device") as caught:
        lab_on(StubDut((2, "", "no such device\n"))).run("ip", "link")
    assert caught.value.status == 2


def test_frames_go_as_bytes_and_chatter_is_left_out() -> None:
    mine = bytes(Ether() / IP() / UDP())
    dut = StubDut([[bytes(Ether() / IPv6() / ICMPv6ND_NS()), mine], []])
    heard = lab_on(dut).exchange([("left/a", Ether() / ARP())], ["b", "right/c"])
    assert heard == [[mine], []]
    (call,) = dut.calls
    assert call[1] == [("left", "a", bytes(Ether() / ARP()))]
    assert call[2] == [("", "b"), ("right", "c")]


@pytest.mark.parametrize("answer", [None, [], [[], []], "frames"])
def test_a_dut_that_sends_no_frames_is_none(answer: Any) -> None:
    with pytest.raises(InfrastructureError, match="sent no frames"):
        lab_on(StubDut(answer)).exchange([], ["b"])


@pytest.mark.parametrize(
    ("packet", "chatters"),
    [
        (IPv6() / ICMPv6ND_NS(), True),
        (IPv6() / IPv6ExtHdrHopByHop() / ICMPv6MLReport2(), True),
        (IPv6() / ICMPv6EchoRequest(), False),
        (IPv6() / UDP() / bytes(20), False),
        (IP() / UDP() / bytes(40), False),
        (ARP(), False),
    ],
)
def test_what_ipv6_says_by_itself(packet: Any, chatters: bool) -> None:
    frame = bytes(Ether() / packet)
    assert is_chatter(frame) is chatters
    assert not is_chatter(frame[:50])
