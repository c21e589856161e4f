# SPDX-License-Identifier: GPL-2.0-or-later
"""What the size of a loop may be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """What a scenario's cost depends on.

    :param name: among the cost's parameters.
    :param unit: in the cost's name.
    """

    name: str
    unit: str


FRAME_BYTES = Size("frame_bytes", "B")
RULES = Size("rules", "rules")
