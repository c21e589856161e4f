# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers of frames as they arrived."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def trouble(numbers: Sequence[int], count: int) -> str:
    """Say what is wrong with numbers that should be 0 to `count`, each once and in order."""
    missing = sorted(set(range(count)) - set(numbers))
    steps = [(one, other) for one, other in pairwise(numbers) if other != one + 1]
    if not missing and not steps and len(numbers) == count:
        return ""
    return f"{len(numbers)} of {count} frames; missing {missing[:9]}, not in order {steps[:9]}"
