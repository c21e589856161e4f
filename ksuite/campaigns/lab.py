# SPDX-License-Identifier: GPL-2.0-or-later
"""What a test of an out-of-tree module has in its hands: a DUT with the modules loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ksuite.dut import lab as dut_lab
from ksuite.errors import DutError, InfrastructureError, UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ksuite.campaigns.dut import Dut
    from ksuite.campaigns.own_tests import OnDut
    from ksuite.dut.lab import Place

WAIT_MS = 200
"""Of the DUT's clock, which leaps over it where the DUT is idle."""
MOST_NAME = 15
"""IFNAMSIZ without the NUL at its end."""
IPV6 = b"\x86\xdd"
IPV6_AT = 14
"""Where the header is, behind that of Ethernet."""
HOP_BY_HOP, ICMPV6 = 0, 58
UNASKED = frozenset({130, 131, 132, 133, 134, 135, 136, 143})
"""Types of ICMPv6: listeners, routers and neighbours."""


class CommandFailed(DutError):
    """A command on the DUT had an exit status other than 0: it was refused what it wanted.

    :param status: its exit status.
    """

    def __init__(self, words: Sequence[str], status: int, said: str) -> None:
        super().__init__(f"{' '.join(words)}: exit status {status}: {said.strip()}")
        self.status = status


class Lab:
    """A DUT that belongs to one test; a link is called ``namespace/link``, or just ``link``.

    :param names: of the modules that are judged.
    """

    def __init__(self, dut: Dut, on_dut: OnDut, names: Sequence[str], release: str) -> None:
        self._dut = dut
        self._on_dut = on_dut
        self._names = list(names)
        self._namespaces: list[str] = []
        self.release = release

    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run a function on the DUT, and return what it returns, which must be plain data.

        :param function: of a file that ``[tests] on_dut`` names, or of `ksuite.dut`.
        :raises KernelFault: the kernel broke.
        :raises DutError: it met an OSError.
        """
        asked, arguments, named = self._on_dut.call(function, args, kwargs)
        return self._dut.call(asked, *arguments, **named)

    def run(self, *words: str, netns: str = "") -> str:
        """Run a command on the DUT, and return what it writes to stdout.

        :raises CommandFailed: its exit status is not 0.
        """
        status, out, said = self._dut.call(dut_lab.run, netns, list(words))
        if status:
            raise CommandFailed(words, status, said or out)
        return str(out)

    def namespace(self, name: str) -> str:
        """Create a network namespace, where it isn't there yet, and return its name."""
        if name and name not in self._namespaces:
            self._dut.call(dut_lab.add_namespace, name)
            self._namespaces.append(name)
        return name

    def veth(self, near: str, far: str) -> tuple[str, str]:
        """Create a veth pair, with the namespaces that its ends are in; return the ends."""
        self._dut.call(dut_lab.add_veth, self._placed(near), self._placed(far))
        return near, far

    def tap(self, link: str) -> str:
        """Create a tap device, and return how it is called."""
        self._dut.call(dut_lab.add_tap, self._placed(link))
        return link

    def mac(self, link: str) -> str:
        """Return a link's address."""
        return str(self._dut.call(dut_lab.mac, place_of(link)))

    def exchange(
        self, sends: Iterable[tuple[str, Any]], listens: Sequence[str], wait_ms: int = WAIT_MS
    ) -> list[list[bytes]]:
        """Send frames, and return those that arrive at each of some links.

        What IPv6 says by itself is left out.

        :param sends: a link, and a frame to be sent there: bytes, or a packet of scapy's.
        """
        frames = [(*place_of(link), bytes(frame)) for link, frame in sends]
        heard = self._dut.call(dut_lab.exchange, frames, [*map(place_of, listens)], wait_ms)
        if not isinstance(heard, list) or len(heard) != len(listens):
            raise InfrastructureError("the DUT sent no frames")
        return [[frame for frame in frames if not is_chatter(frame)] for frames in heard]

    def taint(self) -> str:
        """Return what taints the kernel, a letter each."""
        return str(self._dut.call(dut_lab.taint))

    def dismantle(self) -> list[str]:
        """Unload the modules, take all links and namespaces down, and return what was unloaded.

        :raises KernelFault: something still holds a link.
        :raises DutError: a module is in use.
        """
        gone = self._dut.call(dut_lab.dismantle, self._names, self._namespaces)
        self._namespaces = []
        return list(map(str, gone))

    def take_links_down(self) -> None:
        """Take all links and namespaces down while the modules are loaded.

        :raises KernelFault: something still holds a link.
        """
        self._dut.call(dut_lab.take_down, self._namespaces)
        self._namespaces = []

    def end(self, *, passed: bool) -> None:
        """Give the DUT back, to be thrown away.

        What a test has left that passed is taken down before, and what leaks is looked for while it
        is known whose it is.

        :raises KernelFault: something still holds a link.
        :raises DutError: a module is in use.
        """
        try:
            if passed:
                self.dismantle()
                self._dut.retire()
        finally:
            self._dut.discard()

    def _placed(self, link: str) -> Place:
        place = place_of(link)
        self.namespace(place[0])
        return place


def place_of(link: str) -> Place:
    """Return a link's namespace and name.

    :raises UserError: it is none.
    """
    namespace, _, name = link.rpartition("/")
    if not name or len(name) > MOST_NAME or "/" in namespace or namespace.startswith("."):
        raise UserError(f"{link!r:.60} is no link: it is called namespace/link, or just link")
    return namespace, name


def is_chatter(frame: bytes) -> bool:
    """Say whether a frame is one that IPv6 sends without being asked: RFC 4861, RFC 3810."""
    rest = IPV6_AT + 40
    if frame[12:IPV6_AT] != IPV6 or len(frame) < rest + 8:
        return False
    header = frame[IPV6_AT + 6]
    if header == HOP_BY_HOP:
        header, rest = frame[rest], rest + 8 * (frame[rest + 1] + 1)
    return header == ICMPV6 and len(frame) > rest and frame[rest] in UNASKED
