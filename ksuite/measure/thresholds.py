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
    :param reasons: for those of their own, where one was given.
    """

    default: float | None = None
    own: Mapping[str, float] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)

    def of(self, name: str, *, exact: bool) -> Threshold:
        """Return the rule for a cost."""
        usual = EXACT_PERCENT if exact else NOISY_PERCENT
        default = (usual if self.default is None else self.default) / 100
        own = self.own.get(name)
        if own is None:
            return Threshold(floor=default)
        reason = (
            f"its own threshold of {own:g} %: {given}" if (given := self.reasons.get(name)) else ""
        )
        return Threshold(own / 100, reason=reason, usual=default)


MOST_SHOWN = 10**9


def read_thresholds(path: Path) -> Thresholds:
    """Read a TOML file.

    ``default_percent``; a table ``percent`` by a cost's name; and a table ``cost`` of tables, by a
    cost's name, which have a ``percent`` and the ``reason`` for it.

    :raises UserError: it can't be read, or says anything else.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"the thresholds {path} can't be read: {error!s:.80}") from error
    return thresholds_in(path, data)


def thresholds_in(path: Path, data: dict[str, Any]) -> Thresholds:
    """Return the thresholds that a part of a file holds; see `read_thresholds`.

    :param path: of the file, for what is wrong.
    """
    _must_be_known(path, "", data, {"default_percent", "percent", "cost"})
    default = data.get("default_percent")
    bare = _table(path, data, "percent", "numbers")
    told = _table(path, data, "cost", "tables")
    if twice := bare.keys() & told.keys():
        raise UserError(f"{path}: said twice: {', '.join(sorted(twice))}")
    reasons = {name: _reason(path, name, value) for name, value in told.items()}
    own = bare | {name: value.get("percent") for name, value in told.items()}
    return Thresholds(
        None if default is None else _percent(path, "default_percent", default),
        {name: _percent(path, name, value) for name, value in own.items()},
        reasons,
    )


def _table(path: Path, data: dict[str, Any], name: str, of: str) -> dict[str, Any]:
    table = data.get(name, {})
    if not isinstance(table, dict):
        raise UserError(f"{path}: {name} must be a table of {of} by a cost's name")
    return table


def _reason(path: Path, name: str, value: Any) -> str:
    if not isinstance(value, dict):
        raise UserError(f"{path}: cost must be a table of tables by a cost's name")
    _must_be_known(path, f"{name:.40}: ", value, {"percent", "reason"})
    reason = value.get("reason")
    if not isinstance(reason, str) or not reason.strip():
        raise UserError(f"{path}: {name:.40} needs a reason for a threshold of its own")
    return reason.strip()


def _must_be_known(path: Path, where: str, data: dict[str, Any], known: set[str]) -> None:
    if unknown := set(data) - known:
        raise UserError(f"{path}: {where}unknown: {', '.join(sorted(unknown))}")


def _percent(path: Path, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 100:
        # Python writes no number of more than 4,300 digits, but in hexadecimal.
        shown = hex(value) if isinstance(value, int) and value > MOST_SHOWN else repr(value)
        raise UserError(f"{path}: {name} = {shown:.40} is no percentage")
    return float(value)
