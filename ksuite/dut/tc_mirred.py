# SPDX-License-Identifier: GPL-2.0-or-later
"""What act_mirred does to packets that one rule sends elsewhere.

::

    packet socket --> gen ==veth== port --> host stack
                       |             |
                 egress hook   ingress hook    flower + mirred --> out ==veth== sink --> socket
"""

from __future__ import annotations

import socket
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from ksuite.dut import tc
from ksuite.dut.calls import counted
from ksuite.dut.cpu import prompt_softirqs
from ksuite.dut.links import dropped_packets, set_state, veth
from ksuite.dut.packet import PACKET_QDISC_BYPASS, SOL_PACKET, PacketRing

if TYPE_CHECKING:
    from collections.abc import Sequence

Observation = dict[str, Any]
SLOT_BYTES = 2048
HOOKS = {"ingress": "port", "egress": "gen"}
"""On which end of the veth pair a rule sits."""
COUNTED = ("packets", "bytes", "drops", "overlimits")
INDEX = 1
"""Of the action under test."""


def forward(
    frames: Sequence[bytes],
    hook: str,
    kind: str,
    control: str,
    *,
    towards: str = "egress",
    then: str = "",
    target: str = "up",
) -> Observation:
    """Send frames past one rule and tell what became of them.

    :param hook: ``ingress`` or ``egress``.
    :param kind: ``redirect`` or ``mirror``.
    :param control: what mirred returns, a key of `tc.CONTROLS`.
    :param towards: the side of the target on which the packets come out.
    :param then: further actions, in tc's words.
    :param target: ``up``, or before the first packet ``down``, or ``replaced`` by a new link of the
        same name, of which the rule does not know.
    :return: ``clones`` calls of skb_clone(); ``queued`` packets that took the way through the
        backlog, beside a veth's, which all do; ``arrived`` frames at the target; ``seen`` frames
        that a packet socket on the port saw; ``passed`` how many frames got past the hook;
        ``drops`` how many the hook counts as dropped; ``actions`` statistics of all actions in
        order; ``to`` the link that the first one names.
    """
    with ExitStack() as stack:
        stack.enter_context(veth("gen", "port"))
        target_links = stack.enter_context(ExitStack())
        target_links.enter_context(veth("out", "sink"))
        target_link = "out" if towards == "egress" else "sink"
        stack.enter_context(tc.mirred(INDEX, towards, kind, control, target_link))
        stack.enter_context(tc.clsact(HOOKS[hook]))
        rule = f"filter add dev {HOOKS[hook]} {hook} protocol all pref 1 matchall"
        tc.run([f"{rule} action mirred index {INDEX} {then}".rstrip()])
        if target == "down":
            set_state("out", up=False)
        elif target == "replaced":
            target_links.close()
            stack.enter_context(veth("out", "sink"))
        sinks = {
            name: stack.enter_context(PacketRing(name, 4 * len(frames), SLOT_BYTES, send=False))
            for name in ("sink", "port")
        }
        stack.enter_context(prompt_softirqs())
        # Since 5.18 a veth calls the one with the underscores (baebdf48c360).
        names = ("skb_clone", "netif_rx", "veth_xmit")
        calls = stack.enter_context(counted(*names, perhaps=("__netif_rx",)))
        before = dropped_packets("port")
        send(frames, hook)
        called = calls.counts()
        seen = sinks["port"].take()
        actions = tc.actions(HOOKS[hook], hook)
        return {
            "clones": called["skb_clone"],
            "queued": called["netif_rx"] + called.get("__netif_rx", 0) - called["veth_xmit"],
            "arrived": sinks["sink"].take(),
            "seen": seen,
            "passed": dropped_packets("port") - before if hook == "ingress" else len(seen),
            "drops": tc.hook_drops(HOOKS[hook]),
            "actions": [_statistics(action) for action in actions],
            "to": actions[0]["to_dev"],
        }


def send(frames: Sequence[bytes], hook: str) -> None:
    """Send frames from ``gen``, through its egress hook if that is the hook meant."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as source:
        source.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, int(hook == "ingress"))
        source.bind(("gen", 0))
        for frame in frames:
            # A drop at egress is told to the sender.
            with suppress(OSError):
                source.send(frame)


def _statistics(action: dict[str, Any]) -> dict[str, int]:
    return {name: int(action["stats"][name]) for name in COUNTED}
