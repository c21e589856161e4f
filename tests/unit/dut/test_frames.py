# SPDX-License-Identifier: GPL-2.0-or-later
"""The books about numbered frames: each kind of trouble is seen, and told apart from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from ksuite.dut.frames import STAMP, FrameBatch, Tally, Verifier, udp_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZES = (60, 61, 100, 1514)
COUNT = len(SIZES)


@pytest.fixture
def batch() -> FrameBatch:
    return FrameBatch([bytes((seed + at) & 0xFF for at in range(SIZES[seed])) for seed in range(4)])


def sent(batch: FrameBatch, rounds: int = 3) -> list[bytes]:
    """Return the frames of some rounds, as they leave."""
    return [
        row[:length].tobytes()
        for _ in range(rounds)
        for row, length in zip(batch.stamp(), batch.lengths, strict=True)
    ]


def tally(batch: FrameBatch, frames: Sequence[bytes], at_once: int = 100) -> Tally:
    """Return what a verifier makes of these frames."""
    verifier = Verifier(batch)
    for start in range(0, len(frames), at_once):
        some = frames[start : start + at_once]
        rows = np.zeros((len(some), batch.width + 10), dtype=np.uint8)
        for row, frame in zip(rows, some, strict=True):
            row[: len(frame)] = np.frombuffer(frame, np.uint8)
        verifier.check(rows, np.array([len(frame) for frame in some], dtype=np.uint32))
    return verifier.finish()


def changed(frame: bytes, at: int) -> bytes:
    return frame[:at] + bytes([frame[at] ^ 0x10]) + frame[at + 1 :]


def trouble(seen: Tally) -> dict[str, int | str]:
    """Return the kinds of trouble that there were."""
    names = ("missing", "duplicated", "reordered", "corrupt")
    return {name: value for name, value in seen.as_dict().items() if name in names and value}


@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_all_well(batch: FrameBatch, at_once: int) -> None:
    seen = tally(batch, sent(batch), at_once)
    assert trouble(seen) == {}
    assert seen.sent == seen.arrived == 3 * COUNT
    assert seen.first_corrupt == ""


def test_frames_are_numbered_on(batch: FrameBatch) -> None:
    numbers = [int.from_bytes(frame[STAMP], "little") for frame in sent(batch)]
    assert numbers == list(range(3 * COUNT))


def test_nothing_arrived(batch: FrameBatch) -> None:
    sent(batch)
    seen = tally(batch, [])
    assert trouble(seen) == {"missing": 3 * COUNT}
    assert seen.arrived == 0


@pytest.mark.parametrize("lost", [0, 5, 11])
def test_missing(batch: FrameBatch, lost: int) -> None:
    frames = sent(batch)
    del frames[lost]
    assert trouble(tally(batch, frames)) == {"missing": 1}


def test_duplicated(batch: FrameBatch) -> None:
    frames = sent(batch)
    frames.insert(5, frames[5])
    assert trouble(tally(batch, frames)) == {"duplicated": 1}


@pytest.mark.parametrize("at_once", [1, 100])
def test_reordered(batch: FrameBatch, at_once: int) -> None:
    frames = sent(batch)
    frames[5], frames[6] = frames[6], frames[5]
    assert trouble(tally(batch, frames, at_once)) == {"reordered": 1}


@pytest.mark.parametrize(("frame", "at"), [(4, 0), (5, 60), (6, 41), (6, 50), (7, 1513)])
def test_corrupt(batch: FrameBatch, frame: int, at: int) -> None:
    frames = sent(batch)
    frames[frame] = changed(frames[frame], at)
    seen = tally(batch, frames)
    assert trouble(seen) == {"corrupt": 1}
    was, now = batch.rows[frame % COUNT, at], frames[frame][at]
    assert seen.first_corrupt.startswith(f"frame {frame}: ")
    assert f"byte {at}: {now:#04x} for {was:#04x}" in seen.first_corrupt


@pytest.mark.parametrize("change", [-1, 1, 8])
def test_wrong_length(batch: FrameBatch, change: int) -> None:
    frames = sent(batch)
    frames[6] = (frames[6] + bytes(change)) if change > 0 else frames[6][:change]
    seen = tally(batch, frames)
    assert trouble(seen) == {"corrupt": 1}
    assert f"{100 + change} bytes of 100" in seen.first_corrupt


def test_bytes_behind_a_frame_are_nobodys(batch: FrameBatch) -> None:
    frames = sent(batch, 1)
    rows = np.full((COUNT, batch.width), 0xAA, dtype=np.uint8)
    for row, frame in zip(rows, frames, strict=True):
        row[: len(frame)] = np.frombuffer(frame, np.uint8)
    verifier = Verifier(batch)
    verifier.check(rows, batch.lengths)
    assert trouble(verifier.finish()) == {}


@pytest.mark.parametrize("number", [3 * COUNT, 1 << 40, (1 << 64) - 1])
def test_number_out_of_range_is_corrupt(batch: FrameBatch, number: int) -> None:
    frames = sent(batch)
    lost = number % COUNT
    frames[lost] = frames[lost][:42] + number.to_bytes(8, "little") + frames[lost][50:]
    seen = tally(batch, frames)
    assert trouble(seen) == {"corrupt": 1}
    assert str(number) in seen.first_corrupt


def test_number_of_another_frame(batch: FrameBatch) -> None:
    """The bytes are those of another frame of the same template: sent twice, the other never."""
    frames = sent(batch)
    frames[4] = frames[0]
    assert trouble(tally(batch, frames)) == {"missing": 1, "duplicated": 1, "reordered": 1}


def test_everything_at_once(batch: FrameBatch) -> None:
    frames = sent(batch, 10)
    frames[20] = changed(frames[20], 55)
    frames[30], frames[31] = frames[31], frames[30]
    frames.insert(12, frames[12])
    del frames[5]
    assert trouble(tally(batch, frames)) == {
        "missing": 1,
        "duplicated": 1,
        "reordered": 1,
        "corrupt": 1,
    }


def test_corrupt_copy_of_a_frame_that_arrived(batch: FrameBatch) -> None:
    """Nothing is missing, and never less than nothing."""
    frames = sent(batch)
    frames.append(changed(frames[0], 55))
    assert trouble(tally(batch, frames)) == {"corrupt": 1}


def test_first_corrupt_frame_is_told(batch: FrameBatch) -> None:
    frames = sent(batch)
    frames[2], frames[9] = changed(frames[2], 52), changed(frames[9], 53)
    seen = tally(batch, frames, at_once=2)
    assert seen.corrupt == 2
    assert seen.first_corrupt.startswith("frame 2: ")


@pytest.mark.parametrize("size", [60, 64, 65, 1500])
def test_udp_frame_is_what_scapy_makes_of_its_fields(size: int) -> None:
    frame = udp_frame(size)
    assert len(frame) == size
    header = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    ip = IP(src="10.0.0.1", dst="10.0.1.1", id=0)
    made = header / ip / UDP(sport=1000, dport=2000, chksum=0) / frame[42:]
    assert bytes(made) == frame


def test_a_flow_overtaken_by_another_is_not_overtaken_by_itself(batch: FrameBatch) -> None:
    """Each template is a flow: their frames may come in any order, but not a flow's own."""
    frames = sent(batch, rounds=2)
    seen = tally(batch, [frames[at] for at in (1, 0, 5, 4, 3, 2, 7, 6)])
    assert seen.reordered
    assert seen.overtaken == 0
    assert tally(batch, [*frames[4:5], *frames[:4], *frames[5:]]).overtaken == 1
