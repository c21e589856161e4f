# SPDX-License-Identifier: GPL-2.0-or-later
"""What a DUT needs once after it came up."""

from __future__ import annotations

import importlib
import subprocess


def settle(imports: list[str]) -> None:
    """Make the DUT quiet, and import what the scenarios will need.

    :param imports: names of modules of this package.
    """
    # A new tap would wake udev's workers, whose time would be ours.
    subprocess.run(["udevadm", "control", "--exit"], check=False, capture_output=True)
    # Root is a remote file system: nothing may be imported inside a window.
    for name in imports:
        importlib.import_module(f"ksuite.dut.{name}")
