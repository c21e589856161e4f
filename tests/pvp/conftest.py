# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of PVP's checks there are depends on the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksuite.machines.machine import Clock

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave testpmd out where time is made of instructions: one that polls would be the time."""
    on_wall_clock = config.getoption("--ks-clock") == Clock.WALL
    return True if collection_path.name == "test_testpmd.py" and not on_wall_clock else None
