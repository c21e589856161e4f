# SPDX-License-Identifier: GPL-2.0-or-later
"""From when a change of a cost counts: a choice, that a file can make for each cost."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ksuite.errors import UserError
from ksuite.measure.verdict import Threshold

if TYPE_CHECKING:
    from pathlib import Path

EXACT_PERCENT = 0.3
NOISY_PERCENT = 0.5


@dataclass(frozen=True)
class Thresholds:
    """The smallest changes that count, in percent.

    :param default: for costs that have none of their own; ours when None.
    :param own: by a cost's name, such as ``vhost_rx 64 B``.
    """

    default: float | None = None
    own: Mapping[str, float] = field(default_factory=dict)

    def of(self, name: str, *, exact: bool) -> Threshold:
        """Return the rule for a cost."""
        usual = EXACT_PERCENT if exact else NOISY_PERCENT
        default = usual if self.default is None else self.default
        return Threshold(floor=self.own.get(name, default) / 100)


def read_thresholds(path: Path) -> Thresholds:
    """Read a TOML file: ``default_percent``, and a table ``percent`` by a cost's name.

    :raises UserError: it can't be read, or says anything else.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"the thresholds {path} can't be read: {error}") from error
    if unknown := set(data) - {"default_percent", "percent"}:
        raise UserError(f"{path}: unknown: {', '.join(sorted(unknown))}")
    default = data.get("default_percent")
    own = data.get("percent", {})
    if not isinstance(own, dict):
        raise UserError(f"{path}: percent must be a table of numbers by a cost's name")
    return Thresholds(
        None if default is None else _percent(path, "default_percent", default),
        {name: _percent(path, name, value) for name, value in own.items()},
    )


def _percent(path: Path, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 100:
        raise UserError(f"{path}: {name} = {value!r:.40} is no percentage")
    return float(value)
