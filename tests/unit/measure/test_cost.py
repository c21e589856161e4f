# SPDX-License-Identifier: GPL-2.0-or-later
"""What makes costs comparable, and what their windows are of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ksuite.measure.cost import Cost
from tests.unit.measure.samples import FINGERPRINT, IMAGE, WALL


def test_equal_fingerprints_differ_in_nothing() -> None:
    assert FINGERPRINT.unlike(replace(FINGERPRINT)) == ()


def test_fields_that_differ_are_named_with_both_values() -> None:
    other = replace(WALL, vcpus=2, parameters=(("batch", 400), ("frame_bytes", 64)))
    assert FINGERPRINT.unlike(other) == (
        ("clock", "instructions", "wall"),
        ("parameters", "frame_bytes=64 batch=500", "batch=400 frame_bytes=64"),
        ("vcpus", "1", "2"),
    )


def test_digests_are_told_in_short() -> None:
    one, other = (replace(FINGERPRINT, root=digit * 64) for digit in "ab")
    assert one.unlike(other) == (("root", "a" * 12, "b" * 12),)


def test_only_guests_of_an_image_are_restored() -> None:
    assert IMAGE.restored
    assert not FINGERPRINT.restored


@pytest.mark.parametrize(
    ("guests", "apart"),
    [
        (1, ((1.0, 2.0, 3.0, 4.0),)),
        (2, ((1.0, 2.0), (3.0, 4.0))),
        (4, ((1.0,), (2.0,), (3.0,), (4.0,))),
    ],
)
def test_windows_by_guest(guests: int, apart: tuple[tuple[float, ...], ...]) -> None:
    assert Cost(FINGERPRINT, (1.0, 2.0, 3.0, 4.0), guests=guests).by_guest == apart
