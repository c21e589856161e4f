# SPDX-License-Identifier: GPL-2.0-or-later
"""Received buffers put together into frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from ksuite.dut.vhost_transfer import _frames
from ksuite.dut.vhostnet import HEADER_BYTES
from ksuite.dut.vring import Memory, Virtqueue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BUFFER = 64


@pytest.fixture
def queue() -> Iterator[Virtqueue]:
    queue = Virtqueue(Memory(1 << 20), 256, BUFFER, writable=True, event_idx=True)
    queue.buffers[:] = 0xEE
    yield queue
    queue.close()


def pattern(size: int) -> bytes:
    return bytes((size + at * 3) & 0xFF for at in range(size))


def receive(queue: Virtqueue, frames: Sequence[bytes]) -> tuple[list[int], list[int]]:
    """Write frames into buffers as vhost does; return the heads and lengths of the used ring."""
    heads = iter(np.random.default_rng(7).permutation(queue.size))
    ids, lengths = [], []
    for frame in frames:
        count = -(-(HEADER_BYTES + len(frame)) // BUFFER)
        data = bytes(10) + count.to_bytes(2, "little") + frame
        for start in range(0, len(data), BUFFER):
            part = data[start : start + BUFFER]
            ids.append(int(next(heads)))
            lengths.append(len(part))
            queue.buffers[ids[-1], : len(part)] = np.frombuffer(part, np.uint8)
    return ids, lengths


def merged(queue: Virtqueue, ids: list[int], lengths: list[int], width: int) -> list[bytes]:
    """Return the frames that `_frames` makes of this, once their shape is checked."""
    rows, sizes = _frames(queue, np.array(ids, np.intp), np.array(lengths, np.uint32), width)
    assert rows.shape == (len(sizes), width)
    return [row[:size].tobytes() for row, size in zip(rows, sizes, strict=True)]


@pytest.mark.parametrize(
    "sizes",
    [
        (20, 52, 40),
        (60,),
        (60, 20, 1514, 61, 52, 53),
        (116, 117, 115),
        (52 + 64 * 20,),
    ],
    ids=["one buffer each", "two buffers", "mixed", "at the edge", "many"],
)
def test_frames_come_out_as_they_went_in(queue: Virtqueue, sizes: tuple[int, ...]) -> None:
    frames = [pattern(size) for size in sizes]
    assert merged(queue, *receive(queue, frames), max(sizes)) == frames


def test_nothing_received(queue: Virtqueue) -> None:
    assert merged(queue, [], [], 100) == []


def test_frames_narrower_than_the_batch(queue: Virtqueue) -> None:
    frames = [pattern(20), pattern(30)]
    assert merged(queue, *receive(queue, frames), 1514) == frames


def test_frame_longer_than_any_that_was_sent(queue: Virtqueue) -> None:
    """Its length tells; the bytes beyond the batch's width are cut off."""
    ids, lengths = receive(queue, [pattern(200)])
    rows, sizes = _frames(queue, np.array(ids), np.array(lengths, np.uint32), 100)
    assert rows[0].tobytes() == pattern(200)[:100]
    assert list(sizes) == [200]


def test_count_that_says_more_than_there_is(queue: Virtqueue) -> None:
    ids, lengths = receive(queue, [pattern(60), pattern(116)])
    queue.buffers[ids[2], 10:12] = (9, 0)
    assert merged(queue, ids, lengths, 116) == [pattern(60), pattern(116)]


def test_count_of_zero_is_taken_for_one(queue: Virtqueue) -> None:
    ids, lengths = receive(queue, [pattern(20), pattern(60)])
    queue.buffers[ids[0], 10:12] = 0
    assert merged(queue, ids, lengths, 60) == [pattern(20), pattern(60)]
