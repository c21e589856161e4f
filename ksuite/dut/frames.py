# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbered test frames, and the books that show what was lost, doubled, moved or changed."""

from __future__ import annotations

import struct
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Sequence

STAMP = slice(42, 50)
"""Where a frame's number goes: the first payload bytes behind Ethernet, IPv4 and UDP."""

Bytes2D = npt.NDArray[np.uint8]
IP_HEADER_BYTES = 20
ETHERTYPE_EXPERIMENTAL = 0x88B5
"""IEEE 802 local experimental 1: no protocol handler takes it."""


def frame_of(size: int) -> bytes:
    """Return an Ethernet frame of `size` bytes that no protocol wants."""
    header = bytes.fromhex("020000000002 020000000001") + ETHERTYPE_EXPERIMENTAL.to_bytes(2, "big")
    return header + (bytes(range(256)) * 8)[: size - len(header)]


def udp_frame(size: int) -> bytes:
    """Return a frame of `size` bytes that holds a UDP packet from 10.0.0.1 to 10.0.1.1.

    UDP's checksum is none, which RFC 768 allows.
    """
    ethernet = bytes.fromhex("020000000002 020000000001 0800")
    length = size - len(ethernet)
    words = struct.unpack("!10H", _ip_header(length, 0))
    total = sum(words)
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    udp = struct.pack("!4H", 1000, 2000, length - IP_HEADER_BYTES, 0)
    head = ethernet + _ip_header(length, checksum) + udp
    return head + (bytes(range(256)) * 8)[: size - len(head)]


def _ip_header(length: int, checksum: int) -> bytes:
    addresses = (bytes([10, 0, 0, 1]), bytes([10, 0, 1, 1]))
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, length, 0, 0, 64, 17, checksum, *addresses)


class FrameBatch:
    """A fixed batch of frames, of any sizes, that is sent again and again with new numbers.

    :param templates: whole frames without FCS, 60 bytes or more.
    """

    def __init__(self, templates: Sequence[bytes]) -> None:
        self.lengths = np.array([len(frame) for frame in templates], dtype=np.uint32)
        self.count = len(templates)
        self.width = int(self.lengths.max())
        self.rows: Bytes2D = np.zeros((self.count, self.width), dtype=np.uint8)
        for row, frame in zip(self.rows, templates, strict=True):
            row[: len(frame)] = np.frombuffer(frame, dtype=np.uint8)
        self.inside = np.arange(self.width) < self.lengths[:, None]
        self.number = 0

    def stamp(self) -> Bytes2D:
        """Number the batch's frames on from the last, and return them: (count, width)."""
        numbers = np.arange(self.number, self.number + self.count, dtype="<u8")
        self.rows[:, STAMP] = numbers.view(np.uint8).reshape(-1, 8)
        self.number += self.count
        return self.rows


@dataclass
class Tally:
    """What became of numbered frames; plain numbers, so that it can be sent as it is.

    :param reordered: frames right after one that was sent later.
    :param overtaken: the same, among those of one template: where each is a flow of its own.
    """

    sent: int = 0
    arrived: int = 0
    missing: int = 0
    duplicated: int = 0
    reordered: int = 0
    overtaken: int = 0
    corrupt: int = 0
    first_corrupt: str = ""

    def as_dict(self) -> dict[str, int | str]:
        """Return the tally as plain data."""
        return asdict(self)


class Verifier:
    """Checks arriving frames against a batch's templates."""

    def __init__(self, batch: FrameBatch) -> None:
        self._batch = batch
        self._numbers: list[npt.NDArray[np.uint64]] = []
        self.tally = Tally()

    def check(self, rows: Bytes2D, lengths: npt.NDArray[np.uint32]) -> None:
        """Take frames in the order in which they arrived.

        :param rows: (frames, at least the batch's width) bytes.
        :param lengths: bytes of each frame.
        """
        if not len(rows):
            return
        batch = self._batch
        numbers = np.ascontiguousarray(rows[:, STAMP]).view("<u8")[:, 0]
        template = (numbers % batch.count).astype(np.intp)
        expected = batch.rows[template]
        expected[:, STAMP] = rows[:, STAMP]
        wrong = ((rows[:, : batch.width] != expected) & batch.inside[template]).any(axis=1)
        wrong |= lengths != batch.lengths[template]
        # A number from outside the sent range is a changed byte, not a frame that we know.
        wrong |= numbers >= batch.number
        self._note_corrupt(rows, lengths, numbers, wrong, template)
        self._numbers.append(numbers[~wrong])
        self.tally.arrived += len(rows)

    def _note_corrupt(
        self,
        rows: Bytes2D,
        lengths: npt.NDArray[np.uint32],
        numbers: npt.NDArray[np.uint64],
        wrong: npt.NDArray[np.bool_],
        template: npt.NDArray[np.intp],
    ) -> None:
        self.tally.corrupt += int(wrong.sum())
        if not wrong.any() or self.tally.first_corrupt:
            return
        at = int(np.argmax(wrong))
        want = self._batch.rows[template[at]].copy()
        want[STAMP] = rows[at, STAMP]
        width = self._batch.width
        bad = np.flatnonzero((rows[at, :width] != want) & self._batch.inside[template[at]])
        where = (
            f"byte {bad[0]}: {rows[at, bad[0]]:#04x} for {want[bad[0]]:#04x}" if len(bad) else ""
        )
        size = f"{lengths[at]} bytes of {self._batch.lengths[template[at]]}"
        self.tally.first_corrupt = f"frame {numbers[at]}: {size}, {where}"

    def finish(self) -> Tally:
        """Return the tally once everything that will arrive has arrived."""
        tally = self.tally
        tally.sent = self._batch.number
        numbers = np.concatenate([*self._numbers, np.empty(0, dtype="<u8")]).astype(np.int64)
        unique = len(np.unique(numbers))
        tally.duplicated = len(numbers) - unique
        tally.missing = max(0, tally.sent - unique - tally.corrupt)
        tally.reordered = int((np.diff(numbers) < 0).sum())
        templates = numbers % self._batch.count
        by_template = np.argsort(templates, kind="stable")
        same = np.diff(templates[by_template]) == 0
        tally.overtaken = int((same & (np.diff(numbers[by_template]) < 0)).sum())
        return tally
