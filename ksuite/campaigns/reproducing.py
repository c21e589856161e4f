# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line that asks the same of the same again."""

from __future__ import annotations

from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.campaigns.options import OPTIONS, CheckOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ksuite.campaigns.suites import Suite

OF_MANY = {"clock", "kernel", "build", "config", "unpatched", "vcpus", "root", "packages"}
"""The options that say on what a series is judged; the others say what of, or how much is told."""


def command_of(options: CheckOptions, suites: Sequence[Suite]) -> tuple[str, ...]:
    """Return what judges the series on the same kernel; ``--check TEST`` may be added to it."""
    usual = CheckOptions("")
    series = options.series or (suites[0].series if suites else "")
    command = ["ksuite", "check", _from_here(series)]
    for name in (field.name for field in fields(CheckOptions)):
        value = getattr(options, name)
        if name not in OF_MANY or value == getattr(usual, name):
            continue
        assert name in OPTIONS
        command.append(f"--{name}")
        command += [] if value is True else [_as_word(value)]
    return tuple(command)


def _as_word(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return value.value if isinstance(value, StrEnum) else str(value)


def _from_here(series: str) -> str:
    """Return a path as somebody would type it."""
    path = Path(series)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else series
