# SPDX-License-Identifier: GPL-2.0-or-later
"""What packets that act_mirred sends elsewhere bring along, and what becomes of them in rounds.

::

    packet socket --> gen ==veth== port, clsact --> out ==veth== sink
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from ksuite.dut import tc, xdp
from ksuite.dut.cpu import prompt_softirqs
from ksuite.dut.links import veth
from ksuite.dut.packet import PacketRing
from ksuite.dut.tc_mirred import send

if TYPE_CHECKING:
    from collections.abc import Sequence

Observation = dict[str, Any]
SLOT_BYTES = 2048
TRACK = "protocol ip pref 1 flower skip_hw ct_state -trk action ct zone 5 pipe action goto chain 1"
TRACKED = "protocol ip chain 1 pref 1 flower skip_hw ct_state +trk"
TARGETS = {"egress": "out", "ingress": "sink"}


def conntrack(frames: Sequence[bytes], kind: str, towards: str) -> Observation:
    """Have packets tracked at the ingress of a port, send them on, and look at them there.

    :param kind: ``redirect`` or ``mirror``.
    :param towards: the side of the target on which a second rule looks.
    :return: ``sent`` packets that were tracked when the rule sent them on; ``tracked`` and
        ``untracked`` ones at the target.
    """
    target = TARGETS[towards]
    with ExitStack() as stack:
        _links(stack, "port", target)
        here, there = "filter add dev port ingress", f"filter add dev {target} {towards}"
        look = f"{there} protocol ip pref {{}} flower skip_hw ct_state {{}} action drop"
        tc.run(
            [
                f"{here} {TRACK}",
                f"{here} {TRACKED} action mirred {towards} {kind} dev {target}",
                look.format(1, "+trk"),
                look.format(2, "-trk"),
            ]
        )
        stack.enter_context(prompt_softirqs())
        send(frames, "ingress")
        tracked, untracked = tc.actions(target, towards)
        return {
            "sent": tc.actions("port")[-1]["stats"]["packets"],
            "tracked": tracked["stats"]["packets"],
            "untracked": untracked["stats"]["packets"],
        }


def past_generic_xdp(frames: Sequence[bytes], hook: str, kind: str) -> list[bytes]:
    """Send frames on to the ingress of a link whose generic XDP program drops everything.

    :param hook: where the rule sits: ``ingress`` of a port, or ``egress`` of the link that
        sends to it.
    :param kind: ``redirect`` or ``mirror``.
    :return: the frames that the link's stack got all the same.
    """
    interface = {"ingress": "port", "egress": "gen"}[hook]
    with ExitStack() as stack:
        _links(stack, interface)
        stack.enter_context(xdp.dropping("sink"))
        tc.run([_all(interface, hook, f"action mirred ingress {kind} dev sink")])
        sink = stack.enter_context(PacketRing("sink", len(frames), SLOT_BYTES, send=False))
        stack.enter_context(prompt_softirqs())
        send(frames, hook)
        return sink.take()


def around(frames: Sequence[bytes], hops: Sequence[Sequence[str]]) -> list[Observation]:
    """Send frames from ``gen`` through rules that redirect each packet from hook to hook.

    :param hops: for each rule its interface and hook, and the side and interface it redirects to.
    :return: for each rule ``packets`` and ``overlimits`` of its action, and ``drops`` of its hook.
    """
    with ExitStack() as stack:
        _links(stack, *(interface for interface, *_ in hops))
        tc.run(
            [
                _all(interface, hook, f"action mirred {towards} redirect dev {target}")
                for interface, hook, towards, target in hops
            ]
        )
        stack.enter_context(prompt_softirqs())
        send(frames, "egress")
        return [_counters(interface, hook) for interface, hook, *_ in hops]


def _links(stack: ExitStack, *hooked: str) -> None:
    stack.enter_context(veth("gen", "port"))
    stack.enter_context(veth("out", "sink"))
    for interface in hooked:
        stack.enter_context(tc.clsact(interface))


def _all(interface: str, hook: str, action: str) -> str:
    return f"filter add dev {interface} {hook} protocol all pref 1 matchall skip_hw {action}"


def _counters(interface: str, hook: str) -> Observation:
    (action,) = tc.actions(interface, hook)
    return {
        "packets": action["stats"]["packets"],
        "overlimits": action["stats"]["overlimits"],
        "drops": tc.hook_drops(interface),
    }
