# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames that the vhost suite sends, made by scapy on the controller."""

from __future__ import annotations

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

HOST = "02:00:00:00:01:00"
SIZES = (60, 61, 64, 65, 127, 128, 129, 256, 300, 512, 777, 1000, 1024, 1400, 1513, 1514)
JUMBO = (60, 1514, 1515, 2036, 2037, 4096, 9000, 9014)


def guest(index: int) -> str:
    """Return the MAC address of the guest's queue pair `index`."""
    return f"02:00:00:00:00:{index + 1:02x}"


def udp(size: int, *, seed: int = 0) -> bytes:
    """Return a UDP frame of `size` bytes whose payload is a pattern of its own."""
    head = Ether(src=guest(0), dst=HOST) / IP(src="10.0.0.1", dst="10.0.1.1")
    payload = bytes((seed * 37 + offset * 7) & 0xFF for offset in range(size - 42))
    frame = bytes(head / UDP(sport=1000 + seed, dport=2000, chksum=0) / payload)
    assert len(frame) == size
    return frame


def batch(sizes: tuple[int, ...], times: int = 1) -> list[bytes]:
    """Return one frame of each size, `times` over, no two alike."""
    return [udp(size, seed=seed) for seed, size in enumerate(sizes * times)]


def flows(count: int) -> tuple[list[bytes], list[bytes]]:
    """Return the frames of `count` flows out of a guest, and the answers to them."""
    outward, inward = [], []
    for index in range(count):
        there = Ether(src=guest(index), dst=HOST) / IP(src=f"10.0.0.{index + 1}", dst="10.0.1.1")
        back = Ether(src=HOST, dst=guest(index)) / IP(src="10.0.1.1", dst=f"10.0.0.{index + 1}")
        outward.append(bytes(there / UDP(sport=1000 + index, dport=2000) / bytes(18)))
        inward.append(bytes(back / UDP(sport=2000, dport=1000 + index) / bytes(18)))
    return outward, inward
