# SPDX-License-Identifier: GPL-2.0-or-later
"""Both ends of a mailbox on one file; nothing is stopped, the ends take turns by being called."""

from __future__ import annotations

import gc
import mmap
import os
import stat
import struct
import sys
import time
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from execnet import gateway_base

from ksuite.dut import agent, modules
from ksuite.dut import mailbox as dut_mailbox
from ksuite.dut.mailbox import HEADER, MAILBOX_BYTES
from ksuite.errors import UserError
from ksuite.machines.agent import as_message
from ksuite.machines.mailbox import Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from ksuite.machines.machine import Call

MIB = 1 << 20
ASK: Call = (modules.build_id, ("no_such_module",), {})


class OverError(Exception):
    """The controller has nothing more to ask."""


class DutEnd(dut_mailbox.Mailbox):
    """The DUT's end, over the controller's file in the place of persistent memory.

    :param stopped: called where QEMU would stop the DUT; the port must not be touched on a host.
    """

    def __init__(self, path: Path, stopped: Callable[[], None]) -> None:
        self._memory = os.open(path, os.O_RDWR)
        self._port = 505
        self._buffer = mmap.mmap(-1, MAILBOX_BYTES)
        self._number = 0
        self._stopped = stopped

    def _stop_the_world(self) -> None:
        self._stopped()

    def close(self) -> None:
        os.close(self._memory)
        self._buffer.close()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Mailbox]:
    box = Mailbox(tmp_path)
    yield box
    box.close()


def talk(box: Mailbox, *posts: Sequence[Call]) -> list[Any]:
    """Let the real agent serve these posts, and return all that it said."""
    said: list[Any] = []
    left = list(posts)

    def stopped() -> None:
        said.append(box.take())
        if not left:
            raise OverError
        box.post(left.pop(0))

    dut = DutEnd(box.path, stopped)
    try:
        with suppress(OverError):
            agent.serve(dut)
    finally:
        # The agent wants none in its windows; the rest of the tests does.
        gc.enable()
        dut.close()
    return said


def echo(value: Any) -> Any:
    return value


def zeros(size: int) -> bytes:
    return bytes(size)


@pytest.fixture(autouse=True)
def played(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the agent take these for functions of its own."""
    module = ModuleType("ksuite.dut.played")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for function in (echo, zeros):
        vars(module)[function.__name__] = function
        monkeypatch.setattr(function, "__module__", module.__name__)


def leave(box: Mailbox, number: int, data: bytes, length: int | None = None) -> None:
    """Write into the mailbox what a DUT might, with an announced length of its own."""
    with box.path.open("r+b") as file:
        file.write(HEADER.pack(number, len(data) if length is None else length) + data)


def dumps(message: object) -> bytes:
    data: bytes = gateway_base.dumps_internal(message)
    return data


def test_agent_says_hello_and_answers(box: Mailbox) -> None:
    assert talk(box) == [("ok", os.uname().release)]


def test_posts_are_answered_one_after_the_other(box: Mailbox) -> None:
    hello, *answers = talk(box, [ASK], [ASK, ASK, ASK], [ASK])
    assert hello == ("ok", os.uname().release)
    assert answers == [[("ok", "")], [("ok", "")] * 3, [("ok", "")]]


def test_what_comes_after_a_failure_is_not_done(box: Mailbox) -> None:
    refused: Call = (modules.load, ({"no_such_module": b"garbage"}, []), {})
    _, [first, second], after = talk(box, [ASK, refused, ASK], [ASK])
    assert first == ("ok", "")
    assert second[:2] == ("error", "os")
    assert after == [("ok", "")]


def test_plain_data_goes_both_ways(box: Mailbox) -> None:
    sent: dict[str, Any] = {"n": 1, "f": 0.5, "b": b"\0\xff", "l": [1, (2, None)], "t": "ü"}
    _, answer, named = talk(box, [(echo, (sent,), {})], [(echo, (), {"value": True})])
    assert answer == [("ok", sent)]
    assert named == [("ok", True)]


def test_modules_fit(box: Mailbox) -> None:
    """Both ends copy whole blocks: a short message after a long one must not show the long one."""
    image = os.urandom(5 * MIB + 1)
    _, long, short = talk(box, [(echo, (image,), {})], [ASK])
    assert long == [("ok", image)]
    assert short == [("ok", "")]


def test_largest_message(box: Mailbox) -> None:
    def calls(size: int) -> list[Call]:
        return [(echo, (bytes(size),), {})]

    room = MAILBOX_BYTES - HEADER.size - len(dumps(as_message(calls(0))))
    with pytest.raises(
        UserError, match=rf"{MAILBOX_BYTES + 1} bytes for the DUT.* {MAILBOX_BYTES}"
    ):
        box.post(calls(room + 1))
    # What was refused has left no trace.
    _, answer, after = talk(box, calls(room), [ASK])
    assert answer == [("ok", bytes(room))]
    assert after == [("ok", "")]


def test_answer_that_is_too_large_is_told(box: Mailbox) -> None:
    _, [answer], after = talk(box, [(zeros, (MAILBOX_BYTES,), {}), ASK], [ASK])
    status, kind, text, _ = answer
    assert (status, kind) == ("error", "bug")
    assert "bytes of answer" in text
    assert after == [("ok", "")]


@pytest.mark.parametrize("number", [0, 1, 2, 4, 1 << 63])
def test_answer_to_another_post_is_refused(box: Mailbox, number: int) -> None:
    box.post([ASK])
    leave(box, number, dumps([("ok", "")]))
    with pytest.raises(ValueError, match=f"message {number} of .* where 3 is due"):
        box.take()


def test_answer_is_that_of_the_last_post(box: Mailbox) -> None:
    for number in (3, 5, 7):
        box.post([ASK])
        assert not box.answered
        leave(box, number, dumps([("ok", number)]))
        assert box.answered
        assert box.take() == [("ok", number)]
    box.post([ASK])
    leave(box, 7, dumps([("ok", "late")]))
    assert box.answered
    with pytest.raises(ValueError, match="where 9 is due"):
        box.take()


@pytest.mark.parametrize("length", [MAILBOX_BYTES - HEADER.size + 1, 1 << 32, (1 << 64) - 1])
def test_length_beyond_the_mailbox(box: Mailbox, length: int) -> None:
    leave(box, 1, dumps("hello"), length)
    with pytest.raises(ValueError, match=f"of {length} bytes"):
        box.take()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"login: ",
        b"\xff" * 4096,
        dumps(["hello"])[:-1],
        b"N" + struct.pack("!i", 1 << 30) + b"Q",
        b"K" + struct.pack("!i", 50_000_000) + b"Q",
        b"K" + struct.pack("!i", -1) + b"Q",
        # A channel of execnet's, which only a gateway has.
        b"B" + struct.pack("!i", 1) + b"Q",
        b"Q",
    ],
    ids=[
        *("nothing", "text", "ones", "cut off", "1 GiB text", "many items", "negative"),
        *("channel", "only the end"),
    ],
)
def test_garbage_is_no_message(box: Mailbox, data: bytes) -> None:
    leave(box, 1, data)
    with pytest.raises(ValueError, match="no message: "):
        box.take()


def test_nothing_was_ever_said(box: Mailbox) -> None:
    assert not box.answered
    with pytest.raises(ValueError, match="message 0 of 0 bytes, where 1 is due"):
        box.take()


@pytest.mark.parametrize(
    ("ticks", "delays", "stops"), [((1, 1), 1, 1), ((3, 1), 3, 1), ((2, 5), 2, 5)]
)
def test_dut_stops_until_its_clock_leaps(
    ticks: tuple[int, int], delays: int, stops: int, monkeypatch: pytest.MonkeyPatch, box: Mailbox
) -> None:
    """First it lets a tick pass, so that the next one is a leap's.

    :param ticks: after how many writes the kernel's clock ticks, and after how many more again.
    """
    first, second = ticks
    written: list[tuple[bytes, int]] = []

    def write(descriptor: int, data: bytes, port: int) -> int:
        assert descriptor == dut._port
        written.append((data, port))
        return len(data)

    def clock(which: int) -> int:
        assert which == dut_mailbox.CLOCK_MONOTONIC_COARSE
        return 4_000_000 * ((len(written) >= first) + (len(written) >= first + second))

    dut = DutEnd(box.path, lambda: None)
    monkeypatch.setattr(os, "pwrite", write)
    monkeypatch.setattr(time, "clock_gettime_ns", clock)
    dut_mailbox.Mailbox._stop_the_world(dut)
    assert written == [(b"\1", 0x80)] * delays + [(b"\1", 0x505)] * stops
    dut.close()


def test_file_is_private_and_as_large_as_the_dut_looks_for(tmp_path: Path, box: Mailbox) -> None:
    status = box.path.stat()
    assert box.path.parent == tmp_path
    assert status.st_size == MAILBOX_BYTES
    assert stat.S_IMODE(status.st_mode) == 0o600


def test_each_guest_has_its_own(tmp_path: Path, box: Mailbox) -> None:
    other = Mailbox(tmp_path)
    try:
        leave(other, 1, dumps("hello"))
        assert other.take() == "hello"
        assert not box.answered
    finally:
        other.close()
    assert box.path.exists()


def test_file_is_gone_after_close(tmp_path: Path) -> None:
    box = Mailbox(tmp_path)
    box.post([ASK])
    box.close()
    assert list(tmp_path.iterdir()) == []
    box.close()


@pytest.mark.parametrize(
    ("size", "blocks"), [(1, 1), (16, 1), (4096, 1), (4097, 2), (MAILBOX_BYTES, 8192)]
)
def test_dut_reads_and_writes_whole_blocks(box: Mailbox, size: int, blocks: int) -> None:
    """O_DIRECT takes nothing else."""
    dut = DutEnd(box.path, lambda: None)
    with dut._blocks(size) as view:
        assert len(view) == blocks * 4096
    dut.close()
