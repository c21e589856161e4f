# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of an out-of-tree module ask for: links that stay, frames in and out, commands.

Nothing here is taken down at a function's end: a test's guest is thrown away. Before that,
`dismantle` does it, and finds out whether a module lets go of what it held.
"""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import socket
import struct
import subprocess
import time
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyroute2 import IPRoute, netns

from ksuite.dut import modules as dut_modules
from ksuite.dut.agent import CannotObserveError
from ksuite.dut.links import set_state
from ksuite.dut.netns import inside
from ksuite.dut.packet import (
    ETH_P_ALL,
    PACKET_IGNORE_OUTGOING,
    PACKET_STATISTICS,
    SO_RCVBUFFORCE,
    SOL_PACKET,
)
from ksuite.dut.tap import IFF_NO_PI, IFF_TAP, open_queue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

TUNSETPERSIST = 0x400454CB
MOST_FRAME_BYTES = 1 << 16
MOST_FRAMES = 4096
QUEUE_BYTES = 64 << 20
"""Room for so many frames of usual size, of which each may take 4 KiB and more."""
TPACKET_STATS = struct.Struct("II")
"""struct tpacket_stats: packets, and those of them for which there was no room (packet(7))."""
VIRTUAL = ("veth", "tun", "dummy", "bridge")
SILENT = {"accept_dad": 0, "router_solicitations": 0, "addr_gen_mode": 1, "accept_ra": 0}
"""What keeps IPv6 from sending packets that no test has sent (ip-sysctl.rst)."""
NAMESPACE_SECONDS = 12.0
"""Longer than netdev_wait_allrefs_any() waits before it says for whom (net/core/dev.c: 10 s)."""

Place = tuple[str, str]
"""A network namespace, empty for the first one, and a link in it."""


def add_namespace(name: str) -> None:
    """Create a network namespace in which the loopback is up, and IPv6 does not chatter."""
    netns.create(name)
    with inside(name):
        for setting in ("accept_dad", "router_solicitations", "accept_ra"):
            for which in ("all", "default"):
                _set_ipv6(which, setting, SILENT[setting])
        set_state("lo", up=True)


def add_veth(near: Place, far: Place) -> None:
    """Create a veth pair, each end where it belongs, both up."""
    with IPRoute() as routes:
        routes.link("add", ifname=near[1], kind="veth", peer={"ifname": far[1]})
        for namespace, name in (near, far):
            if namespace:
                index = socket.if_nametoindex(name)
                routes.link("set", index=index, net_ns_fd=namespace)
    for place in (near, far):
        _bring_up(place)


def add_tap(place: Place) -> None:
    """Create a tap device that stays, and is up."""
    with _within(place[0]):
        file = open_queue(place[1], IFF_TAP | IFF_NO_PI)
        try:
            fcntl.ioctl(file, TUNSETPERSIST, 1)
        finally:
            os.close(file)
        with IPRoute() as routes:
            routes.link("set", index=socket.if_nametoindex(place[1]), txqlen=MOST_FRAMES)
    _bring_up(place)


def mac(place: Place) -> str:
    """Return a link's address."""
    with _within(place[0]), IPRoute() as routes:
        return str(_link(routes, place[1]).get_attr("IFLA_ADDRESS"))


def run(namespace: str, words: Sequence[str]) -> tuple[int, str, str]:
    """Run a command in a network namespace.

    :return: its exit status, and what it wrote to stdout and stderr.
    :raises CannotObserveError: there is no such command.
    """
    if shutil.which(words[0]) is None:
        raise CannotObserveError(f"the DUT has no command {words[0]}: name its Debian package")
    with _within(namespace):
        done = subprocess.run(words, capture_output=True, text=True, check=False, errors="replace")
    return done.returncode, done.stdout, done.stderr


def exchange(
    sends: Sequence[tuple[str, str, bytes]], listens: Sequence[Place], wait_ms: int
) -> list[list[bytes]]:
    """Send frames, and return what arrives at some links, in order.

    A frame that is sent on a tap comes into the kernel there; what arrives at a tap is what the
    kernel sends out there.

    :param wait_ms: of the DUT's clock, for the next frame, before it is taken that there is none.
    :raises CannotObserveError: these are more, or larger ones, than can be counted.
    """
    if len(sends) > MOST_FRAMES:
        raise CannotObserveError(f"{len(sends)} frames at once, and no more than {MOST_FRAMES} can")
    with ExitStack() as stack:
        places = dict.fromkeys([*listens, *((one[0], one[1]) for one in sends)])
        ports = {place: stack.enter_context(_port(place)) for place in places}
        for namespace, name, frame in sends:
            ports[namespace, name].send(frame)
        heard = {ports[place]: list[bytes]() for place in listens}
        poll = select.poll()
        for port in heard:
            poll.register(port.file, select.POLLIN)
        by_file = {port.file: port for port in heard}
        while ready := poll.poll(wait_ms):
            for file, _ in ready:
                heard[by_file[file]].append(by_file[file].receive())
            if sum(map(len, heard.values())) > MOST_FRAMES:
                raise OSError(f"more than {MOST_FRAMES} frames came: a loop?")
        for port in heard:
            port.must_have_heard_all()
        return list(heard.values())


def dismantle(modules: list[str], namespaces: list[str]) -> list[str]:
    """Unload modules, then take down all links and these namespaces.

    A reference that a module has not given back makes the kernel wait, and say so.

    :return: the modules that were unloaded.
    :raises OSError: a module is in use.
    """
    gone = dut_modules.unload(modules)
    take_down(namespaces)
    return gone


def take_down(namespaces: list[str]) -> None:
    """Take down all links and these namespaces."""
    for name in namespaces:
        netns.remove(name)
    with IPRoute() as routes:
        for link in routes.get_links():
            # Of a veth pair the other end goes along.
            if _kind(link) in VIRTUAL and routes.link_lookup(index=link["index"]):
                routes.link("del", index=link["index"])
    # Namespaces go in a worker's own time.
    time.sleep(NAMESPACE_SECONDS if namespaces else 0)


def taint() -> str:
    """Return what taints the kernel, a letter each (Documentation/admin-guide/tainted-kernels)."""
    letters = "PFSRMBUDAWCIOELKXTN"
    mask = int(Path("/proc/sys/kernel/tainted").read_text())
    return "".join(letter for bit, letter in enumerate(letters) if mask >> bit & 1)


class _Port:
    """A link that frames go in and out of.

    :param file: that is readable when a frame is there.
    """

    def __init__(
        self,
        file: int,
        send: Callable[[bytes], Any],
        receive: Callable[[int], bytes],
        lost: Callable[[], int] = lambda: 0,
    ) -> None:
        self.file = file
        self.send = send
        self._receive = receive
        self._lost = lost

    def receive(self) -> bytes:
        return self._receive(MOST_FRAME_BYTES)

    def must_have_heard_all(self) -> None:
        """Refuse to say what arrived where something came that we had no room for."""
        if lost := self._lost():
            raise CannotObserveError(
                f"{lost} frames more came than fit into {QUEUE_BYTES >> 20} MiB"
            )


@contextmanager
def _port(place: Place) -> Iterator[_Port]:
    with _within(place[0]):
        with IPRoute() as routes:
            is_tap = _kind(_link(routes, place[1])) == "tun"
        if is_tap:
            file = open_queue(place[1], IFF_TAP | IFF_NO_PI)
        else:
            packet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            packet.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
            packet.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, QUEUE_BYTES)
            packet.bind((place[1], ETH_P_ALL))
    if is_tap:
        try:
            yield _Port(file, lambda frame: os.write(file, frame), lambda most: os.read(file, most))
        finally:
            os.close(file)
    else:
        with packet:
            yield _Port(packet.fileno(), packet.send, packet.recv, lambda: _lost_of(packet))


def _lost_of(packet: socket.socket) -> int:
    said = packet.getsockopt(SOL_PACKET, PACKET_STATISTICS, TPACKET_STATS.size)
    lost: int = TPACKET_STATS.unpack(said)[1]
    return lost


def _link(routes: IPRoute, name: str) -> Any:
    # Unlike a dump of all links, it is an error where there is none.
    (link,) = routes.link("get", ifname=name)
    return link


def _kind(link: Any) -> str:
    info = link.get_attr("IFLA_LINKINFO")
    return (info.get_attr("IFLA_INFO_KIND") or "") if info else ""


def _bring_up(place: Place) -> None:
    with _within(place[0]):
        for setting, value in SILENT.items():
            _set_ipv6(place[1], setting, value)
        set_state(place[1], up=True)


def _set_ipv6(which: str, setting: str, value: int) -> None:
    Path(f"/proc/sys/net/ipv6/conf/{which}/{setting}").write_text(str(value))


def _within(namespace: str) -> Any:
    return inside(namespace) if namespace else nullcontext()
