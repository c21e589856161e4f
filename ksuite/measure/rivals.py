# SPDX-License-Identifier: GPL-2.0-or-later
"""How others would judge samples of real time: to be compared with, not to be followed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jumpavg import classify

if TYPE_CHECKING:
    from collections.abc import Callable

    from ksuite.measure.cost import Cost

FIXED = 0.05
"""What most scripts take for a change."""
NS = 1e9


def fixed_threshold(base: Cost, candidate: Cost) -> bool:
    """Whether the median has risen by more than `FIXED`."""
    return candidate.median / base.median - 1 > FIXED


def jumpavg(base: Cost, candidate: Cost) -> bool:
    """Whether FD.io CSIT's classifier puts both in groups of their own, and calls it a regression.

    It looks for the grouping that takes the fewest bits to describe, of what is better when it is
    more: here packets a second. Each variant's windows are one result to it, of several trials.
    """
    groups = classify([[NS / window for window in cost.windows] for cost in (base, candidate)])
    return bool(groups[-1].comment == "regression")


RIVALS: dict[str, Callable[[Cost, Cost], bool]] = {
    f"fixed {FIXED:.0%}": fixed_threshold,
    "jumpavg": jumpavg,
}
