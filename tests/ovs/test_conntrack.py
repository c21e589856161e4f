# SPDX-License-Identifier: GPL-2.0-or-later
"""Connection tracking by the datapath: state, zone, mark, address translation, and clearing.

What a packet's key holds after tracking is read from the upcall of a userspace action.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from ksuite.dut import ovs_bare
from ksuite.dut.ovs_datapath import UPCALL_PORT
from tests.ovs.packets import UDP4, only
from tests.packets import DATA, HERE, THERE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ksuite.campaigns.dut import Dut

pytestmark = pytest.mark.ks_scenario("ovs_function")

NEW, ESTABLISHED, REPLY, TRACKED, SOURCE_NAT, DESTINATION_NAT = 0x01, 0x02, 0x08, 0x20, 0x40, 0x80
"""OVS_CS_F_*, include/uapi/linux/openvswitch.h."""
TRACK = ("ct_state", "ct_zone", "ct_mark")
ALL_BITS = 0xFFFFFFFF
TELL = ("userspace", UPCALL_PORT, b"tracked")
BACK = Ether(src=THERE, dst=HERE)
REQUEST = bytes(UDP4)
ANSWER = bytes(BACK / IP(src="10.0.1.1", dst="10.0.0.1") / UDP(sport=2000, dport=1000) / DATA)


def tracked(dut: Dut, flows: Sequence[Any], sent: Sequence[tuple[int, bytes]]) -> list[Any]:
    """Return what became of each frame, with the key that its upcall brought."""
    frames: list[Any] = dut.call(ovs_bare.judge, flows, sent)["frames"]
    return frames


def committed(**options: Any) -> list[Any]:
    """Return what tracks requests, commits their connection, and tells of it."""
    return [("ct", {"commit": True, "zone": 7} | options), ("recirc", 1)]


def test_committed_connection_has_zone_and_mark(ks_dut: Dut) -> None:
    turns = [committed(mark=(5, ALL_BITS)), [TELL, ("output", 2)]]
    one = only(tracked(ks_dut, [((1, REQUEST), turns)], [(1, REQUEST)]))
    assert one["out"] == {2: [REQUEST]}
    upcall = only(one["upcalls"])
    read = upcall["key"]
    assert tuple(read.get(name) for name in TRACK) == (TRACKED | NEW, 7, 5)
    assert read.get("recirc_id") == 1


def test_answer_is_established_and_the_next_request_too(ks_dut: Dut) -> None:
    flows = [
        ((1, REQUEST), [committed(), [("output", 2)]]),
        ((2, ANSWER), [[("ct", {"zone": 7}), ("recirc", 2)], [TELL, ("output", 1)]]),
    ]
    answer, request = tracked(ks_dut, flows, [(2, ANSWER), (1, REQUEST)])
    assert answer["out"] == {1: [ANSWER]}
    told = only(answer["upcalls"])
    assert told["key"].get("ct_state") == TRACKED | ESTABLISHED | REPLY
    # No flow is there for its new state.
    missed = only(request["upcalls"])
    assert (missed["kind"], missed["key"].get("ct_state")) == ("miss", TRACKED | ESTABLISHED)


def test_zones_know_nothing_of_each_other(ks_dut: Dut) -> None:
    flows = [
        ((1, REQUEST), [committed(), [("output", 2)]]),
        ((2, ANSWER), [[("ct", {"zone": 8}), ("recirc", 2)], [TELL]]),
    ]
    answer = only(tracked(ks_dut, flows, [(2, ANSWER)]))
    told = only(answer["upcalls"])
    assert (told["key"].get("ct_state"), told["key"].get("ct_zone")) == (TRACKED | NEW, 8)


def test_connection_that_is_not_committed_stays_new(ks_dut: Dut) -> None:
    flows = [
        ((1, REQUEST), [[("ct", {"zone": 7}), ("recirc", 1)], [("output", 2)]]),
        ((2, ANSWER), [[("ct", {"zone": 7}), ("recirc", 2)], [TELL]]),
    ]
    answer = only(tracked(ks_dut, flows, [(2, ANSWER)]))
    told = only(answer["upcalls"])
    assert told["key"].get("ct_state") == TRACKED | NEW


def test_clear_forgets_what_was_tracked(ks_dut: Dut) -> None:
    turns = [committed(mark=(5, ALL_BITS)), [("ct_clear",), ("recirc", 2)], [TELL]]
    one = only(tracked(ks_dut, [((1, REQUEST), turns)], [(1, REQUEST)]))
    upcall = only(one["upcalls"])
    read = upcall["key"]
    assert tuple(read.get(name) for name in TRACK) == (0, 0, 0)


def there_and_back(dut: Dut, nat: dict[str, Any], answer: bytes) -> tuple[Any, Any]:
    """Return what became of a request whose connection is translated, and of its answer."""
    flows = [
        ((1, REQUEST), [committed(nat=nat), [TELL, ("output", 2)]]),
        ((2, answer), [[("ct", {"zone": 7, "nat": {}}), ("recirc", 2)], [("output", 1)]]),
    ]
    out, back = tracked(dut, flows[:1], [(1, REQUEST)]), tracked(dut, flows, [(2, answer)])
    return out[0], back[0]


def to(address: str, port: int) -> dict[str, Any]:
    """Return the range of one address and port."""
    return {"ip_min": address, "ip_max": address, "proto_min": port, "proto_max": port}


def test_source_nat_there_and_back(ks_dut: Dut) -> None:
    """Addresses, ports and checksums both ways, to the byte."""
    outside = Ether(src=HERE, dst=THERE) / IP(src="192.0.2.9", dst="10.0.1.1")
    translated = bytes(outside / UDP(sport=5000, dport=2000) / DATA)
    answer = bytes(BACK / IP(src="10.0.1.1", dst="192.0.2.9") / UDP(sport=2000, dport=5000) / DATA)
    out, back = there_and_back(ks_dut, {"src": True, **to("192.0.2.9", 5000)}, answer)
    assert out["out"] == {2: [translated]}
    assert out["upcalls"][0]["key"].get("ct_state") == TRACKED | NEW | SOURCE_NAT
    assert back == {"out": {1: [ANSWER]}, "upcalls": []}


def test_destination_nat_there_and_back(ks_dut: Dut) -> None:
    """As a service's address stands for the host behind it."""
    inside = Ether(src=HERE, dst=THERE) / IP(src="10.0.0.1", dst="192.0.2.8")
    translated = bytes(inside / UDP(sport=1000, dport=6000) / DATA)
    answer = bytes(BACK / IP(src="192.0.2.8", dst="10.0.0.1") / UDP(sport=6000, dport=1000) / DATA)
    out, back = there_and_back(ks_dut, {"dst": True, **to("192.0.2.8", 6000)}, answer)
    assert out["out"] == {2: [translated]}
    # The source gets a binding too, lest two answers be taken for one (95219afbb980).
    translations = DESTINATION_NAT | SOURCE_NAT
    assert out["upcalls"][0]["key"].get("ct_state") == TRACKED | NEW | translations
    assert back == {"out": {1: [ANSWER]}, "upcalls": []}
