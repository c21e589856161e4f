# SPDX-License-Identifier: GPL-2.0-or-later
"""Frozen dataclasses as JSON, for another process of ours."""

from __future__ import annotations

from typing import Self

from cattrs.preconf.json import make_converter

_CONVERTER = make_converter()


class Plain:
    """A dataclass that can be sent as text."""

    def as_json(self) -> str:
        """Return it as text."""
        return str(_CONVERTER.dumps(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return what `as_json` wrote."""
        return _CONVERTER.loads(text, cls)
