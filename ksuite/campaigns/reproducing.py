# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line that asks the same of the same again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ksuite.campaigns.options import CheckOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ksuite.campaigns.suites import Suite

JUDGED_ON = ("kernel", "clock", "root", "packages", "unpatched", "vcpus", "build", "config")
"""The options that say on what a series is judged; the others say what of, or how much is told."""


def command_of(options: CheckOptions, suites: Sequence[Suite]) -> tuple[str, ...]:
    """Return what judges the series on the same kernel; ``--check TEST`` may be added to it."""
    usual = CheckOptions("")
    series = options.series or (suites[0].series if suites else "")
    command = ["ksuite", "check", from_here(series)]
    for name in JUDGED_ON:
        value = getattr(options, name)
        if value != getattr(usual, name):
            word = ",".join(value) if isinstance(value, tuple) else str(value)
            command += [f"--{name}", *([] if value is True else [word])]
    return tuple(command)


def from_here(series: str | Path) -> str:
    """Return a path as somebody would type it."""
    path = Path(series)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(series)
