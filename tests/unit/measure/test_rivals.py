# SPDX-License-Identifier: GPL-2.0-or-later
"""What others would say of the same samples."""

from __future__ import annotations

import numpy as np
import pytest

from ksuite.measure.cost import Cost
from ksuite.measure.rivals import fixed_threshold, jumpavg
from tests.unit.measure.samples import WALL


def sample(level: float, noise: float, seed: int) -> Cost:
    draw = np.random.default_rng(seed)
    return Cost(WALL, tuple((level * (1 + draw.normal(0, noise, 25))).tolist()), guests=5)


@pytest.mark.parametrize(
    ("change", "seen"), [(0.0, False), (0.049, False), (0.051, True), (-0.1, False)]
)
def test_fixed_threshold(change: float, seen: bool) -> None:
    assert fixed_threshold(sample(1000, 0, 1), sample(1000 * (1 + change), 0, 2)) is seen


@pytest.mark.parametrize(
    ("change", "noise", "seen"),
    [
        (0.02, 0.002, True),
        (-0.02, 0.002, False),
        (0.0005, 0.01, False),
        (0.02, 0.1, False),
    ],
)
def test_jumpavg_takes_less_time_for_better(change: float, noise: float, seen: bool) -> None:
    assert jumpavg(sample(1000, noise, 1), sample(1000 * (1 + change), noise, 2)) is seen
