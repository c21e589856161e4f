# SPDX-License-Identifier: GPL-2.0-or-later
"""flower's tunnel keys, and tunnel_key: both ways through a VXLAN and a Geneve port.

::

    packet socket --> gen ==veth== port --> tun, clsact ingress: flower + redirect --> out

    packet socket --> gen ==veth== port, clsact ingress: flower + tunnel_key set + redirect --> tun
    packet socket <--          <--                                                         <--

Rules go in through ``tc -b``: pyroute2 knows neither flower nor tunnel_key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ksuite.dut import tc_flower
from ksuite.dut.tunnels import FAR_IP, NEAR_IP, PORTS
from tests.packets import THERE
from tests.tc.tunnels import INNER, KEY, TUNNEL_KEYS, TunnelKey, arriving, leaving

if TYPE_CHECKING:
    from ksuite.campaigns.dut import Dut

pytestmark = pytest.mark.ks_scenario("tc_function")

OUT = "action mirred egress redirect dev out"
OTHER_PORT = 4799
LEAVES_FOR = {"vxlan": OTHER_PORT, "geneve": PORTS["geneve"]}
"""A Geneve port sends to its own UDP port, whatever it is told (drivers/net/geneve.c)."""


@pytest.mark.parametrize("key", TUNNEL_KEYS, ids=[key.name for key in TUNNEL_KEYS])
def test_tunnel_key(ks_dut: Dut, key: TunnelKey) -> None:
    """The rule is dumped as it was installed, takes its packet's inside, and no other."""
    frames = [bytes(key.hit), bytes(key.miss)]
    taken, left = ks_dut.call(
        tc_flower.judge, "all", key.keys, OUT, frames, port="tun", over=key.kind
    )
    assert (taken["sent"], taken["passed"]) == ([INNER], 0)
    assert (left["sent"], left["passed"]) == ([], 1)
    (rule,) = left["rules"]
    assert rule["options"]["keys"] == key.dumped
    (action,) = rule["options"]["actions"]
    assert action["stats"]["packets"] == 1


@pytest.mark.parametrize("kind", PORTS)
def test_rule_for_another_tunnel_port(ks_dut: Dut, kind: str) -> None:
    frames, keys = [bytes(arriving(kind))], f"enc_dst_port {PORTS[kind] + 1}"
    (seen,) = ks_dut.call(tc_flower.judge, "all", keys, OUT, frames, port="tun", over=kind)
    assert (seen["sent"], seen["passed"]) == ([], 1)


@pytest.mark.parametrize("kind", PORTS)
def test_tunnel_key_set(ks_dut: Dut, kind: str) -> None:
    """A packet leaves in a tunnel packet that the action describes, to the byte."""
    action = (
        f"action tunnel_key set src_ip {NEAR_IP} dst_ip {FAR_IP} id {KEY} dst_port {OTHER_PORT} "
        "tos 0x10 ttl 9 nocsum pipe action mirred egress redirect dev tun"
    )
    (seen,) = ks_dut.call(
        tc_flower.judge, "all", f"dst_mac {THERE}", action, [INNER], watched="gen", over=kind
    )
    (sent,) = seen["sent"]
    assert sent == leaving(kind, sent, port=LEAVES_FOR[kind], tos=0x10, ttl=9)
    (rule,) = seen["rules"]
    set_key, redirect = rule["options"]["actions"]
    assert (set_key["kind"], set_key["mode"]) == ("tunnel_key", "set")
    assert (set_key["key_id"], set_key["dst_ip"]) == (KEY, FAR_IP)
    assert set_key["stats"]["packets"] == redirect["stats"]["packets"] == 1


@pytest.mark.parametrize("kind", PORTS)
def test_tunnel_key_unset(ks_dut: Dut, kind: str) -> None:
    """A packet has no tunnel's key any more."""
    unset = "pref 1 protocol all matchall action tunnel_key unset pipe action continue"
    frames, keys = [bytes(arriving(kind))], f"enc_key_id {KEY}"
    (seen,) = ks_dut.call(tc_flower.judge, "all", keys, OUT, frames, [unset], port="tun", over=kind)
    assert (seen["sent"], seen["passed"]) == ([], 1)
