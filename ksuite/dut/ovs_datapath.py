# SPDX-License-Identifier: GPL-2.0-or-later
"""The Open vSwitch datapath over generic netlink, without a switch daemon: pyroute2's messages.

Numbers and layouts: include/uapi/linux/openvswitch.h.
"""

from __future__ import annotations

import errno
import socket
import struct
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from pyroute2.netlink import NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REQUEST, genlmsg
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.generic import GenericNetlinkSocket

from ksuite.dut import netlink_bulk
from ksuite.dut.netlink import attribute, attributes
from ksuite.dut.ovs_attributes import pack_actions, pack_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ksuite.dut.netlink_bulk import Part
    from ksuite.dut.ovs_attributes import Action, Key

NEW, DELETE, GET, SET = 1, 2, 3, 4
METER_SET = 2
MISS, ACTION, EXECUTE = 1, 2, 3
PACKET, KEY, USERDATA = 1, 2, 4
"""OVS_PACKET_ATTR_*."""
NETDEV = 1
TUNNELS = {"gre": 3, "vxlan": 4, "geneve": 5}
"""OVS_VPORT_TYPE_*."""
UPCALL_PORT = 4242
"""The netlink port id that upcalls are sent to; any that is free will do."""
NETLINK_GENERIC = 16
SO_RCVBUFFORCE = 33
NLM_F_ECHO = 8
UPCALL_BYTES = 1 << 16
BIG_QUEUE_BYTES = 1 << 24
BAND_DROP = 1
_STATISTICS = struct.Struct("=QQQQ")
_MASKS = struct.Struct("=QIIQQ")
_FLOW = struct.Struct("=QQ")
_GENERIC = struct.Struct("=IHHIIBBHi")
"""struct nlmsghdr, genlmsghdr and ovs_header."""


class _Message(genlmsg):  # type: ignore[misc]  # pyroute2 is untyped here
    fields = (*genlmsg.fields, ("dp_ifindex", "i"))


class _Datapath(_Message):
    nla_map = (
        (1, "OVS_DP_NAME", "asciiz"),
        (2, "OVS_DP_UPCALL_PID", "uint32"),
        (3, "OVS_DP_STATS", "cdata"),
        (4, "OVS_DP_MEGAFLOW_STATS", "cdata"),
        (5, "OVS_DP_USER_FEATURES", "uint32"),
        (7, "OVS_DP_MASKS_CACHE_SIZE", "uint32"),
    )


class _Port(_Message):
    nla_map = (
        (1, "OVS_VPORT_PORT_NO", "uint32"),
        (2, "OVS_VPORT_TYPE", "uint32"),
        (3, "OVS_VPORT_NAME", "asciiz"),
        (4, "OVS_VPORT_OPTIONS", "cdata"),
        (5, "OVS_VPORT_UPCALL_PID", "uint32"),
    )


class _Flow(_Message):
    nla_map = (
        (1, "OVS_FLOW_KEY", "cdata"),
        (2, "OVS_FLOW_ACTIONS", "cdata"),
        (3, "OVS_FLOW_STATS", "cdata"),
        (5, "OVS_FLOW_USED", "uint64"),
        (6, "OVS_FLOW_CLEAR", "flag"),
        (7, "OVS_FLOW_MASK", "cdata"),
    )


class _Packet(_Message):
    nla_map = (
        (1, "OVS_PACKET_PACKET", "cdata"),
        (2, "OVS_PACKET_KEY", "cdata"),
        (3, "OVS_PACKET_ACTIONS", "cdata"),
    )


class _Meter(_Message):
    nla_map = ((1, "OVS_METER_ID", "uint32"), (4, "OVS_METER_BANDS", "cdata"))


FAMILIES = {
    "ovs_datapath": (_Datapath, 2),
    "ovs_vport": (_Port, 1),
    "ovs_flow": (_Flow, 1),
    "ovs_packet": (_Packet, 1),
    "ovs_meter": (_Meter, 1),
}
"""Each with its messages and its version."""


class Upcall(NamedTuple):
    """A packet that the datapath sent up.

    :param kind: MISS or ACTION.
    :param key: the flow key as bytes, to be installed as it is.
    """

    kind: int
    packet: bytes
    key: bytes
    userdata: bytes


class Flow(NamedTuple):
    """A flow as the datapath tells it.

    :param used_ms: when it last matched, on the monotonic clock; None where it never did.
    """

    key: bytes
    mask: bytes
    packets: int
    bytes: int
    used_ms: int | None


class Datapath:
    """A datapath and what is in it; a context manager that removes it with all its ports.

    :param name: of the datapath's own link.
    :param queue_bytes: room for upcalls that nobody has read yet.
    :raises OSError: the kernel has no Open vSwitch, or refuses it.
    """

    def __init__(self, name: str, queue_bytes: int = BIG_QUEUE_BYTES) -> None:
        self.name = name
        self._stack = ExitStack()
        self._families: dict[str, GenericNetlinkSocket] = {}
        self._upcalls = self._stack.enter_context(_upcall_socket(queue_bytes))
        self._index = 0

    def __enter__(self) -> Self:
        attrs = [("OVS_DP_NAME", self.name), ("OVS_DP_UPCALL_PID", UPCALL_PORT)]
        attrs += [("OVS_DP_USER_FEATURES", 0)]
        try:
            self._index = self._told(NEW, attrs, NLM_F_CREATE | NLM_F_ECHO)["dp_ifindex"]
            self._stack.callback(self.request, "ovs_datapath", DELETE, [])
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        try:
            self._stack.close()
        finally:
            for family in self._families.values():
                family.close()

    def _told(self, command: int, attrs: Sequence[tuple[str, Any]], flags: int = 0) -> Any:
        """Return the one answer about the datapath itself."""
        answers = self.request("ovs_datapath", command, attrs, flags)
        if len(answers) != 1:
            raise OSError(errno.EBADMSG, f"{len(answers)} answers about one datapath")
        return answers[0]

    def request(
        self, family: str, command: int, attrs: Sequence[tuple[str, Any]], flags: int = 0
    ) -> list[Any]:
        """Send a message and return the answers.

        :raises OSError: the kernel refused it.
        """
        kind, version = FAMILIES[family]
        message = kind()
        message["cmd"], message["version"] = command, version
        message["dp_ifindex"] = self._index
        message["attrs"] = [list(one) for one in attrs]
        flags |= NLM_F_REQUEST | (0 if flags & NLM_F_DUMP else NLM_F_ACK)
        try:
            netlink = self._family(family)
            return list(netlink.nlm_request(message, msg_type=netlink.prid, msg_flags=flags))
        except NetlinkError as error:
            raise OSError(error.code, f"{family} command {command}: {error}") from error

    def _family(self, name: str) -> GenericNetlinkSocket:
        if name not in self._families:
            # With the kernel's reason for a refusal, where it gives one.
            netlink = GenericNetlinkSocket(ext_ack=True)
            try:
                netlink.bind(name, FAMILIES[name][0])
            except BaseException:
                netlink.close()
                raise
            self._families[name] = netlink
        return self._families[name]

    def add_port(self, number: int, link: str, tunnel: str = "", udp_port: int = 0) -> None:
        """Put a link into the datapath, or a tunnel that makes its own.

        :param tunnel: a key of TUNNELS.
        """
        attrs: list[tuple[str, Any]] = [
            ("OVS_VPORT_PORT_NO", number),
            ("OVS_VPORT_TYPE", TUNNELS[tunnel] if tunnel else NETDEV),
            ("OVS_VPORT_NAME", link),
            ("OVS_VPORT_UPCALL_PID", UPCALL_PORT),
        ]
        if udp_port:
            attrs.append(("OVS_VPORT_OPTIONS", attribute(1, struct.pack("=H", udp_port))))
        self.request("ovs_vport", NEW, attrs)

    def add_flow(
        self, key: Key | bytes, actions: Sequence[Action], mask: Key | None = None
    ) -> None:
        """Install a flow; without a mask it matches exactly.

        :param key: as data, or as an upcall brought it.
        """
        attrs = [
            ("OVS_FLOW_KEY", key if isinstance(key, bytes) else pack_key(key)),
            ("OVS_FLOW_ACTIONS", pack_actions(actions)),
        ]
        if mask is not None:
            attrs.append(("OVS_FLOW_MASK", pack_key(mask)))
        self.request("ovs_flow", NEW, attrs, NLM_F_CREATE)

    def add_flows(self, count: int, parts: Sequence[Part]) -> None:
        """Install many flows at once.

        :param parts: their attributes in columns, as `netlink_bulk.attribute` makes them.
        """
        head = struct.pack("=BBHi", NEW, FAMILIES["ovs_flow"][1], 0, self._index)
        family = self._family("ovs_flow").prid
        netlink_bulk.send("flows", NETLINK_GENERIC, family, count, [head, *parts])

    def clear_flow(self, key: bytes) -> None:
        """Set a flow's statistics to nothing."""
        self.request("ovs_flow", SET, [("OVS_FLOW_KEY", key), ("OVS_FLOW_CLEAR", True)])

    def remove_flow(self, key: bytes) -> None:
        """Take a flow out again."""
        self.request("ovs_flow", DELETE, [("OVS_FLOW_KEY", key)])

    def flows(self) -> list[Flow]:
        """Return all flows."""
        return [_flow(one) for one in self.request("ovs_flow", GET, [], NLM_F_DUMP)]

    def statistics(self) -> dict[str, int]:
        """Return what the datapath has counted, and how many flows and masks it has."""
        told = self._told(GET, [])
        hit, missed, lost, flows = _unpacked(_STATISTICS, told.get_attr("OVS_DP_STATS"))
        mask_hit, masks, _, cache_hit, _ = _unpacked(_MASKS, told.get_attr("OVS_DP_MEGAFLOW_STATS"))
        counted = {"hit": hit, "missed": missed, "lost": lost, "flows": flows}
        return counted | {"mask_hit": mask_hit, "masks": masks, "cache_hit": cache_hit}

    def execute(self, packet: bytes, key: bytes, actions: Sequence[Action]) -> None:
        """Carry out actions on a packet that comes from here."""
        attrs = [
            ("OVS_PACKET_PACKET", packet),
            ("OVS_PACKET_KEY", key),
            ("OVS_PACKET_ACTIONS", pack_actions(actions)),
        ]
        self.request("ovs_packet", EXECUTE, attrs)

    def add_meter(self, number: int, packets_per_second: int, burst: int) -> None:
        """Make a meter that drops what is above a rate."""
        band = attribute(1, struct.pack("=I", BAND_DROP))
        band += attribute(2, struct.pack("=I", packets_per_second))
        band += attribute(3, struct.pack("=I", burst))
        attrs = [("OVS_METER_ID", number), ("OVS_METER_BANDS", attribute(0, band))]
        self.request("ovs_meter", METER_SET, attrs)

    def miss(self) -> Upcall:
        """Take the upcalls that are there, and return the first of a packet without a flow.

        :raises OSError: there is none.
        """
        misses = [upcall for upcall in self.upcalls() if upcall.kind == MISS]
        if not misses:
            raise OSError(errno.ENOMSG, "no upcall came for a packet that has no flow")
        return misses[0]

    def upcalls(self) -> list[Upcall]:
        """Take the upcalls that are there, without waiting.

        :raises OSError: one can't be read.
        """
        taken = []
        # ENOBUFS tells that some were lost, once; the datapath has counted them.
        with suppress(BlockingIOError):
            while True:
                try:
                    taken.append(_upcall(self._upcalls.recv(UPCALL_BYTES)))
                except OSError as error:
                    if error.errno != errno.ENOBUFS:
                        raise
        return taken


@contextmanager
def _upcall_socket(queue_bytes: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC) as upcalls:
        upcalls.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, queue_bytes)
        upcalls.setblocking(False)
        upcalls.bind((UPCALL_PORT, 0))
        yield upcalls


def _upcall(message: bytes) -> Upcall:
    kind = _unpacked(_GENERIC, message[: _GENERIC.size])[5]
    found = dict(attributes(message[_GENERIC.size :]))
    if not {PACKET, KEY} <= found.keys():
        raise OSError(errno.EBADMSG, f"an upcall without packet or key: {sorted(found)}")
    return Upcall(kind, found[PACKET], found[KEY], found.get(USERDATA, b""))


def _unpacked(layout: struct.Struct, data: bytes | None) -> tuple[int, ...]:
    if data is None or len(data) != layout.size:
        raise OSError(errno.EBADMSG, f"{data!r:.80} where {layout.size} bytes were due")
    return layout.unpack(bytes(data))


def _flow(told: Any) -> Flow:
    # A flow that was never used has none.
    packets, size = _unpacked(_FLOW, told.get_attr("OVS_FLOW_STATS") or bytes(_FLOW.size))
    key, mask = (bytes(told.get_attr(f"OVS_FLOW_{name}") or b"") for name in ("KEY", "MASK"))
    return Flow(key, mask, packets, size, told.get_attr("OVS_FLOW_USED"))
