# SPDX-License-Identifier: GPL-2.0-or-later
"""What a DUT needs once after it came up."""

from __future__ import annotations

import contextlib
import importlib
import shutil
import subprocess
from pathlib import Path

SLABS = Path("/sys/kernel/slab")
KEPT_SLABS = 1_000_000
"""More than memory holds, so that none is ever one too many."""


def settle(imports: list[str]) -> None:
    """Make the DUT quiet, and import what the scenarios will need.

    :param imports: names of modules of this package.
    """
    if udevadm := shutil.which("udevadm"):
        # A new tap would wake udev's workers, whose time would be ours.
        subprocess.run([udevadm, "control", "--exit"], check=False, capture_output=True)
    keep_empty_slabs()
    # Root is a remote file system: nothing may be imported inside a window.
    for name in imports:
        importlib.import_module(f"ksuite.dut.{name}")


def alive() -> bool:
    """Answer."""
    return True


def prepare(imports: list[str]) -> None:
    """Do what takes a scenario's module long, and stays done: its `prepare()`, if it has one."""
    for name in imports:
        module = importlib.import_module(f"ksuite.dut.{name}")
        if hasattr(module, "prepare"):
            module.prepare()


def keep_empty_slabs() -> None:
    """Let no slab cache give pages back.

    A burst of packets fills and empties dozens of slabs. SLUB keeps `min_partial` partly used ones
    a node (mm/slub.c, `__slab_free()`); how many of these the boot has left behind differs from
    boot to boot, and so does the number of pages that every burst frees, gets again and clears:
    0.9 % of what an rx packet costs. Kept, they are a pool that a warm-up fills.
    """
    for setting in SLABS.glob("*/min_partial"):
        # Before 5.17 the kernel clamps the number to 10 by itself; some caches vanish meanwhile.
        with contextlib.suppress(OSError):
            setting.write_text(str(KEPT_SLABS))
