# SPDX-License-Identifier: GPL-2.0-or-later
"""What a translated packet costs; runs on the DUT.

::

    packet socket --> gen ==veth== port, jool_siit --> out (a dummy)
"""

from __future__ import annotations

import struct
import subprocess
from contextlib import ExitStack, contextmanager
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from ksuite.dut.cpu import prompt_softirqs
from ksuite.dut.links import dummy, sent_packets, set_state, veth
from ksuite.dut.packet import generator
from ksuite.dut.sizes import Size

SIZE = Size("payload_bytes", "B")
VERSION = 1
BATCH = 500
PREFIX = IPv6Address("2001:db8:64::")
ALICE, BOB = IPv4Address("198.51.100.8"), IPv4Address("192.0.2.33")
UDP = 17


def _sum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _udp(addresses: bytes, payload_bytes: int) -> bytes:
    length = 8 + payload_bytes
    head = struct.pack("!HHHH", 40000, 53, length, 0)
    pseudo = addresses + struct.pack("!HH", UDP, length)
    return (
        head[:6]
        + struct.pack("!H", _sum(pseudo + head + bytes(payload_bytes)))
        + bytes(payload_bytes)
    )


def four(payload_bytes: int) -> bytes:
    """Return an IPv4 packet from Bob to Alice."""
    addresses = BOB.packed + ALICE.packed
    inner = _udp(addresses, payload_bytes)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(inner), 1, 0x4000, 64, UDP, 0)
    return head[:10] + struct.pack("!H", _sum(head + addresses)) + addresses + inner


def six(payload_bytes: int) -> bytes:
    """Return an IPv6 packet from Alice to Bob."""
    ends = [IPv6Address(int(PREFIX) | int(one)).packed for one in (ALICE, BOB)]
    inner = _udp(b"".join(ends), payload_bytes)
    return struct.pack("!IHBB", 6 << 28, len(inner), UDP, 64) + b"".join(ends) + inner


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


@contextmanager
def translated(ethertype: int, packet, payload_bytes: int):
    """Yield what sends BATCH packets through a stateless translator."""
    with ExitStack() as stack:
        stack.enter_context(veth("gen", "port"))
        stack.enter_context(dummy("out"))
        for name in ("port", "out"):
            conf = Path(f"/proc/sys/net/ipv6/conf/{name}")
            for setting, value in {"accept_dad": 0, "addr_gen_mode": 1, "disable_ipv6": 0}.items():
                (conf / setting).write_text(str(value))
            set_state(name, up=True)
        _run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        _run("ip", "address", "add", "2001:db8:6::1/64", "dev", "out", "nodad")
        _run("ip", "address", "add", "203.0.113.1/24", "dev", "out")
        _run("ip", "route", "add", f"{BOB}/32", "dev", "out")
        _run("ip", "-6", "route", "add", f"{PREFIX}/96", "dev", "out")
        _run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.port.rp_filter=0")
        _run("jool_siit", "instance", "add", "one", "--netfilter", "--pool6", f"{PREFIX}/96")
        mac = Path("/sys/class/net/port/address").read_text().strip().replace(":", "")
        header = bytes.fromhex(f"{mac}020000000001{ethertype:04x}")
        ring = stack.enter_context(generator("gen", header + packet(payload_bytes), BATCH))
        stack.enter_context(prompt_softirqs())
        before = sent_packets("out")
        sent = [0]

        def run() -> None:
            sent[0] += BATCH
            ring.send(BATCH)

        yield run
        went = sent_packets("out") - before
        if went != sent[0]:
            raise OSError(f"{sent[0]} packets were sent, and {went} came out")


LOOPS = {
    "siit_46": partial(translated, 0x0800, four),
    "siit_64": partial(translated, 0x86DD, six),
}
