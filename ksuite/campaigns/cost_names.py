# SPDX-License-Identifier: GPL-2.0-or-later
"""Which names are those of costs that ksuite can measure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ksuite.campaigns.suites import SUITES
from ksuite.dut import loops
from ksuite.errors import UserError
from ksuite.measure.thresholds import read_thresholds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from ksuite.measure.thresholds import Thresholds

_COST = re.compile(r"(\S+) \d+ (\S+)")


def is_cost(scenario: str) -> bool:
    """Say whether a scenario is one cost of ours."""
    return bool(_unit(scenario))


def thresholds_of(path: Path) -> Thresholds:
    """Read a file of thresholds for costs that can be measured.

    :raises UserError: as `read_thresholds`, and for the name of a cost that no suite has.
    """
    thresholds = read_thresholds(path)
    must_be_costs(path, thresholds.own, {})
    return thresholds


def must_be_costs(path: Path, names: Iterable[str], own: Mapping[str, str]) -> None:
    """Refuse what names no cost that can be measured.

    :param path: of the file that has the names.
    :param own: the unit of the size of each loop that is not one of ours.
    :raises UserError: it does.
    """
    for name in names:
        words = _COST.fullmatch(name)
        if words is None or (own.get(words[1]) or _unit(words[1])) != words[2]:
            scenario, unit = next(iter(own.items()), (SUITES[0].scenarios[0], "B"))
            example = f"{scenario} 64 {unit}"
            raise UserError(f"{path}: no cost is named {name!r:.60}; one is named {example!r}")


def _unit(scenario: str) -> str:
    """Return the unit of a scenario's size; empty where it is no cost."""
    try:
        return loops.size_of(scenario).unit
    except KeyError:
        return ""
