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


def growth(scenario: str, packets: int, times: int, tolerated: int) -> list[dict[str, int]]:
    """Send packets through a scenario's loop, and look at the caches from time to time.

    :param packets: sent between two looks; a multiple of `BATCH`. Were each of them lost, memory
        must be left to tell.
    :param times: how often to look, at most.
    :param tolerated: a cache that grows by more objects is the last look.
    :return: for each look and cache by how many objects in use it has grown.
    """
    caches = [cache for pattern in PATTERNS for cache in SLABS.glob(pattern)]
    with LOOPS[scenario](FRAME_BYTES) as run:
        for _ in range(WARM_UP_ROUNDS):
            run()
        looks: list[dict[str, int]] = []
        before = _in_use(caches)
        while len(looks) < times:
            for _ in range(packets // BATCH):
                run()
            after = _in_use(caches)
            looks.append({name: after[name] - before[name] for name in before})
            if max(looks[-1].values()) > tolerated:
                break
            before = after
        return looks


def _in_use(caches: list[Path]) -> dict[str, int]:
    """Count objects: each CPU's free ones count as used until the cache is shrunk."""
    for cache in caches:
        (cache / "shrink").write_text("1")
    return {cache.name: int((cache / "objects").read_text().split()[0]) for cache in caches}
