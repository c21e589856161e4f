# SPDX-License-Identifier: GPL-2.0-or-later
"""What samples of real time say, and what they don't."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    Floats = np.ndarray[tuple[int], np.dtype[np.float64]]
    Sample = Sequence[Sequence[float]]
    """The windows of each guest, of all guests equally many."""

SEED = 20_181_115
"""Any number: the same samples always get the same interval."""
RESAMPLES = 2000
LEVEL = 0.99
"""Nominal: a bootstrap makes the spread of a handful of guests too small. For five, 98 % of the
intervals hold the true ratio where guests differ more than windows do."""
FEWEST_GUESTS = 4
"""Fewer that were booted don't tell how much such guests differ."""
FEWEST = 20
"""Windows; of fewer, noise makes two bands too often."""
OUTLIERS = 0.1
"""The part of a band that may lie far outside."""
SMALLEST_BAND = 0.2
"""The part of all windows that a band has at least: less are outliers."""


def ratio_interval(base: Sample, candidate: Sample) -> tuple[float, float]:
    """Return between what the candidate's median is, relative to the base's.

    A bootstrap: guests are drawn with replacement, and windows from each, since windows of one
    guest have more in common with one another than with those of the next.
    """
    draw = np.random.default_rng(SEED)
    ratios = _medians(candidate, draw) / _medians(base, draw)
    low, high = np.quantile(ratios, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)


def _medians(sample: Sample, draw: np.random.Generator) -> Floats:
    values = np.asarray(sample, dtype=np.float64)
    guests, windows = values.shape
    guest = draw.integers(guests, size=(RESAMPLES, guests, 1))
    window = draw.integers(windows, size=(RESAMPLES, guests, windows))
    drawn: Floats = np.median(values[guest, window].reshape(RESAMPLES, -1), axis=1)
    return drawn


def bands(windows: Sequence[float]) -> tuple[float, float] | None:
    """Return the middles of the two bands that windows lie in; None where it is one.

    Two bands have more room between them than the wider of them takes, and neither is a few
    outliers; those that lie outside of both make neither wider.
    """
    values = np.sort(np.asarray(windows, dtype=np.float64))
    if len(values) < FEWEST:
        return None
    gaps = np.diff(values)
    fewest = max(2, int(np.ceil(SMALLEST_BAND * len(values))))
    inner = gaps[fewest - 1 : len(gaps) - fewest + 1]
    below = int(np.argmax(inner)) + fewest
    lower, upper = values[:below], values[below:]
    width_below = lower[-1] - lower[int(OUTLIERS * len(lower))]
    width_above = upper[-1 - int(OUTLIERS * len(upper))] - upper[0]
    if upper[0] - lower[-1] <= max(width_below, width_above):
        return None
    return float(np.median(lower)), float(np.median(upper))
