# SPDX-License-Identifier: GPL-2.0-or-later
"""The controller's end of the agent: an execnet gateway over any pair of byte streams.

What the DUT sends is data: execnet's serializer knows only plain types, a message that claims to be
larger than the limit ends the connection, and a gateway on this side refuses to execute anything.
"""

from __future__ import annotations

import struct
import threading
from typing import TYPE_CHECKING, Any, BinaryIO

from execnet import gateway_base, gateway_bootstrap
from execnet.gateway_io import popen_bootstrapline
from execnet.xspec import XSpec

if TYPE_CHECKING:
    import queue
    from collections.abc import Sequence

    from ksuite.machines.machine import Call

BOOT_LINE: str = popen_bootstrapline
"""What the DUT's ``python -u -c`` runs: it reads the agent from its standard input."""
MESSAGE_LIMIT_BYTES = 64 * 1024 * 1024
_HEADER = struct.Struct("!bii")
"""execnet's message header: type, channel, payload bytes."""

_SERVE = "from ksuite.dut.agent import serve\nserve(channel)\n"


class BoundedStreams(gateway_base.Popen2IO):  # type: ignore[misc]  # execnet is untyped here
    """Two byte streams as execnet wants them, reading no message larger than the limit."""

    def read(self, numbytes: int) -> bytes:
        """Read exactly that many bytes.

        :raises EOFError: the stream ended, or the DUT claims more than the limit.
        """
        if numbytes > MESSAGE_LIMIT_BYTES or numbytes < 0:
            raise EOFError(f"the DUT announced a message of {numbytes} bytes")
        data: bytes = super().read(numbytes)
        return data

    def wait(self) -> None:
        """The streams' process belongs to the machine."""

    def kill(self) -> None:
        """The streams' process belongs to the machine."""


def _new_list(unserializer: Any) -> None:
    # execnet allocates whatever length the message names; an item takes a byte of it at least.
    length = unserializer._read_int4()  # noqa: SLF001 (there is no public way to bound it)
    if not 0 <= length <= len(unserializer.stream.getbuffer()):
        raise gateway_base.LoadError(f"a list of {length} items in a shorter message")
    unserializer.stack.append([None] * length)


gateway_base.Unserializer.num2func[gateway_base.opcode.NEWLIST] = _new_list


class Agent:
    """The connection; its answers and its end go into `events` as ``(name, payload)``.

    Events: ``("ready", release)``, ``("answer", list)``, ``("gone", reason)``.
    """

    def __init__(
        self, to_dut: BinaryIO, from_dut: BinaryIO, events: queue.SimpleQueue[tuple[str, Any]]
    ) -> None:
        self._events = events
        self._channel: Any = None
        self._ready = False
        model = gateway_base.get_execmodel("thread")
        self._streams = BoundedStreams(to_dut, from_dut, model)
        self._gateway: Any = None
        self._connector = threading.Thread(target=self._connect, name="ks-agent", daemon=True)
        self._connector.start()

    def _connect(self) -> None:
        try:
            self._gateway = gateway_bootstrap.bootstrap(
                self._streams, XSpec("popen//id=dut//execmodel=main_thread_only")
            )
            self._channel = self._gateway.remote_exec(_SERVE)
            self._channel.setcallback(self._received, endmarker=None)
        except (EOFError, OSError, ValueError, AssertionError, gateway_base.DumpError) as error:
            self._events.put(("gone", str(error)))

    def _received(self, message: Any) -> None:
        if message is None:
            if self._channel is not None:
                # execnet would print them, as the DUT wrote them.
                self._channel._remoteerrors.clear()  # noqa: SLF001 (there is no public way)
            self._events.put(("gone", "the agent's stream ended"))
        elif self._ready:
            self._events.put(("answer", message))
        elif isinstance(message, tuple) and len(message) == 2 and isinstance(message[1], str):
            self._ready = True
            self._events.put(("ready", message[1]))
        else:
            self._events.put(("gone", "the agent began with garbage"))

    def join(self, timeout_seconds: float) -> None:
        """Wait until nothing reads the streams any more; they must have ended."""
        self._connector.join(timeout_seconds)
        if self._gateway is not None:
            self._gateway.join(timeout_seconds)

    def send(self, calls: Sequence[Call]) -> None:
        """Ask for calls.

        :raises OSError: the connection is gone.
        """
        self._channel.send(as_message(calls))


def as_message(calls: Sequence[Call]) -> list[tuple[Any, ...]]:
    """Return calls as the agent on the DUT takes them."""
    return [
        (function.__module__, function.__qualname__, tuple(args), dict(kwargs))
        for function, args, kwargs in calls
    ]
