# SPDX-License-Identifier: GPL-2.0-or-later
"""One flower rule, a packet that it is meant for, and a near miss.

::

    packet socket --> gen ==veth== port, clsact ingress: flower + actions --> out ==veth== sink
                                    |
                                   tun, a tunnel port, if there is one; rules may be there, too
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from ksuite.dut import tc
from ksuite.dut.cpu import prompt_softirqs
from ksuite.dut.links import dropped_packets, veth
from ksuite.dut.packet import PacketRing
from ksuite.dut.tunnels import tunnel

if TYPE_CHECKING:
    from collections.abc import Sequence

Observation = dict[str, Any]
SLOTS = 8
SLOT_BYTES = 2048
PREFERENCE = 10


def judge(
    protocol: str,
    keys: str,
    actions: str,
    frames: Sequence[bytes],
    before: Sequence[str] = (),
    *,
    port: str = "port",
    watched: str = "sink",
    over: str = "",
) -> list[Observation]:
    """Install a rule at the ingress of a port, and send frames, one by one.

    :param protocol: what the filter is for, in tc's words.
    :param keys: flower's, in tc's words.
    :param actions: in tc's words; ``out`` is a link whose other end is watched.
    :param before: rules that come first, as what follows ``filter add dev port ingress``.
    :param port: where the rules are: ``port`` or ``tun``.
    :param watched: where frames are awaited: ``sink``, or ``gen`` for those that come back.
    :param over: the kind of tunnel port that there is, a key of `tunnels.PORTS`.
    :return: for each frame: ``sent`` frames at the watched end; ``passed`` packets of no
        known protocol that the port's stack got; ``rules`` as tc dumps them afterwards.
    :raises OSError: the kernel refused a rule, with its reason.
    """
    with ExitStack() as stack:
        stack.enter_context(veth("gen", "port"))
        stack.enter_context(veth("out", "sink"))
        if over:
            stack.enter_context(tunnel("tun", over, "port"))
        stack.enter_context(tc.clsact(port))
        rule = f"pref {PREFERENCE} protocol {protocol} flower skip_hw {keys} {actions}"
        tc.run([f"filter add dev {port} ingress {line}" for line in (*before, rule)])
        sink = stack.enter_context(PacketRing(watched, SLOTS, SLOT_BYTES, send=False))
        source = stack.enter_context(PacketRing("gen", len(frames), SLOT_BYTES, send=True))
        stack.enter_context(prompt_softirqs())
        seen = []
        for slot, frame in enumerate(frames):
            dropped = dropped_packets(port)
            source.frames[slot, : len(frame)] = np.frombuffer(frame, dtype=np.uint8)
            source.headers["len"][slot] = len(frame)
            source.send(1)
            seen.append(
                {
                    "sent": sink.take(),
                    "passed": dropped_packets(port) - dropped,
                    "rules": tc.filters(port, preference=PREFERENCE),
                }
            )
        return seen
