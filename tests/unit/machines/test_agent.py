# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent over pipes: with the real remote side in a process, and with one that misbehaves."""

from __future__ import annotations

import gc
import os
import queue
import resource
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from execnet import dumps

from ksuite.dut import modules
from ksuite.machines.agent import BOOT_LINE, MESSAGE_LIMIT_BYTES, Agent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Events = queue.SimpleQueue[tuple[str, Any]]
EXEC, DATA, CLOSE_ERROR = 3, 4, 6
"""execnet's message types."""
GIB = 1 << 30


def message(kind: int, channel: int, payload: bytes) -> bytes:
    return struct.pack("!bii", kind, channel, len(payload)) + payload


@pytest.fixture
def dut(checkout: Path) -> Iterator[tuple[Agent, Events, subprocess.Popen[bytes]]]:
    """Yield an agent whose other side is a process here."""
    events: Events = queue.SimpleQueue()
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", BOOT_LINE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(checkout)},
    )
    with suppress(BrokenPipeError), process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Agent(process.stdin, process.stdout, events), events, process  # type: ignore[arg-type]
        process.kill()


def first_event(says: bytes, *, then_ends: bool = False) -> tuple[str, Any]:
    """Return what an agent makes of a DUT that sends these bytes, whatever it is told."""
    events: Events = queue.SimpleQueue()
    controller, dut = socket.socketpair()
    to_dut, from_dut = controller.makefile("wb"), controller.makefile("rb")
    with controller, to_dut, from_dut, dut:
        Agent(to_dut, from_dut, events)
        dut.sendall(says)
        if then_ends:
            dut.shutdown(socket.SHUT_WR)
        return events.get(timeout=10)


def next_event(events: Events) -> tuple[str, Any]:
    return events.get(timeout=10)


def test_ready_then_answers(dut: tuple[Agent, Events, Any]) -> None:
    agent, events, _ = dut
    assert next_event(events) == ("ready", os.uname().release)
    agent.send([(modules.build_id, ("no_such_module",), {})])
    assert next_event(events) == ("answer", [("ok", "")])
    agent.send([(modules.build_id, (), {"name": "no_such_module"})] * 2)
    assert next_event(events) == ("answer", [("ok", "")] * 2)


@pytest.mark.parametrize(
    ("function", "args", "kind", "says"),
    [
        (modules.load, ({"no_such_module": b"garbage"}, []), "os", "load no_such_module: "),
        (modules.unload, (5,), "bug", "TypeError"),
        (os.getpid, (), "bug", "not part of ksuite.dut."),
    ],
)
def test_failures_are_told_apart(
    dut: tuple[Agent, Events, Any],
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kind: str,
    says: str,
) -> None:
    agent, events, _ = dut
    next_event(events)
    agent.send([(function, args, {}), (modules.build_id, ("never asked",), {})])
    name, [(status, told, text, _)] = next_event(events)
    assert (name, status, told) == ("answer", "error", kind)
    assert says in text


def test_death_in_mid_call(dut: tuple[Agent, Events, subprocess.Popen[bytes]]) -> None:
    agent, events, process = dut
    next_event(events)
    process.kill()
    process.wait()
    assert next_event(events)[0] == "gone"
    with pytest.raises(OSError, match="closed"):
        agent.send([(modules.build_id, ("x",), {})])


@pytest.mark.parametrize(
    "says",
    [b"", b"login: ", b"1\x04\x00", b"1" + message(DATA, 1, b"x" * 99)[:50]],
    ids=["nothing", "garbage", "half a header", "half a message"],
)
def test_stream_that_ends_is_told(says: bytes) -> None:
    assert first_event(says, then_ends=True)[0] == "gone"


@pytest.mark.parametrize(
    "says",
    [
        b"login: ",
        b"1" + message(99, 1, b""),
        b"1" + message(0, 1, b""),
        b"1" + message(DATA, 1, b"garbage, not a serialised object"),
        b"1" + struct.pack("!bii", DATA, 1, GIB),
        b"1" + struct.pack("!bii", DATA, 1, MESSAGE_LIMIT_BYTES + 1),
        b"1" + struct.pack("!bii", DATA, 1, -1),
    ],
    ids=["no agent", "type", "status", "payload", "1 GiB", "just too large", "negative"],
)
def test_garbage_ends_the_connection(says: bytes) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert first_event(says)[0] == "gone"
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 32 * 1024


def test_object_that_announces_many_items_eats_no_memory() -> None:
    """25 bytes that claim to be a list of 50 million: refused, as a large message is."""
    dump = b"K" + struct.pack("!i", 50_000_000) + b"Q"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert first_event(b"1" + message(DATA, 1, dump))[0] == "gone"
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 100 * 1024


def test_dut_can_not_execute_on_the_controller(tmp_path: Path) -> None:
    proof = tmp_path / "executed"
    source = f"open({str(proof)!r}, 'w')"
    with suppress(queue.Empty):
        first_event(b"1" + message(EXEC, 2, dumps((source, None, None, {}))[1:]), then_ends=True)
    assert not proof.exists()


def test_dut_can_not_write_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    last_words = message(CLOSE_ERROR, 1, dumps("\x1b[2Jowned")[1:])
    assert first_event(b"1" + last_words, then_ends=True)[0] == "gone"
    gc.collect()
    assert "\x1b" not in "".join(capfd.readouterr())
