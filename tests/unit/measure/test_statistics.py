# SPDX-License-Identifier: GPL-2.0-or-later
"""Intervals and bands on samples of which it is known what they were drawn from."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import pytest

from ksuite.measure.statistics import FEWEST, LEVEL, bands, ratio_interval

if TYPE_CHECKING:
    from collections.abc import Callable

    Draw = np.random.Generator
    Floats = np.ndarray[tuple[int], np.dtype[np.float64]]

GUESTS, WINDOWS = 5, 5
"""As they are measured."""
TRIALS = 150
COVERS = 0.96

SHAPES: dict[str, Callable[[Draw, int], Floats]] = {
    "normal": lambda draw, count: draw.normal(1000, 5, count),
    "uniform": lambda draw, count: draw.uniform(990, 1010, count),
    "skewed": lambda draw, count: 1000 + draw.exponential(5, count),
    "heavy tails": lambda draw, count: draw.laplace(1000, 5, count),
}


def windows(draw: Draw, level: float, guests: float, within: float) -> list[list[float]]:
    """Return windows of guests that differ by so much, relative to the level."""
    own = draw.normal(0, guests, (GUESTS, 1))
    noise = draw.normal(0, within, (GUESTS, WINDOWS))
    sample: list[list[float]] = (level * (1 + own + noise)).tolist()
    return sample


@pytest.mark.parametrize("ratio", [1.0, 1.02, 0.9])
@pytest.mark.parametrize(
    ("guests", "within"),
    [(0.0, 0.01), (0.01, 0.01), (0.01, 0.001)],
    ids=["windows differ", "both differ", "guests differ"],
)
def test_interval_holds_the_true_ratio(ratio: float, guests: float, within: float) -> None:
    draw = np.random.default_rng(1)
    hits = 0
    for _ in range(TRIALS):
        low, high = ratio_interval(
            windows(draw, 1000, guests, within),
            windows(draw, 1000 * ratio, guests, within),
        )
        assert low <= high
        hits += low <= ratio <= high
    assert hits / TRIALS >= COVERS


def test_interval_narrows_with_the_noise() -> None:
    draw = np.random.default_rng(2)
    widths = []
    for noise in (0.05, 0.005, 0.0005):
        sample = [windows(draw, 1000, 0, noise) for _ in range(2)]
        low, high = ratio_interval(*sample)
        widths.append(high - low)
    assert widths[0] > 5 * widths[1] > 25 * widths[2]
    assert widths[2] < 0.002


def test_guests_that_differ_widen_it() -> None:
    """Windows of one guest, taken as if they were guests of their own, would say too much."""
    draw = np.random.default_rng(3)
    base, candidate = (windows(draw, 1000, 0.01, 0.0005) for _ in range(2))
    low, high = ratio_interval(base, candidate)
    flat = [[[*chain(*sample)]] for sample in (base, candidate)]
    flat_low, flat_high = ratio_interval(*flat)
    assert high - low > flat_high - flat_low


def test_same_samples_same_interval() -> None:
    draw = np.random.default_rng(4)
    sample = [windows(draw, 1000, 0.01, 0.01) for _ in range(2)]
    assert ratio_interval(*sample) == ratio_interval(*sample)


def test_no_noise_no_width() -> None:
    assert ratio_interval([[1000.0] * 5] * 2, [[1010.0] * 5] * 2) == (1.01, 1.01)
    assert 0.9 < LEVEL < 1


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [FEWEST, 25, 50])
def test_noise_is_one_band(shape: str, count: int) -> None:
    draw = np.random.default_rng(5)
    alarms = sum(bands(SHAPES[shape](draw, count).tolist()) is not None for _ in range(TRIALS))
    assert alarms / TRIALS <= 0.01


@pytest.mark.parametrize("upper", [0.2, 0.4, 0.5, 0.8])
@pytest.mark.parametrize("shape", SHAPES)
def test_two_bands_are_found(shape: str, upper: float) -> None:
    """Whichever of them has more windows, and in whichever order these came."""
    draw = np.random.default_rng(6)
    above = round(25 * upper)
    seen = 0
    for _ in range(TRIALS):
        sample = SHAPES[shape](draw, 25)
        sample[:above] += 150
        draw.shuffle(sample)
        found = bands(sample.tolist())
        seen += found is not None and abs(found[1] - found[0] - 150) < 20
    assert seen / TRIALS >= 0.98


@pytest.mark.parametrize("far", [-300, 500])
@pytest.mark.parametrize("shape", SHAPES)
def test_one_outlier_hides_no_band(shape: str, far: float) -> None:
    draw = np.random.default_rng(9)
    seen = 0
    for _ in range(TRIALS):
        sample = SHAPES[shape](draw, 25)
        sample[:12] += 150
        sample[-1] += far
        found = bands(sample.tolist())
        seen += found is not None and abs(found[1] - found[0] - 150) < 20
    assert seen / TRIALS >= 0.98


@pytest.mark.parametrize("outliers", [1, 2, 4])
def test_outliers_are_no_band(outliers: int) -> None:
    draw = np.random.default_rng(7)
    sample = SHAPES["normal"](draw, 25)
    sample[:outliers] += 500
    assert bands(sample.tolist()) is None


def test_too_few_windows_are_one_band() -> None:
    assert bands([1000.0] * 5 + [2000.0] * 5) is None


def test_equal_windows_are_one_band() -> None:
    assert bands([1000.0] * FEWEST) is None
    assert bands([1000.0] * 15 + [1100.0] * 10) == (1000, 1100)
