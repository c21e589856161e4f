# SPDX-License-Identifier: GPL-2.0-or-later
"""What a bisection has seen of a revision."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ksuite.measure.cost import Cost
from ksuite.measure.finding import MEASURED, Seen, Step
from tests.unit.measure.samples import FINGERPRINT

RESTORED = replace(FINGERPRINT, root="ab" * 32)


def test_restored_guest_speaks_for_all() -> None:
    costs = (Cost(RESTORED, (100.0, 101.0, 104.0)), Cost(RESTORED, (200.0,) * 3))
    assert Seen("a", MEASURED, costs).cost == pytest.approx(305 / 3)
    assert Seen("a", "panic").cost is None


def test_cost_of_boots_is_that_of_all() -> None:
    """One boot by itself may say anything."""
    boots = [[(97.0, 98.0, 300.0), (102.0,) * 3], [(99.0,) * 3, (107.0,) * 3]]
    before, after = (
        Seen(str(number), MEASURED, tuple(Cost(FINGERPRINT, one) for one in windows))
        for number, windows in enumerate(boots)
    )
    assert (before.cost, after.cost) == (100.0, 103.0)
    assert Step("1", "0", "", before, after).change == pytest.approx(0.03)
