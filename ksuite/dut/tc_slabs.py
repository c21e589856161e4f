# SPDX-License-Identifier: GPL-2.0-or-later
"""What packets leave behind in the slab caches that they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksuite.dut.setup import SLABS
from ksuite.dut.tc_loops import BATCH, LOOPS
from ksuite.dut.windows import WARM_UP_ROUNDS

if TYPE_CHECKING:
    from pathlib import Path

PATTERNS = ("skbuff_*", "kmalloc-512", "kmalloc-*k")
"""Caches of packets' headers and of their data."""
FRAME_BYTES = 64


def growth(scenario: str, packets: int) -> dict[str, int]:
    """Send packets through a scenario's loop.

    :param packets: a multiple of `BATCH`.
    :return: for each cache by how many objects in use it has grown.
    """
    caches = [cache for pattern in PATTERNS for cache in SLABS.glob(pattern)]
    with LOOPS[scenario](FRAME_BYTES) as run:
        for _ in range(WARM_UP_ROUNDS):
            run()
        before = _in_use(caches)
        for _ in range(packets // BATCH):
            run()
        after = _in_use(caches)
    return {name: after[name] - before[name] for name in before}


def _in_use(caches: list[Path]) -> dict[str, int]:
    """Count objects: each CPU's free ones count as used until the cache is shrunk."""
    for cache in caches:
        (cache / "shrink").write_text("1")
    return {cache.name: int((cache / "objects").read_text().split()[0]) for cache in caches}
