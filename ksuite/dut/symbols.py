# SPDX-License-Identifier: GPL-2.0-or-later
"""What lies where in the DUT's memory, for whoever has only addresses."""

from __future__ import annotations

from pathlib import Path


def kernel() -> bytes:
    """Return the symbols of the kernel and its modules, as /proc/kallsyms has them."""
    return Path("/proc/kallsyms").read_bytes()


def process() -> bytes:
    """Return what is mapped into this process, as /proc/self/maps has it."""
    return Path("/proc/self/maps").read_bytes()
