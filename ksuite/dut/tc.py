# SPDX-License-Identifier: GPL-2.0-or-later
"""Traffic control's rules, written and read as iproute2's ``tc`` does.

pyroute2 knows neither flower nor most actions, so that all rules go through ``tc -b``, which also
tells what the kernel says when it refuses one (extack).
"""

from __future__ import annotations

import json
import shutil
import socket
import struct
import subprocess
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ksuite.dut.agent import CannotObserveError
from ksuite.dut.netlink import (
    NLM_F_ACK,
    NLM_F_CREATE,
    attribute,
    message,
    must_be_acknowledged,
    routing,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


RTM_NEWACTION = 48
DELETIONS_TRIED = 100
TCA_ACT_TAB = 1
TCA_ACT_KIND = 1
TCA_ACT_OPTIONS = 2
TCA_MIRRED_PARMS = 2
_TC_MIRRED = struct.Struct("=IIiiiiI")
"""struct tc_mirred: index, capab, action, refcnt, bindcnt, eaction, ifindex."""

MIRRED = {
    ("egress", "redirect"): 1,
    ("egress", "mirror"): 2,
    ("ingress", "redirect"): 3,
    ("ingress", "mirror"): 4,
}
CONTROLS = {"ok": 0, "drop": 2, "pipe": 3, "stolen": 4, "queued": 5, "trap": 8}
"""Control actions, include/uapi/linux/pkt_cls.h."""


def run(lines: Sequence[str]) -> None:
    """Carry out lines of ``tc -b``.

    :raises OSError: one was refused, with the kernel's reason.
    """
    text = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(
        ["tc", "-b", "-"], input=text, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise OSError(f"tc: {done.stderr.strip()}")


def _tc(arguments: Sequence[str], text: str = "") -> str:
    if (tool := shutil.which("tc")) is None:
        raise CannotObserveError("the DUT has no tc (iproute2)")
    command = [tool, *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"tc: {done.stderr.strip()}")
    return done.stdout


def mirred_action(index: int, towards: str, kind: str, control: str, interface: str) -> bytes:
    """Return the attributes that say of an action that it is this one; see `mirred`."""
    numbers = (index, 0, CONTROLS[control], 0, 0, MIRRED[towards, kind])
    parameters = _TC_MIRRED.pack(*numbers, socket.if_nametoindex(interface))
    options = attribute(TCA_ACT_OPTIONS, attribute(TCA_MIRRED_PARMS, parameters))
    return attribute(TCA_ACT_KIND, b"mirred\0") + options


@contextmanager
def mirred(index: int, towards: str, kind: str, control: str, interface: str) -> Iterator[None]:
    """Create a mirred action with any control action, to be used by its index.

    Neither tc nor pyroute2 lets a redirect end otherwise than stolen.

    :param towards: ``egress`` or ``ingress`` of the interface.
    :param kind: ``redirect`` or ``mirror``.
    :param control: a key of CONTROLS.
    :raises OSError: the kernel refused it.
    """
    action = mirred_action(index, towards, kind, control, interface)
    body = bytes(4) + attribute(TCA_ACT_TAB, attribute(1, action))
    with routing() as netlink:
        netlink.send(message(RTM_NEWACTION, NLM_F_ACK | NLM_F_CREATE, body))
        must_be_acknowledged(netlink.recv(4096), f"mirred {towards} {kind} {control}")
    try:
        yield
    finally:
        _delete_action(f"mirred index {index}")


def mirred_packets() -> dict[int, int]:
    """Return how many packets each mirred action has counted, by its index."""
    told = json.loads(_tc(["-s", "-j", "actions", "list", "action", "mirred"]))
    listed = [action for part in told for action in part.get("actions", ())]
    return {action["index"]: action["stats"]["packets"] for action in listed}


def _delete_action(action: str) -> None:
    # Filters let go of their actions only some time after they are gone (tcf_queue_work()).
    for _ in range(DELETIONS_TRIED):
        with suppress(OSError):
            return run([f"actions del action {action}"])
        time.sleep(0.01)
    return run([f"actions del action {action}"])


@contextmanager
def clsact(interface: str) -> Iterator[None]:
    """Give an interface the hooks that filters are attached to."""
    run([f"qdisc add dev {interface} clsact"])
    try:
        yield
    finally:
        run([f"qdisc del dev {interface} clsact"])


def filters(
    interface: str, direction: str = "ingress", *, preference: int = 0
) -> list[dict[str, Any]]:
    """Return the filters of a hook with their statistics, as ``tc -s -j filter show`` has them.

    :param preference: only those; some classifiers (fw) have no valid JSON in iproute2 6.1.
    """
    only = ["pref", str(preference)] if preference else []
    rules = _show("filter", interface, direction, *only)
    return [rule for rule in rules if "options" in rule and "handle" in rule["options"]]


def hook_drops(interface: str) -> int:
    """Return how many packets the hooks of an interface have dropped."""
    hooks = [qdisc for qdisc in _show("qdisc", interface) if qdisc["kind"] == "clsact"]
    (drops,) = (qdisc["drops"] for qdisc in hooks)
    return int(drops)


def _show(what: str, interface: str, *more: str) -> list[dict[str, Any]]:
    told = _tc(["-s", "-j", what, "show", "dev", interface, *more])
    shown: list[dict[str, Any]] = json.loads(told or "[]")
    return shown


def actions(interface: str, direction: str = "ingress") -> list[dict[str, Any]]:
    """Return the actions of all filters of a hook, in order."""
    return [
        action for rule in filters(interface, direction) for action in rule["options"]["actions"]
    ]
