# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames that the TC suite sends, made by scapy on the controller."""

from __future__ import annotations

from scapy.layers.l2 import Ether

ETHERTYPE = 0x88B5
"""IEEE 802 local experimental 1: what gets past TC is dropped, and counted, by the stack."""
SIZES = (60, 64, 65, 128, 333, 1000, 1513, 1514)


def unknown(size: int, seed: int = 0) -> bytes:
    """Return a frame of `size` bytes that no protocol wants, with a payload of its own."""
    head = bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", type=ETHERTYPE))
    return head + bytes((seed * 37 + offset * 7) & 0xFF for offset in range(size - len(head)))


def batch() -> list[bytes]:
    """Return frames of many sizes, no two alike."""
    return [unknown(size, seed) for seed, size in enumerate(SIZES)]
